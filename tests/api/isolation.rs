//! Isolation: nothing of one county occurs in any byte that another county is answered.

use bishui::accounts::Role;
use serde_json::{Value, json};

use crate::town::Town;

const LISTS: [&str; 8] = [
    "/api/v1/counties",
    "/api/v1/rounds",
    "/api/v1/rounds/2020-01/verdicts",
    "/api/v1/notices",
    "/api/v1/mails",
    "/api/v1/interviews",
    "/api/v1/proposals",
    "/api/v1/plan",
];

/// A town in which both counties have everything: notices sent, an interview held, payments and a reward.
fn full() -> Town {
    let town = Town::judged();
    town.send_notices();
    let (approver, finance) = (town.token(Role::Approver), town.token(Role::Finance));
    for county in ["gaotang", "guanxian"] {
        let path = format!("/api/v1/counties/{county}");
        town.post(&approver, &format!("{path}/interview/hold"), &json!({"attended": [format!("{county}-mayor")]})).ok();
        town.post(&finance, &format!("{path}/payments"), &json!({"fen": 1_000})).ok();
    }
    town.post(&finance, "/api/v1/settlements", &json!({"year": 2020, "provincial_payable_fen": 0})).ok();
    town
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

/// Everything that belongs to the other county: words, and the ids of its notices and mails.
fn secrets(town: &Town) -> Vec<String> {
    let other = town.county_token("guanxian");
    let mut secrets: Vec<String> =
        ["guanxian", "冠县", "yushan", "鱼山桥", "马颊河", "guan.example"].map(str::to_owned).to_vec();
    let notices = ids(&town.get(&other, "/api/v1/notices").ok());
    let mails = ids(&town.get(&other, "/api/v1/mails").ok());
    assert!(notices.len() >= 3 && mails.len() >= 3, "the other county has something to hide");
    secrets.extend(notices);
    secrets.extend(mails);
    secrets
}

#[track_caller]
fn assert_clean(what: &str, secrets: &[String], reply: &crate::town::Reply) {
    let headers = format!("{:?}", reply.headers);
    for secret in secrets {
        assert!(!reply.body.contains(secret) && !headers.contains(secret), "{what} tells `{secret}`: {}", reply.body);
    }
}

#[test]
fn no_list_or_single_view_of_a_county_tells_of_another() {
    let town = full();
    let (secrets, own) = (secrets(&town), town.county_token("gaotang"));
    let mut paths: Vec<String> = LISTS.map(str::to_owned).to_vec();
    paths.extend(LISTS.map(|path| format!("{path}?limit=1")));
    paths.extend(["/api/v1/ledgers/2020", "/api/v1/settlements/2020", "/api/v1/counties/gaotang"].map(str::to_owned));
    paths.push("/api/v1/sections/beihu/assessments/2020-02".to_owned());
    paths.push("/api/v1/notices?county=guanxian".to_owned());
    for list in ["notices", "mails"] {
        let own = ids(&town.get(&own, &format!("/api/v1/{list}")).ok());
        assert!(!own.is_empty());
        paths.extend(own.iter().map(|id| format!("/api/v1/{list}/{id}")));
    }
    for path in paths {
        let reply = town.get(&own, &path);
        assert_clean(&path, &secrets, &reply);
        let body = reply.ok();
        assert!(
            path.contains("county=guanxian") == (body == json!([])) || path.contains("proposals"),
            "{path}: {body}"
        );
    }
}

#[test]
fn what_belongs_to_another_county_is_answered_like_what_does_not_exist() {
    let town = full();
    let (secrets, own) = (secrets(&town), town.county_token("gaotang"));
    let other = town.county_token("guanxian");
    let notice = &ids(&town.get(&other, "/api/v1/notices").ok())[0];
    let mail = &ids(&town.get(&other, "/api/v1/mails").ok())[0];
    let nobody = "00000000-0000-0000-0000-000000000009";
    let pairs = [
        ("GET", format!("/api/v1/notices/{notice}"), format!("/api/v1/notices/{nobody}")),
        ("GET", format!("/api/v1/mails/{mail}"), format!("/api/v1/mails/{nobody}")),
        ("GET", "/api/v1/counties/guanxian".to_owned(), "/api/v1/counties/nowhere".to_owned()),
        (
            "GET",
            "/api/v1/sections/yushan/assessments/2020-01".to_owned(),
            "/api/v1/sections/nowhere/assessments/2020-01".to_owned(),
        ),
        ("POST", format!("/api/v1/notices/{notice}/acknowledge"), format!("/api/v1/notices/{nobody}/acknowledge")),
        ("POST", format!("/api/v1/notices/{notice}/answer"), format!("/api/v1/notices/{nobody}/answer")),
    ];
    for (method, path, absent) in pairs {
        let bearer = format!("Bearer {own}");
        let headers =
            [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-request-id", "r1")];
        let body = if path.ends_with("answer") { r#"{"summary":"s"}"# } else { r#"{"signed_by":"s"}"# };
        let (there, gone) = (town.send(method, &path, &headers, body), town.send(method, &absent, &headers, body));
        assert_clean(&path, &secrets, &there);
        assert_eq!((there.status, &there.body), (404, &gone.body), "{method} {path}");
        assert_eq!(gone.status, 404);
    }
}

#[test]
fn no_refusal_to_a_county_tells_of_another() {
    let town = full();
    let (secrets, own) = (secrets(&town), town.county_token("gaotang"));
    let document = town.send("GET", "/api/v1/openapi.json", &[], "").ok();
    let other = town.county_token("guanxian");
    let notice = &ids(&town.get(&other, "/api/v1/notices").ok())[0];
    let mail = &ids(&town.get(&other, "/api/v1/mails").ok())[0];
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{county}", "guanxian").replace("{section}", "yushan").replace("{notice}", notice);
        let path = path.replace("{mail}", mail).replace("{year}", "2020").replace("{period}", "2020-02");
        if item.get("post").is_some() {
            for body in [json!({}), json!({"section": "yushan", "period": "2020-01", "reason": "dry"}), json!("x")] {
                let reply = town.post(&own, &path, &body);
                assert_clean(&path, &secrets, &reply);
                assert!(reply.status >= 400, "{path}");
            }
        } else {
            assert_clean(&path, &secrets, &town.get(&own, &path));
        }
    }
    for question in [
        json!({"ask": "status"}),
        json!({"ask": "status", "county": "guanxian"}),
        json!({"ask": "explain", "section": "yushan", "period": "2020-01"}),
        json!({"ask": "notices"}),
        json!({"ask": "notices", "county": "guanxian"}),
        json!({"ask": "notice", "notice": notice}),
        json!({"ask": "mails"}),
        json!({"ask": "plan"}),
        json!({"ask": "ledger"}),
        json!({"ask": "ledger", "county": "guanxian"}),
        json!({"ask": "evaluate", "period": "2020-02"}),
        json!({"ask": "until", "until": {"position": 9}}),
        json!({"ask": "replay"}),
    ] {
        assert_clean(&question.to_string(), &secrets, &town.post(&own, "/api/v1/queries", &question));
    }
    for act in [
        json!({"do": "acknowledge_notice", "notice": notice, "signed_by": "s"}),
        json!({"do": "pay", "county": "guanxian", "fen": 1, "year": 2020}),
    ] {
        assert_clean("acts", &secrets, &town.post(&own, "/api/v1/acts", &act));
    }
}

#[test]
fn a_county_sees_its_own_share_only_of_rounds_and_the_settlement() {
    let town = full();
    let own = town.county_token("gaotang");
    let round = &town.get(&own, "/api/v1/rounds").ok()[0];
    assert_eq!((&round["unmet"], &round["corrections"]), (&json!(1), &Value::Null));
    assert_eq!(town.get(&own, "/api/v1/settlements/2020").ok()["pool"], Value::Null);
    assert_eq!(town.get(&own, "/api/v1/plan").ok()["plan"]["county"].as_array().unwrap().len(), 1);
}
