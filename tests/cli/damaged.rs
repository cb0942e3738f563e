//! A damaged embedded store: what doctor and repair say, and what they keep.

use std::path::PathBuf;

use crate::office::Office;

fn segment(office: &Office) -> PathBuf {
    office.data().join("store/journal/0000000001.seg")
}

/// Changes a byte in the middle of what the journal holds.
fn flip(office: &Office) {
    let mut bytes = std::fs::read(segment(office)).expect("a segment");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("events");
    bytes[used / 2] ^= 1;
    std::fs::write(segment(office), bytes).expect("a file");
}

#[test]
fn an_index_that_is_gone_or_garbage_is_made_again() {
    let office = Office::published();
    let head = office.head();
    let index = office.data().join("store/index");
    std::fs::remove_dir_all(&index).unwrap();
    assert_eq!(office.head(), head);
    std::fs::write(index.join("conf"), b"garbage").unwrap();
    assert_eq!(office.head(), head);
    office.run(["doctor"]).exits(0);
    office.run(["replay"]).exits(0);
    assert_eq!(office.ask(["repair"]), serde_json::json!({ "events": head, "lost": 0, "damage": null }));
}

#[test]
fn a_damaged_journal_is_named_and_cut_only_when_loss_is_accepted() {
    let office = Office::published();
    let head = office.head();
    flip(&office);
    let remedy = ["the store is damaged: segment 1 at", "bishui repair", "bishui restore"];
    let found = office.run(["doctor", "--json"]).exits(3).says(&remedy);
    assert_eq!(found.json()["error"]["code"], "store_damaged");
    office.run(["status"]).exits(1).says(&["is damaged"]);
    office.run(["repair"]).exits(1).says(&["can be kept"]);
    let mut command = office.command(["repair", "--accept-loss", "--json"]);
    let repaired = crate::office::run(&mut command).exits(3).json();
    let kept = repaired["events"].as_u64().unwrap();
    assert!(0 < kept && kept < head, "{repaired}");
    assert_eq!(repaired["lost"].as_u64(), Some(head - kept));
    assert_eq!(office.ask(["doctor"])["events"].as_u64(), Some(kept));
    assert!(std::fs::read_dir(office.data().join("store/dropped")).unwrap().count() > 0);
}

#[test]
fn a_cut_segment_is_damage_also_when_its_loss_is_accepted() {
    let office = Office::published();
    let head = office.head();
    let bytes = std::fs::read(segment(&office)).unwrap();
    std::fs::write(segment(&office), &bytes[..bytes.len() / 2]).unwrap();
    office.run(["doctor"]).exits(3).says(&["it was cut"]);
    let mut command = office.command(["repair", "--accept-loss", "--json"]);
    let repaired = crate::office::run(&mut command).exits(3).json();
    assert!(repaired["damage"].as_str().is_some_and(|damage| damage.contains("was cut after")), "{repaired}");
    assert_eq!(repaired["events"].as_u64().unwrap() + repaired["lost"].as_u64().unwrap(), head);
}

#[test]
fn events_that_only_the_index_knows_of_are_counted_as_lost() {
    let office = Office::published();
    let head = office.head();
    let mut bytes = std::fs::read(segment(&office)).unwrap();
    bytes[512..].fill(0);
    std::fs::write(segment(&office), bytes).unwrap();
    office.run(["repair"]).exits(1).says(&["were acknowledged"]);
    let mut command = office.command(["repair", "--accept-loss", "--json"]);
    let repaired = crate::office::run(&mut command).exits(3).json();
    assert_eq!(repaired, serde_json::json!({ "events": 0, "lost": head, "damage": null }));
}
