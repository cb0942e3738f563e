//! Attachments over HTTP: who may put them, who gets them, and what an act may name; and the export of raw events.

use bishui::accounts::Role;
use bishui_infra::backup::Line;
use serde_json::{Value, json};

use crate::town::{Reply, Town};

const PDF: &str = "%PDF-1.7 高唐县整改报告";

fn put(town: &Town, token: &str, body: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/octet-stream")];
    town.send("POST", "/api/v1/attachments", &headers, body)
}

/// A notice of each county that was sent.
fn sent(town: &Town, county: &str) -> String {
    town.send_notices();
    let notices = town.get(&town.county_token(county), "/api/v1/notices").ok();
    notices[0]["id"].as_str().unwrap().to_owned()
}

fn named(sha256: &Value) -> Value {
    json!({ "name": "报告; \"a\".pdf", "media_type": "application/pdf", "bytes": PDF.len(), "sha256": sha256 })
}

#[test]
fn a_county_attaches_a_file_to_its_answer_and_no_other_county_gets_it() {
    let town = Town::judged();
    let notice = sent(&town, "gaotang");
    let (own, other) = (town.county_token("gaotang"), town.county_token("guanxian"));
    let kept = put(&town, &own, PDF).ok();
    assert_eq!(kept["bytes"], PDF.len());
    let path = format!("/api/v1/attachments/{}", kept["sha256"].as_str().unwrap());
    assert_eq!(town.get(&own, &path).status, 404, "no event names it yet");
    let body = json!({ "summary": "已整改", "attachments": [named(&kept["sha256"])] });
    town.post(&own, &format!("/api/v1/notices/{notice}/answer"), &body).ok();
    for token in [&own, &town.token(Role::Clerk), &town.token(Role::Auditor)] {
        let reply = town.get(token, &path);
        assert_eq!((reply.status, reply.body.as_str()), (200, PDF));
        assert_eq!(reply.header("content-type"), Some("application/pdf"));
        let name = "attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A%3B%20%22a%22.pdf";
        assert_eq!(reply.header("content-disposition"), Some(name));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let refused = town.get(&other, &path).problem();
    let unknown = format!("/api/v1/attachments/{}", "0".repeat(64));
    assert_eq!(refused, town.get(&other, &unknown).problem(), "as if it did not exist");
    assert_eq!(town.get(&own, "/api/v1/attachments/x").status, 404);
    let shown = town.get(&own, &format!("/api/v1/notices/{notice}")).ok();
    assert_eq!(shown["reports"][0]["attachments"], json!([named(&kept["sha256"])]));
}

#[test]
fn what_is_not_there_or_badly_named_is_not_recorded() {
    let town = Town::judged();
    let notice = sent(&town, "gaotang");
    let (own, auditor) = (town.county_token("gaotang"), town.token(Role::Auditor));
    let head = || town.get(&auditor, "/api/v1/events?limit=1").ok()["head"].clone();
    let before = head();
    let kept = put(&town, &own, PDF).ok()["sha256"].clone();
    let fine = named(&kept);
    let with = |key: &str, value: Value| {
        let mut attachment = fine.clone();
        attachment[key] = value;
        attachment
    };
    for (attachment, status) in [
        (with("sha256", json!("1".repeat(64))), 404),
        (with("bytes", json!(1)), 422),
        (with("name", json!("../a")), 422),
        (with("media_type", json!("text/html\r\nx: y")), 422),
        (with("sha256", json!("A".repeat(64))), 422),
        (with("path", json!("a")), 422),
    ] {
        let body = json!({ "summary": "s", "attachments": [attachment] });
        let reply = town.post(&own, &format!("/api/v1/notices/{notice}/answer"), &body);
        assert_eq!(reply.status, status, "{attachment}: {}", reply.body);
    }
    assert_eq!(head(), before);
    assert_eq!(put(&town, &own, "").problem().0, 422);
    assert_eq!(town.post(&own, "/api/v1/attachments", &fine).problem().0, 415);
    assert_eq!(put(&town, &own, &"a".repeat((32 << 20) + 1)).problem().0, 413);
}

#[test]
fn only_counties_put_files() {
    let town = Town::new();
    for role in [Role::Clerk, Role::Approver, Role::Finance, Role::County, Role::Auditor, Role::Administrator] {
        let status = put(&town, &town.token(role), PDF).status;
        assert_eq!(status, if role == Role::County { 200 } else { 403 }, "{role}");
    }
}

#[test]
fn auditors_export_every_event_with_its_leaf() {
    let town = Town::judged();
    let auditor = town.token(Role::Auditor);
    let reply = town.get(&auditor, "/api/v1/events.ndjson");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let head: u64 = reply.header("x-bishui-head").unwrap().parse().unwrap();
    let lines = reply.body.split_inclusive('\n').map(|line| Line::parse(line.as_bytes()).unwrap());
    let positions: Vec<u64> = lines.map(|line| line.event.position.0).collect();
    assert_eq!(positions, (1..=head).collect::<Vec<_>>());
    let rest = town.get(&auditor, &format!("/api/v1/events.ndjson?after={}", head - 2));
    assert_eq!(rest.body.lines().count(), 2);
    assert_eq!(town.get(&auditor, "/api/v1/events.ndjson?after=x").problem().0, 400);
    for role in [Role::Clerk, Role::Approver, Role::Finance, Role::County, Role::Administrator] {
        assert_eq!(town.get(&town.token(role), "/api/v1/events.ndjson").problem().0, 403, "{role}");
    }
}
