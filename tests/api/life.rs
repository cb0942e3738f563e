//! From a file of readings to an answered notice, and from two missed months to a settled year.

use bishui::accounts::Role;
use serde_json::json;

use crate::town::{PLAN, Town, eventually, readings};

#[test]
fn a_notice_goes_from_readings_to_the_countys_answer() {
    let town = Town::new();
    town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    let file = format!("{}nowhere,2020-01-05,national,7,8,3,1\n", readings("2020-01", "1.5"));
    let receipt = town.act("clerk", "/api/v1/readings/imports?file=january.csv", ("text/csv", &file)).ok();
    assert_eq!(receipt["import"]["accepted"], 8);
    assert_eq!(receipt["import"]["rejected"][0]["line"], 4);
    town.publish("2020-01");
    let (approver, county) = (town.token(Role::Approver), town.county_token("gaotang"));
    let drafted = town.get(&approver, "/api/v1/notices?county=gaotang").ok();
    assert_eq!(drafted[0]["state"], "drafted");
    assert_eq!(town.get(&county, "/api/v1/notices").ok(), json!([]), "a draft is not for the county");
    town.send_notices();
    let notice = town.get(&county, "/api/v1/notices").ok()[0].clone();
    assert_eq!((&notice["kind"], &notice["state"]), (&json!("warning_notice"), &json!("sent")));
    let path = format!("/api/v1/notices/{}", notice["id"].as_str().unwrap());
    let sent = town.get(&county, &path).ok();
    assert!(sent["text"].as_str().unwrap().contains("高唐北湖"), "{sent}");
    assert_eq!(sent["deadlines"][0]["duty"], "acknowledge");
    assert_eq!(sent["deadlines"][0]["due_on"], "2020-03-10");
    assert!(sent["deadlines"][0]["calculation"].as_str().unwrap().starts_with("自2020年3月5日次日起第3个工作日"));
    let mail = town.get(&county, "/api/v1/mails").ok()[0].clone();
    let mail = town.get(&county, &format!("/api/v1/mails/{}", mail["id"].as_str().unwrap())).ok();
    assert_eq!(mail["recipients"][0]["state"], "accepted");
    assert_eq!(town.mailer.kept().len(), 2);
    town.post(&county, &format!("{path}/acknowledge"), &json!({"signed_by": "李四"})).ok();
    town.post(&county, &format!("{path}/answer"), &json!({"summary": "已完成截污"})).ok();
    let answered = town.get(&county, &path).ok();
    assert_eq!(answered["state"], "answered");
    assert_eq!(answered["acknowledged"], json!({"on": "2020-03-05", "text": "李四"}));
    assert_eq!(answered["reports"], json!([{"on": "2020-03-05", "text": "已完成截污", "attachments": []}]));
    let events: Vec<_> =
        answered["history"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "notice.notice_drafted",
            "notice.notice_approved",
            "notice.notice_sent",
            "notice.notice_acknowledged",
            "notice.report_received"
        ]
    );
    town.post(&approver, &format!("{path}/close"), &json!({"reason": "整改到位"})).ok();
    assert_eq!(town.get(&county, &path).ok()["state"], "closed");
}

#[test]
fn the_status_says_how_far_the_next_step_is() {
    let town = Town::new();
    town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    town.act("clerk", "/api/v1/readings/imports", ("text/csv", &readings("2020-01", "1.5"))).ok();
    town.publish("2020-01");
    let clerk = town.token(Role::Clerk);
    let status = town.get(&clerk, "/api/v1/counties/gaotang").ok();
    assert_eq!(status["name"], "高唐县");
    assert_eq!(status["streaks"][0]["periods"], json!(["2020-01"]));
    assert_eq!(
        status["next_steps"],
        json!(["one more unmet month without improvement at 高唐北湖 requires an interview"])
    );
    town.act("clerk", "/api/v1/readings/imports", ("text/csv", &readings("2020-02", "1.6"))).ok();
    town.publish("2020-02");
    let status = town.get(&clerk, "/api/v1/counties/gaotang").ok();
    assert_eq!(status["open_interview"]["grounds"][0]["periods"], json!(["2020-01", "2020-02"]));
    assert_eq!(
        status["next_steps"],
        json!(["2 interviews to be held in 2020 until one drafts an accountability proposal"])
    );
    assert_eq!(
        status["compensation"],
        json!([
            {"year": 2020, "charged_fen": 100_000_000, "paid_fen": 0, "balance_fen": 100_000_000}
        ])
    );
}

#[test]
fn an_interview_payments_and_a_settlement_are_booked() {
    let town = Town::judged();
    let (clerk, approver, finance) = (town.token(Role::Clerk), town.token(Role::Approver), town.token(Role::Finance));
    let county = "/api/v1/counties/gaotang";
    let schedule = json!({"on": "2020-03-05", "place": "市政府"});
    town.post(&clerk, &format!("{county}/interview/schedule"), &schedule).ok();
    town.post(&approver, &format!("{county}/interview/hold"), &json!({"attended": ["王五"]})).ok();
    let minutes = json!({"raised_by": "2020-02", "minutes": "限期整改"});
    town.post(&clerk, &format!("{county}/interview/minutes"), &minutes).ok();
    let interviews = town.get(&clerk, "/api/v1/interviews").ok();
    assert_eq!(interviews[0]["status"], "held");
    assert_eq!(interviews[0]["minutes"], "限期整改");
    town.post(&finance, &format!("{county}/payments"), &json!({"fen": 30_000_000})).ok();
    town.post(&finance, "/api/v1/settlements", &json!({"year": 2020, "provincial_payable_fen": 10_000_000})).ok();
    let ledger = town.get(&finance, "/api/v1/ledgers/2020").ok();
    assert_eq!(ledger["debit_fen"], ledger["credit_fen"]);
    let lines = ledger["lines"].as_array().unwrap();
    let own: Vec<_> =
        lines.iter().filter(|line| line["county"] == "gaotang").map(|line| &line["balance_fen"]).collect();
    assert_eq!(own, [50_000_000, 100_000_000, 70_000_000]);
    let settled = town.get(&finance, "/api/v1/settlements/2020").ok();
    let pool = json!({"collected_fen": 30_000_000, "provincial_fen": 10_000_000, "shortfall_fen": 0, "municipal_fen": 20_000_000});
    assert_eq!(settled["pool"], pool);
}

#[test]
fn a_verdict_is_explained_reading_by_reading_before_and_after_publication() {
    let town = Town::judged();
    let clerk = town.token(Role::Clerk);
    let path = "/api/v1/sections/beihu/assessments";
    let published = town.get(&clerk, &format!("{path}/2020-01")).ok();
    assert_eq!(published["provisional"], false);
    assert_eq!(published["verdict"], "unmet");
    let ammonia = published["indicators"].as_array().unwrap().iter().find(|line| line["indicator"] == "nh3n").unwrap();
    assert_eq!(
        (&ammonia["value"], &ammonia["limit"], &ammonia["multiple"]),
        (&json!("1.5"), &json!("1.0"), &json!("0.50"))
    );
    assert_eq!(published["months"][0]["version"], 1);
    assert!(published["months"][0]["readings"].as_array().unwrap().iter().all(|reading| reading["used"] == true));
    assert_eq!(published["revision"], 1);
    let march =
        "section,time,source,indicator,value\nbeihu,2020-03-01,national,ph,7\nbeihu,2020-03-01,municipal,ph,8\n";
    town.act("clerk", "/api/v1/readings/imports", ("text/csv", march)).ok();
    let provisional = town.get(&clerk, &format!("{path}/2020-03")).ok();
    assert_eq!((&provisional["provisional"], &provisional["reason"]), (&json!(true), &json!("insufficient_data")));
    let municipal =
        provisional["months"][0]["readings"].as_array().unwrap().iter().find(|r| r["source"] == "municipal");
    assert_eq!(municipal.unwrap()["left_out"], "other_source_first");
}

#[test]
fn the_command_line_reaches_the_service_by_its_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut town = Town::judged();
    let file = town.dir.path().join("service.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (token, act) = (town.service.token.clone(), json!({"do": "pay", "county": "gaotang", "fen": 1, "year": null}));
    assert_eq!(town.post(&token, "/api/v1/acts", &act).problem().1, "malformed");
    let receipt = town.post_with(&token, "/api/v1/acts", &act, &[("x-bishui-actor", "赵六")]).ok();
    assert_eq!(receipt["events"][0]["type"], "compensation.payment_received");
    let auditor = town.token(Role::Auditor);
    let after = receipt["events"][0]["position"].as_u64().unwrap() - 1;
    let events = town.get(&auditor, &format!("/api/v1/events?limit=1&after={after}")).ok();
    assert_eq!(events["events"][0]["actor"], "赵六");
    town.stop();
    assert!(!file.exists());
}

#[test]
fn health_and_numbers_name_nobody() {
    let town = Town::judged();
    town.send_notices();
    let ready =
        eventually(|| Some(town.send("GET", "/readyz", &[], "").ok()).filter(|ready| ready["lag"]["dispatch"] == 0));
    assert_eq!((&ready["ready"], &ready["incidents"]), (&json!(true), &json!({})));
    let numbers = town.send("GET", "/metrics", &[], "").body;
    for name in [
        "bishui_commands_total",
        "bishui_events",
        "bishui_consumer_lag_events",
        "bishui_outbox_oldest_seconds",
        "bishui_mails_unknown",
        "bishui_notices_overdue",
        "bishui_calendar_years_ahead",
        "bishui_incidents",
    ] {
        assert!(numbers.contains(&format!("\n{name}")), "{name} is missing: {numbers}");
    }
    for name in ["gaotang", "高唐", "guanxian", "冠县", "clerk"] {
        assert!(!numbers.contains(name), "{name} occurs: {numbers}");
    }
}
