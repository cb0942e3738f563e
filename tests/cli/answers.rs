//! What each command prints as JSON: its keys and kinds of values, and the exit code of each outcome.

use serde_json::{Value, json};

use crate::office::{Office, month};

/// The keys of a value with the kind of each; of a list its first item. Ids, times and amounts do not matter here.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => items.first().map_or_else(|| json!([]), |item| json!([shape(item)])),
        Value::Object(entries) => {
            // Whether a year's calendar is known depends on the day of the test.
            let known =
                entries.iter().filter(|(key, _)| !["calendars", "calendar_of_this_year"].contains(&key.as_str()));
            known.map(|(key, value)| (key.clone(), shape(value))).collect()
        }
    }
}

macro_rules! shapes {
    ($office:expr, $($name:literal: [$($arg:expr),* $(,)?]),* $(,)?) => {
        $(insta::assert_json_snapshot!($name, shape(&$office.ask([$($arg),*])));)*
    };
}

/// The ids of all notices, in the order they were drafted.
fn notices(office: &Office) -> Vec<String> {
    let list = office.ask(["notices", "list"]);
    let ids = list.as_array().expect("a list").iter().map(|notice| notice["id"].as_str().expect("an id").to_owned());
    ids.collect()
}

#[test]
fn questions() {
    let office = Office::published();
    shapes!(office,
        "status": ["status", "g"],
        "explain": ["explain", "a", "2020-02"],
        "evaluate": ["evaluate", "2020-02"],
        "ledger": ["ledger", "--year", "2020"],
        "notices_list": ["notices", "list"],
        "plan_show": ["plan", "show"],
        "mail_list_empty": ["mail", "list"],
        "replay": ["replay"],
        "replay_until": ["replay", "--until", "9"],
        "doctor": ["doctor"],
        "config_show": ["config", "show"],
        "config_check": ["config", "check"],
        "events": ["events", "--limit", "1"],
    );
    let status = office.ask(["status", "g"]);
    assert_eq!(status[0]["compensation"][0]["charged_fen"], 100_000_000);
    assert_eq!(status[0]["open_interview"]["period"], "2020-02");
    assert_eq!(office.ask(["replay"])["differing"], 0);
    for table in [vec!["status"], vec!["explain", "a", "2020-02", "--readings"], vec!["plan", "show"], vec!["ledger"]] {
        let ran = office.run(table).exits(0);
        assert!(ran.out.contains('│') && ran.err.is_empty(), "{ran:?}");
    }
}

#[test]
fn acts() {
    let office = Office::open();
    let january = office.import(month("2020-01")).exits(0).json();
    insta::assert_json_snapshot!("import", shape(&january));
    assert_eq!(january["import"]["accepted"], 8);
    assert_eq!(office.import(month("2020-01")).exits(0).json()["import"]["duplicates"], 8);
    office.import(month("2020-02")).exits(0);
    shapes!(office,
        "declare": ["declare", "b", "2020-01", "--reason", "frozen"],
        "publish": ["publish", "2020-01"],
        "withdraw_declaration": ["declare", "b", "2020-01", "--withdraw", "--reason", "the ice was thin"],
        "publish_rest": ["publish", "2020-02", "--declare-rest", "no_data"],
        "approve_all": ["notices", "approve", "--all"],
        "mail_list": ["mail", "list"],
    );
    let notices = notices(&office);
    let (warning, other) = (notices[0].as_str(), notices[1].as_str());
    shapes!(office,
        "notice": ["notices", "show", warning],
        "acknowledge": ["notices", "acknowledge", warning, "--signed-by", "王五"],
        "answer": ["notices", "answer", warning, "--summary", "closed the outfall"],
        "close": ["notices", "close", warning, "--note", "done"],
        "withdraw_notice": ["notices", "withdraw", other, "--reason", "sent to the wrong county"],
        "schedule": ["interview", "schedule", "g", "--on", "2099-12-01", "--place", "市政府"],
        "hold": ["interview", "hold", "g", "--attended", "王五", "--attended", "李四"],
        "pay": ["pay", "g", "50000000"],
        "settle": ["settle", "2020", "--provincial-payable-fen", "0"],
    );
    let minutes = office.file("minutes.txt", "约谈纪要");
    shapes!(office, "minutes": ["interview", "minutes", "g", "2020-02", minutes.to_str().unwrap()]);
    let revised = office.file("revised.csv", "section,time,source,indicator,value\na,2020-02-05,national,nh3n,0.9\n");
    shapes!(office, "revise": ["revise", revised.to_str().unwrap(), "--reason", "a slip of the pen"]);
    shapes!(office,
        "correct_target": ["plan", "correct-target", "a", "IV", "--from", "2020-01", "--reason", "misprint"],
    );
    assert_eq!(office.ask(["replay"])["differing"], 0);
}

#[test]
fn the_name_that_acts_is_recorded() {
    let office = Office::open();
    office.run(["--as", "张三", "pay", "g", "5"]).exits(0);
    let events = office.ask(["events", "--after", "1"]);
    assert_eq!(events["events"][0]["actor"], "张三");
    office.run(["--as", " ", "pay", "g", "5"]).exits(2).says(&["1 to 100 characters"]);
}

#[test]
fn refusals_exit_with_1_and_a_stable_code() {
    let office = Office::open();
    for (args, code) in [
        (vec!["publish", "2020-01"], "round_incomplete"),
        (vec!["interview", "hold", "g"], "no_open_interview"),
        (vec!["impact", "g", "2020", "--serious", "true", "--basis", "x"], "no_drafted_proposal"),
        (vec!["declare", "nowhere", "2020-01", "--reason", "dry"], "unknown_section"),
        (vec!["pay", "nowhere", "5"], "unknown_county"),
        (vec!["pay", "g", "-5"], "invalid_amount"),
        (vec!["status", "nowhere"], "unknown_county"),
        (vec!["explain", "nowhere", "2020-01"], "unknown_section"),
        (vec!["evaluate", "2019-01"], "no_plan_in_force"),
        (vec!["notices", "show", "00000000-0000-0000-0000-000000000000"], "not_found"),
        (vec!["mail", "retry", "00000000-0000-0000-0000-000000000000"], "unknown_mail"),
    ] {
        let head = office.head();
        let ran = crate::office::run(office.command(&args).arg("--json")).exits(1).says(&["bishui: "]);
        assert_eq!(ran.json()["error"]["code"], code, "{args:?}");
        assert_eq!(office.head(), head, "{args:?} recorded something");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let office = Office::bare();
    for args in [
        vec!["bogus"],
        vec![],
        vec!["publish", "2020-13"],
        vec!["events", "--limit", "0"],
        vec!["notices", "approve"],
        vec!["impact", "g", "2020", "--basis", "x"],
    ] {
        office.run(&args).exits(2);
    }
}

#[test]
fn without_a_store_nothing_is_made() {
    let office = Office::bare();
    office.run(["status"]).exits(1).says(&["bishui init"]);
    assert!(!office.data().exists());
}
