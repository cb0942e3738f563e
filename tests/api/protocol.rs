//! Manners of the protocol: keys, conditions, pages, problems and the description.

use bishui::accounts::Role;
use serde_json::{Value, json};

use crate::town::{PLAN, Town, readings};

#[test]
fn a_repeated_request_with_its_key_is_answered_once_more_and_recorded_once() {
    let town = Town::judged();
    let finance = town.token(Role::Finance);
    let pay = |fen: i64, key: &str| {
        let path = "/api/v1/counties/gaotang/payments";
        town.post_with(&finance, path, &json!({"fen": fen, "year": 2020}), &[("idempotency-key", key)])
    };
    let (first, again) = (pay(5, "k1").ok(), pay(5, "k1").ok());
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(first["events"], again["events"]);
    assert_eq!(pay(6, "k1").problem(), (422, "idempotency_key_reused".to_owned(), "幂等键已用于其他请求".to_owned()));
    assert_eq!(pay(5, &"k".repeat(200)).problem().0, 400);
    let other = town.token(Role::Finance);
    let path = "/api/v1/counties/gaotang/payments";
    let reply = town.post_with(&other, path, &json!({"fen": 9, "year": 2020}), &[("idempotency-key", "k1")]);
    assert_eq!(reply.ok()["duplicate"], false, "a key belongs to its account");
}

#[test]
fn an_act_on_a_version_that_has_moved_is_not_done() {
    let town = Town::judged();
    let approver = town.token(Role::Approver);
    let id = town.get(&approver, "/api/v1/notices").ok()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/notices/{id}");
    let tag = town.get(&approver, &path).header("etag").unwrap().to_owned();
    assert_eq!(tag, "\"1\"");
    let approve = |tag: &str| town.post_with(&approver, &format!("{path}/approve"), &Value::Null, &[("if-match", tag)]);
    assert_eq!(approve("\"7\"").problem().1, "precondition_failed");
    assert_eq!(approve("soon").problem().1, "malformed");
    approve(&tag).ok();
    assert_eq!(approve(&tag).status, 412);
    assert_eq!(approve("*").problem(), (409, "notice_not_ready".to_owned(), "文书当前状态不能办理".to_owned()));
    let county = "/api/v1/counties/gaotang";
    let tag = town.get(&approver, county).header("etag").unwrap().to_owned();
    let hold =
        |tag: &str| town.post_with(&approver, &format!("{county}/interview/hold"), &json!({}), &[("if-match", tag)]);
    assert_eq!(hold("\"999\"").status, 412);
    hold(&tag).ok();
    assert_eq!(hold(&tag).status, 412);
}

#[test]
fn the_pages_of_a_list_together_are_the_list() {
    let town = Town::judged();
    town.send_notices();
    let auditor = town.token(Role::Auditor);
    for list in ["notices?kind=warning_notice", "mails", "counties", "interviews", "rounds", "rounds/2020-01/verdicts"]
    {
        let path = format!("/api/v1/{list}");
        let whole = town.get(&auditor, &path).ok();
        let (mut next, mut seen) =
            (Some(format!("{path}{}limit=1", if path.contains('?') { "&" } else { "?" })), vec![]);
        while let Some(page) = next {
            let reply = town.get(&auditor, &page);
            next = reply.header("link").map(|link| {
                let (target, rel) = link.split_once(">; ").unwrap();
                assert_eq!(rel, "rel=\"next\"");
                target.trim_start_matches('<').to_owned()
            });
            let items = reply.ok().as_array().unwrap().clone();
            assert_eq!(items.len(), 1, "{page}");
            seen.extend(items);
        }
        assert!(seen.len() > 1, "{list}");
        assert_eq!(Value::Array(seen), whole, "{list}");
    }
    let events = town.get(&auditor, "/api/v1/events?limit=2&after=3");
    assert_eq!(events.header("link"), Some("</api/v1/events?limit=2&after=5>; rel=\"next\""));
    assert_eq!(events.ok()["events"][1]["position"], 5);
    for wrong in ["limit=0", "limit=501", "limit=x", "after=x"] {
        assert_eq!(town.get(&auditor, &format!("/api/v1/notices?{wrong}")).problem().0, 400, "{wrong}");
    }
}

#[test]
fn every_failure_is_a_problem_with_a_stable_code() {
    let town = Town::new();
    let (admin, approver, finance) =
        (town.token(Role::Administrator), town.token(Role::Approver), town.token(Role::Finance));
    let code = |reply: crate::town::Reply| {
        let (status, code, _) = reply.problem();
        (status, code)
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    let publish = || town.post(&approver, "/api/v1/rounds", &json!({"period": "2020-01"}));
    assert_eq!(code(publish()), is(409, "no_plan_in_force"));
    assert_eq!(
        code(town.act("administrator", "/api/v1/plans", ("application/toml", "x = 1"))),
        is(422, "invalid_input")
    );
    assert_eq!(code(town.act("administrator", "/api/v1/plans", ("text/plain", PLAN))), is(415, "media_type"));
    let unsound = PLAN.replace("Asia/Shanghai", "UTC");
    assert_eq!(
        code(town.act("administrator", "/api/v1/plans", ("application/toml", &unsound))),
        is(422, "unsound_plan")
    );
    town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    assert_eq!(code(publish()), is(409, "round_incomplete"));
    assert_eq!(
        code(town.post(&approver, "/api/v1/counties/nowhere/interview/hold", &json!({}))),
        is(404, "unknown_county")
    );
    assert_eq!(
        code(town.post(&approver, "/api/v1/counties/gaotang/interview/hold", &json!({}))),
        is(409, "no_open_interview")
    );
    assert_eq!(
        code(town.post(&finance, "/api/v1/counties/gaotang/payments", &json!({"fen": 0}))),
        is(422, "invalid_amount")
    );
    assert_eq!(code(town.get(&admin, "/api/v1/nowhere")), is(404, "not_found"));
    assert_eq!(code(town.get(&admin, "/api/v1/notices/not-an-id")), is(404, "not_found"));
    assert_eq!(code(town.get(&admin, "/api/v1/rounds/2020-13/verdicts")), is(404, "not_found"));
    assert_eq!(code(town.get(&admin, "/api/v1/settlements/2020")), is(404, "not_found"));
    assert_eq!(code(town.send("DELETE", "/api/v1/rounds", &[], "")), is(405, "method_not_allowed"));
}

#[test]
fn malformed_bodies_are_problems_and_nothing_is_recorded() {
    let town = Town::new();
    town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    let auditor = town.token(Role::Auditor);
    let head = || town.get(&auditor, "/api/v1/events").ok()["head"].clone();
    let before = head();
    let cases = [
        ("application/json", "{", 400),
        ("application/json", "{}", 422),
        ("application/json", r#"{"period":"2020-13"}"#, 422),
        ("application/json", r#"{"period":"2020-01","extra":1}"#, 422),
        ("text/plain", r#"{"period":"2020-01"}"#, 415),
        ("application/json", "\u{0}", 400),
    ];
    for (kind, body, status) in cases {
        assert_eq!(town.act("approver", "/api/v1/rounds", (kind, body)).problem().0, status, "{body}");
    }
    let long = format!(r#"{{"period":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(town.act("approver", "/api/v1/rounds", ("application/json", &long)).problem().0, 413);
    assert_eq!(town.act("clerk", "/api/v1/acts", ("application/json", r#"{"do":"unknown"}"#)).problem().0, 422);
    assert_eq!(town.act("clerk", "/api/v1/readings/imports", ("application/json", "{}")).problem().0, 415);
    assert_eq!(town.act("clerk", "/api/v1/readings/imports", ("text/csv", "no,header\n1,2\n")).problem().0, 422);
    assert_eq!(
        town.act("clerk", "/api/v1/readings/imports?surprise=1", ("text/csv", &readings("2020-01", "1"))).problem().0,
        400
    );
    assert_eq!(head(), before);
}

#[test]
fn answers_carry_the_request_id_and_safe_headers() {
    let town = Town::new();
    let reply = town.send("GET", "/healthz", &[("x-request-id", "abc-1")], "");
    assert_eq!(reply.header("x-request-id"), Some("abc-1"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let drawn = town.send("GET", "/healthz", &[("x-request-id", "a b")], "");
    assert_eq!(drawn.header("x-request-id").unwrap().len(), 36);
}

#[test]
fn the_description_is_as_agreed() {
    let town = Town::new();
    let mut document = town.send("GET", "/api/v1/openapi.json", &[], "").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    document["info"]["version"] = json!("[version]");
    insta::assert_json_snapshot!("openapi", document);
}
