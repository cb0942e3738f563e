//! A preview records nothing, and the act then does what the preview said.

use serde_json::Value;

use crate::office::{Office, month};

/// Previews an act, does it, and compares the events; the ids of new streams are drawn anew.
#[track_caller]
fn previewed(office: &Office, args: &[&str]) -> Value {
    let head = office.head();
    let preview = office.ask(args.iter().chain(&["--preview"]));
    assert_eq!(office.head(), head, "a preview of {args:?} recorded something");
    office.ask(args);
    let kinds = |events: &Value| -> Vec<String> {
        events
            .as_array()
            .expect("a list")
            .iter()
            .map(|event| event["type"].as_str().expect("a type").to_owned())
            .collect()
    };
    let mut done = kinds(&office.ask(["events", "--limit", "1000", "--after", &head.to_string()])["events"]);
    // Mail is handed over only when the act is really done.
    done.retain(|kind| !kind.starts_with("mail."));
    let foreseen: Vec<_> = kinds(&preview["events"]).into_iter().filter(|kind| !kind.starts_with("mail.")).collect();
    assert_eq!(foreseen, done, "{args:?}");
    preview
}

#[test]
fn a_publication_does_what_its_preview_said() {
    let office = Office::published();
    office.import(month("2020-03")).exits(0);
    let preview = previewed(&office, &["publish", "2020-03"]);
    assert_eq!(preview["verdicts"].as_array().unwrap().len(), 2);
    assert_eq!(preview["charges"][0]["after"]["fen"], 50_000_000);
    assert_eq!(preview["notices"][0]["kind"], "warning_notice");
    assert_eq!(preview["notices"][0]["duties"][0]["duty"], "acknowledge");
    assert_eq!(preview["accounts"][0]["after"]["charged_fen"], 150_000_000);
}

#[test]
fn a_revision_shows_every_consequence_before_it_is_done() {
    let office = Office::published();
    office.run(["notices", "approve", "--all"]).exits(0);
    let file = office.file("revised.csv", "section,time,source,indicator,value\na,2020-01-05,national,nh3n,0.9\n");
    let preview = previewed(&office, &["revise", file.to_str().unwrap(), "--reason", "a slip"]);
    assert_eq!(preview["verdicts"][0]["before"]["verdict"], "unmet");
    assert_eq!(preview["verdicts"][0]["after"]["verdict"], "met");
    assert_eq!(preview["warnings"][0]["after"]["status"], "withdrawn");
    assert_eq!(preview["interviews"][0]["before"]["status"], "required");
    assert_eq!(preview["interviews"][0]["after"]["status"], "cancelled");
    assert_eq!(preview["charges"][0]["after"], Value::Null);
}

#[test]
fn other_acts_do_what_their_previews_said() {
    let office = Office::published();
    let held = previewed(&office, &["interview", "hold", "g"]);
    assert_eq!(held["interviews"].as_array().unwrap().len(), 1, "one interview changes: {held}");
    assert_eq!(held["interviews"][0]["after"]["status"], "held");
    let paid = previewed(&office, &["pay", "g", "100"]);
    assert_eq!(paid["accounts"][0]["after"]["paid_fen"], 100);
    let settled = previewed(&office, &["settle", "2020", "--provincial-payable-fen", "30"]);
    assert_eq!(settled["settlement"]["after"]["provincial_fen"], 30);
    previewed(&office, &["declare", "b", "2020-03", "--reason", "dry"]);
    previewed(&office, &["plan", "correct-target", "a", "IV", "--from", "2020-01", "--reason", "misprint"]);
}

#[test]
fn an_import_is_previewed_with_its_rejections() {
    let office = Office::open();
    let file = office
        .file("r.csv", "section,time,source,indicator,value\na,2020-01-05,national,ph,7\nx,2020-01-05,national,ph,7\n");
    let ran = office.run([file.to_str().unwrap()].into_iter().fold(
        vec!["import", "--preview", "--json"],
        |mut args, file| {
            args.push(file);
            args
        },
    ));
    let preview = ran.exits(4).json();
    assert_eq!(preview["import"]["accepted"], 1);
    assert_eq!(preview["import"]["rejected"][0]["code"], "section");
    assert_eq!(office.head(), 1);
}
