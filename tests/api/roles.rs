//! Rights: every role against every act, and every path without a token.

use std::collections::BTreeSet;

use bishui::accounts::{self, Role};
use bishui::act::Act;
use serde_json::{Value, json};

use crate::town::{PLAN, Town};

/// Each act with the roles that may do it.
fn table() -> Vec<(Value, Vec<Role>)> {
    use Role::{Administrator, Approver, Clerk, County, Finance};
    let id = "00000000-0000-0000-0000-000000000007";
    let plan: Value = serde_json::to_value(toml::from_str::<bishui_domain::plan::Plan>(PLAN).unwrap()).unwrap();
    vec![
        (json!({"do": "adopt_plan", "plan": plan}), vec![Administrator]),
        (json!({"do": "amend_plan", "plan": plan, "from": "2020-06", "reason": "r"}), vec![Administrator]),
        (
            json!({"do": "correct_target", "section": "x", "from": "2020-01", "until": null, "target": "IV", "reason": "r"}),
            vec![Administrator],
        ),
        (json!({"do": "import", "file": "f", "csv": "", "mapping": null}), vec![Clerk]),
        (json!({"do": "revise", "file": "f", "csv": "", "reason": "r", "evidence": null}), vec![Approver]),
        (json!({"do": "declare", "section": "x", "period": "2020-01", "reason": "dry"}), vec![Clerk]),
        (json!({"do": "withdraw_declaration", "section": "x", "period": "2020-01", "reason": "r"}), vec![Approver]),
        (json!({"do": "publish", "period": "2020-01", "declare_rest": null}), vec![Approver]),
        (json!({"do": "schedule_interview", "county": "x", "on": "2020-03-01", "place": "p"}), vec![Clerk]),
        (json!({"do": "hold_interview", "county": "x", "on": null, "attended": []}), vec![Approver]),
        (json!({"do": "record_minutes", "county": "x", "raised_by": "2020-01", "minutes": "m"}), vec![Clerk]),
        (json!({"do": "determine_impact", "county": "x", "year": 2020, "serious": true, "basis": "b"}), vec![Approver]),
        (json!({"do": "pay", "county": "x", "fen": 1, "year": null}), vec![Finance]),
        (json!({"do": "settle", "year": 2020, "provincial_payable": 0}), vec![Finance]),
        (json!({"do": "approve_notice", "notice": id}), vec![Approver]),
        (json!({"do": "deliver_notice", "notice": id}), vec![Clerk]),
        (json!({"do": "withdraw_notice", "notice": id, "reason": "r"}), vec![Approver]),
        (json!({"do": "acknowledge_notice", "notice": id, "signed_by": "s"}), vec![County]),
        (json!({"do": "answer_notice", "notice": id, "summary": "s"}), vec![County]),
        (json!({"do": "close_notice", "notice": id, "note": "n"}), vec![Approver]),
        (json!({"do": "retry_mail", "mail": id}), vec![Clerk]),
        (json!({"do": "resolve_mail", "mail": id, "arrived": true, "basis": "b"}), vec![Clerk]),
        (json!({"do": "retry_consumer", "consumer": "dispatch"}), vec![Administrator]),
        (json!({"do": "skip_event", "consumer": "dispatch", "position": 1, "reason": "r"}), vec![Administrator]),
    ]
}

/// The number of the act's variant: a new act must be added here and to the table.
fn number(act: &Act) -> usize {
    match act {
        Act::AdoptPlan { .. } => 0,
        Act::AmendPlan { .. } => 1,
        Act::CorrectTarget { .. } => 2,
        Act::Import { .. } => 3,
        Act::Revise { .. } => 4,
        Act::Declare { .. } => 5,
        Act::WithdrawDeclaration { .. } => 6,
        Act::Publish { .. } => 7,
        Act::ScheduleInterview { .. } => 8,
        Act::HoldInterview { .. } => 9,
        Act::RecordMinutes { .. } => 10,
        Act::DetermineImpact { .. } => 11,
        Act::Pay { .. } => 12,
        Act::Settle { .. } => 13,
        Act::ApproveNotice { .. } => 14,
        Act::DeliverNotice { .. } => 15,
        Act::WithdrawNotice { .. } => 16,
        Act::AcknowledgeNotice { .. } => 17,
        Act::AnswerNotice { .. } => 18,
        Act::CloseNotice { .. } => 19,
        Act::RetryMail { .. } => 20,
        Act::ResolveMail { .. } => 21,
        Act::RetryConsumer { .. } => 22,
        Act::SkipEvent { .. } => 23,
    }
}

const ROLES: [Role; 6] = [Role::Clerk, Role::Approver, Role::Finance, Role::County, Role::Auditor, Role::Administrator];

#[test]
fn a_role_does_its_acts_and_no_others() {
    let town = Town::new();
    let table = table();
    let acts: BTreeSet<usize> =
        table.iter().map(|(act, _)| number(&serde_json::from_value(act.clone()).unwrap())).collect();
    assert_eq!(acts, (0..24).collect());
    for role in ROLES {
        let token = town.token(role);
        for (act, allowed) in &table {
            let reply = town.post(&token, "/api/v1/acts", act);
            assert_ne!(reply.status, 401, "{role} {act}");
            let denied = reply.status == 403;
            assert_eq!(denied, !allowed.contains(&role), "{role} {act}: {} {}", reply.status, reply.body);
            if denied {
                assert_eq!(reply.problem(), (403, "forbidden".to_owned(), "无权办理".to_owned()));
            }
        }
    }
}

#[test]
fn a_role_previews_the_acts_it_may_do_and_a_county_none() {
    let town = Town::new();
    for role in ROLES {
        let token = town.token(role);
        for (act, allowed) in table() {
            let reply = town.post(&token, "/api/v1/previews", &act);
            let may = allowed.contains(&role) && role != Role::County;
            assert_eq!(reply.status == 403, !may, "{role} {act}: {} {}", reply.status, reply.body);
        }
    }
}

#[test]
fn a_role_asks_what_it_may_know() {
    let town = Town::judged();
    let own = json!([
        {"ask": "status"}, {"ask": "explain", "section": "beihu", "period": "2020-01"}, {"ask": "notices"},
        {"ask": "notice", "notice": "00000000-0000-0000-0000-000000000007"}, {"ask": "mails"}, {"ask": "plan"},
        {"ask": "ledger"},
    ]);
    let whole = json!([
        {"ask": "events", "after": 0, "limit": 5}, {"ask": "replay"}, {"ask": "until", "until": {"position": 3}},
    ]);
    for role in ROLES {
        let token = town.token(role);
        let status = |question: &Value| town.post(&token, "/api/v1/queries", question).status;
        for question in own.as_array().unwrap() {
            assert_eq!(status(question), if question["ask"] == "notice" { 404 } else { 200 }, "{role} {question}");
        }
        for question in whole.as_array().unwrap() {
            assert_eq!(status(question), if role == Role::Auditor { 200 } else { 403 }, "{role} {question}");
        }
        let evaluation = status(&json!({"ask": "evaluate", "period": "2020-03"}));
        assert_eq!(evaluation, if role == Role::County { 403 } else { 200 }, "{role}");
        for question in ["incidents", "projections"] {
            let may = matches!(role, Role::Auditor | Role::Administrator);
            let expected = if may { 200 } else { 403 };
            assert_eq!(status(&json!({ "ask": question })), expected, "{role} {question}");
            assert_eq!(town.get(&token, &format!("/api/v1/{question}")).status, expected, "{role} {question}");
        }
        let rebuilt = town.post(&token, "/api/v1/projections/register/rebuild", &Value::Null).status;
        assert_eq!(rebuilt, if role == Role::Administrator { 200 } else { 403 }, "{role}");
    }
}

/// Each path of an act with a body and the act's name.
fn paths() -> Vec<(&'static str, &'static str, Value)> {
    let why = json!({"reason": "r"});
    let declaration = json!({"section": "x", "period": "2020-01", "reason": "dry"});
    let correction = json!({"section": "x", "from": "2020-01", "target": "IV", "reason": "r"});
    let plan: Value = serde_json::to_value(toml::from_str::<bishui_domain::plan::Plan>(PLAN).unwrap()).unwrap();
    vec![
        ("/api/v1/plans", "adopt_plan", plan.clone()),
        ("/api/v1/plans/amendments", "amend_plan", json!({"plan": plan, "from": "2020-06", "reason": "r"})),
        ("/api/v1/plans/target-corrections", "correct_target", correction),
        ("/api/v1/readings/imports", "import", Value::Null),
        ("/api/v1/readings/revisions", "revise", Value::Null),
        ("/api/v1/declarations", "declare", declaration.clone()),
        ("/api/v1/declarations/withdrawals", "withdraw_declaration", declaration),
        ("/api/v1/rounds", "publish", json!({"period": "2020-01"})),
        (
            "/api/v1/counties/{county}/interview/schedule",
            "schedule_interview",
            json!({"on": "2020-03-01", "place": "p"}),
        ),
        ("/api/v1/counties/{county}/interview/hold", "hold_interview", json!({})),
        (
            "/api/v1/counties/{county}/interview/minutes",
            "record_minutes",
            json!({"raised_by": "2020-01", "minutes": "m"}),
        ),
        ("/api/v1/counties/{county}/impact", "determine_impact", json!({"year": 2020, "serious": true, "basis": "b"})),
        ("/api/v1/counties/{county}/payments", "pay", json!({"fen": 1})),
        ("/api/v1/settlements", "settle", json!({"year": 2020, "provincial_payable_fen": 0})),
        ("/api/v1/notices/{notice}/approve", "approve_notice", Value::Null),
        ("/api/v1/notices/{notice}/deliver", "deliver_notice", Value::Null),
        ("/api/v1/notices/{notice}/withdraw", "withdraw_notice", why.clone()),
        ("/api/v1/notices/{notice}/acknowledge", "acknowledge_notice", json!({"signed_by": "s"})),
        ("/api/v1/notices/{notice}/answer", "answer_notice", json!({"summary": "s"})),
        ("/api/v1/notices/{notice}/close", "close_notice", why),
        ("/api/v1/mails/{mail}/retry", "retry_mail", Value::Null),
        ("/api/v1/mails/{mail}/resolve", "resolve_mail", json!({"arrived": true, "basis": "b"})),
        ("/api/v1/incidents/{consumer}/retry", "retry_consumer", Value::Null),
        ("/api/v1/incidents/{consumer}/skip", "skip_event", json!({"position": 1, "reason": "r"})),
    ]
}

#[test]
fn every_path_of_an_act_has_the_rights_of_its_act() {
    let town = Town::new();
    let document = town.send("GET", "/api/v1/openapi.json", &[], "").ok();
    let described: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, item)| item.get("post").is_some())
        .map(|(path, _)| path.as_str())
        .collect();
    let paths = paths();
    let others = ["/api/v1/acts", "/api/v1/attachments", "/api/v1/audits", "/api/v1/previews", "/api/v1/queries"];
    let others = others.into_iter().chain(["/api/v1/projections/{name}/rebuild"]);
    let covered: BTreeSet<&str> = paths.iter().map(|(path, ..)| *path).chain(others).collect();
    assert_eq!(covered, described);
    let table = table();
    let nobody = "00000000-0000-0000-0000-000000000007";
    for role in ROLES {
        let bearer = format!("Bearer {}", town.token(role));
        for (path, act, body) in &paths {
            let (_, allowed) = table.iter().find(|(other, _)| other["do"] == *act).unwrap();
            let path = path.replace("{county}", "x").replace("{notice}", nobody).replace("{mail}", nobody);
            let path = path.replace("{consumer}", "dispatch");
            let csv = path.contains("readings");
            let path = if path.ends_with("revisions") { format!("{path}?reason=r") } else { path };
            let (kind, body) = if csv { ("text/csv", String::new()) } else { ("application/json", body.to_string()) };
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            let reply = town.send("POST", &path, &headers, &body);
            assert!(![400, 401, 405, 415].contains(&reply.status), "{role} {path}: {} {}", reply.status, reply.body);
            assert_eq!(reply.status == 403, !allowed.contains(&role), "{role} {path}: {} {}", reply.status, reply.body);
        }
    }
}

#[test]
fn only_auditors_read_raw_events() {
    let town = Town::new();
    for role in ROLES {
        let status = town.get(&town.token(role), "/api/v1/events").status;
        assert_eq!(status, if role == Role::Auditor { 200 } else { 403 }, "{role}");
    }
}

#[test]
fn every_path_but_health_and_checkpoint_needs_a_token_that_is_in_use() {
    let town = Town::new();
    let document = town.send("GET", "/api/v1/openapi.json", &[], "").ok();
    let token = town.token(Role::Auditor);
    let name = accounts::list(town.dir.path()).unwrap().pop().unwrap().name;
    assert_eq!(town.get(&token, "/api/v1/rounds").status, 200);
    accounts::revoke(town.dir.path(), &name, "2020-03-05T00:00:00Z".parse().unwrap()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in
            item.as_object().unwrap().keys().filter(|_| path.starts_with("/api/") && path != "/api/v1/checkpoint")
        {
            let path = path.replace("{year}", "2020").replace("{period}", "2020-01").replace(['{', '}'], "");
            let revoked = format!("Bearer {token}");
            for headers in [&[][..], &[("authorization", "Bearer x")], &[("authorization", revoked.as_str())]] {
                let reply = town.send(&method.to_uppercase(), &path, headers, "");
                assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{method} {path}");
                assert_eq!(reply.problem().0, 401, "{method} {path}");
            }
        }
    }
}
