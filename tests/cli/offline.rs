//! Commands without an office: drill, classify, demo, completions; and a store or a reader that another process has.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use bishui_infra::event_log::sled::SledLog;

use crate::office::{Office, PLAN, month, run};

/// Plays a scenario of this text beside the plan and January's readings.
fn drill(acts: &str) -> crate::office::Ran {
    let office = Office::bare();
    office.file("plan.toml", PLAN);
    office.file("january.csv", month("2020-01"));
    let scenario = office.file("scenario.toml", format!("plan = \"plan.toml\"\n\n{acts}"));
    run(office.command(["drill", "--json"]).arg(scenario))
}

const IMPORT: &str = "[[act]]\nat = \"2020-02-03T09:00:00+08:00\"\ndo = \"import\"\nfile = \"january.csv\"\n";
const PUBLISH: &str =
    "[[act]]\nat = 2020-02-04T09:00:00+08:00\ndo = \"publish\"\ncadence = \"month\"\nperiod = \"2020-01\"\n";

#[test]
fn a_drill_prints_every_key_and_lists_refusals() {
    let refused = "[[act]]\nat = \"2020-02-05T09:00:00+08:00\"\ndo = \"pay\"\ncounty = \"NOWHERE!\"\nfen = 5\n";
    let state = drill(&format!("{IMPORT}{PUBLISH}{PUBLISH}{refused}")).exits(0).json();
    insta::assert_json_snapshot!("drill", state);
}

#[test]
fn a_mistake_in_an_act_is_named_with_its_line() {
    for (act, words) in [
        (format!("{IMPORT}fiel = \"x\"\n"), ["fiel", "line 7"]),
        (format!("{IMPORT}county = \"g\"\n"), ["county", "line 7"]),
        (IMPORT.replace("import", "imprt"), ["`imprt`", "line 5"]),
        (IMPORT.replace("file = \"january.csv\"\n", ""), ["`file`", "line 3"]),
        (IMPORT.replace("do = \"import\"\n", ""), ["`do`", "line 3"]),
        (PUBLISH.replace("2020-01\"", "2020-14\""), ["2020-14", "line 7"]),
        (PUBLISH.replace("2020-01\"", "2020-Q1\""), ["2020-Q1", "act 1"]),
        (format!("{PUBLISH}{IMPORT}"), ["goes back", "act 2"]),
        (IMPORT.replace("january", "nowhere"), ["nowhere.csv", ""]),
        ("act = [[\"2020-02-03T09:00:00+08:00\", \"pay\"]]\n".to_owned(), ["line 3", ""]),
        ("act = 5\n".to_owned(), ["line 3", ""]),
        ("[dril]\n".to_owned(), ["`dril`", "line 3"]),
    ] {
        drill(&act).exits(4).says(&words);
    }
}

#[test]
fn classification_goes_row_by_row() {
    let office = Office::bare();
    let text = "water,ph,do,codmn,nh3n,tp\nriver,7,8,3,0.2,0.1\nlake,7,8,,0.2,0.1\nriver,x,8,3,0.2,0.1\n";
    let file = office.file("rows.csv", text);
    let ran = run(office.command(["classify", "--json"]).arg(file)).exits(4).says(&["line 4, column 2"]);
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            r#"{"class":"II","evaluated":5,"row":1,"worst":["codmn","nh3n","tp"]}"#,
            r#"{"class":null,"evaluated":4,"row":2,"worst":[]}"#,
            r#"{"class":null,"evaluated":4,"row":3,"worst":[]}"#,
        ]
    );
}

#[test]
fn a_store_in_use_exits_with_5() {
    let office = Office::open();
    let held = SledLog::open(office.data().join("store")).unwrap();
    let ran = office.run(["status", "--json"]).exits(5).says(&["use"]);
    assert_eq!(ran.json()["error"]["code"], "store_in_use");
    drop(held);
}

#[test]
fn a_reader_that_goes_away_ends_a_command_in_silence() {
    let office = Office::published();
    for args in
        [vec!["completions", "bash"], vec!["explain", "a", "2020-01"], vec!["events", "--json"], vec!["plan", "show"]]
    {
        let mut child = office.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    let office = Office::bare();
    for shell in ["bash", "zsh", "fish"] {
        assert!(office.run(["completions", shell]).exits(0).out.contains("correct-target"), "{shell}");
    }
}

#[test]
fn the_demonstration_plays_once() {
    let office = Office::bare();
    let state = office.ask(["demo", "--once"]);
    assert_eq!(state["refusals"].as_array().unwrap().len(), 0, "{state}");
    assert!(state["positions"].as_u64().unwrap() > 1_000);
}
