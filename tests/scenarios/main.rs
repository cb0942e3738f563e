//! The book of scenarios: one small year for every article of the rules, every paragraph of "Corrections, exactly" and
//! "Settlement, exactly", and the refusals; and the demonstration year. Each end state is a snapshot.
//!
//! The first lines of a `scenario.toml` say what the rules demand of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui::drill;
use bishui::scenario::Play;
use serde_json::Value;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The end state without what changes with every release: the ids of messages and the number of events.
fn end_state(scenario: &Path) -> Value {
    let play = Play::read(scenario).unwrap_or_else(|error| panic!("{}: {error}", scenario.display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    let end = runtime.block_on(drill::run(&play, calendar)).unwrap_or_else(|error| panic!("{error}"));
    let mut end = serde_json::to_value(end).expect("an end state is JSON");
    let object = end.as_object_mut().expect("an object");
    object.remove("positions");
    for mail in object["mails"].as_array_mut().expect("a list") {
        mail.as_object_mut().expect("an object").remove("message_id");
    }
    end
}

fn check(name: &str, end: &Value) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(here().join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, end));
}

#[test]
fn every_scenario_of_the_book_ends_as_the_rules_demand() {
    let folders = std::fs::read_dir(here().join("book")).unwrap();
    let mut names: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), SCENARIOS, "a scenario was added or lost");
    for name in names {
        check(&name, &end_state(&here().join("book").join(&name).join("scenario.toml")));
    }
}

#[test]
fn the_demonstration_year_ends_as_it_is_described() {
    check("demonstration", &end_state(&here().join("../../service/demo/scenario.toml")));
}

/// Folders in the book.
const SCENARIOS: usize = 36;
