//! `bench store`: the form of the report, and what it does with the disk. Speeds are not judged here.

use serde_json::Value;

use crate::office::Office;

/// The keys of an object, in the order in which they are sorted.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[track_caller]
fn all_positive(value: &Value) {
    for (key, figure) in value.as_object().expect("an object") {
        assert!(figure.as_f64().is_some_and(|figure| figure > 0.0), "{key}: {value}");
    }
}

#[test]
fn the_report_has_the_form_of_the_contract_and_leaves_nothing_behind() {
    let office = Office::bare();
    let store = office.path("measured");
    let place = format!("sled:{}", store.display());
    let report = office.ask(["bench", "store", "--store", &place, "--events", "2000", "--streams", "300"]);
    for figures in ["limit", "ours", "ratio"] {
        assert_eq!(keys(&report[figures]), ["batch", "group", "one", "replay"], "{report}");
        all_positive(&report[figures]);
    }
    for tails in ["p99_ms", "limit_p99_ms"] {
        assert_eq!(keys(&report[tails]), ["group", "one"]);
        all_positive(&report[tails]);
    }
    assert_eq!(keys(&report["peak_mb"]), ["load", "replay"]);
    all_positive(&report["peak_mb"]);
    assert_eq!((&report["store"], &report["events"]), (&Value::from("sled"), &Value::from(2_000)));
    // A payload alone has some 288 bytes.
    assert!(report["bytes_per_event"].as_f64().is_some_and(|bytes| bytes > 288.0), "{report}");
    for opened in ["open_s", "open_after_kill_s"] {
        assert!(report[opened].as_f64().is_some_and(|time| time > 0.0), "{report}");
    }
    assert_eq!(report["scattered"]["streams"], 300);
    assert_eq!(report["rounds"]["each"], 3);
    assert_eq!(std::fs::read_dir(store).expect("the directory stays").count(), 0);
    assert!(!office.data().exists());
}

#[test]
fn a_scattered_load_can_be_left_out_and_the_store_stays_beside_the_data() {
    let office = Office::bare();
    let report = office.ask(["bench", "store", "--events", "1000", "--streams", "0"]);
    assert_eq!(report.get("scattered"), None);
    let beside = std::fs::read_dir(office.path("")).expect("the directory of the office").count();
    assert_eq!(beside, 0, "everything that was written is removed");
}

#[test]
fn an_existing_store_is_never_measured_on() {
    let office = Office::open();
    let store = office.data().join("store");
    let head = office.head();
    let place = format!("sled:{}", store.display());
    let ran = office.run(["bench", "store", "--store", &place, "--json"]).exits(4).says(&["not empty", "new one"]);
    assert_eq!(ran.json()["error"]["code"], "invalid_input");
    assert_eq!(office.head(), head);
}

#[test]
fn what_cannot_be_measured_is_wrong_usage() {
    let office = Office::bare();
    for (option, value, word) in [
        ("--store", "rocks:x", "sled:DIR"),
        ("--store", "sled:", "sled:DIR"),
        ("--events", "0", "1000"),
        ("--rounds", "2", "3"),
        ("--streams", "10000001", "10000000"),
    ] {
        office.run(["bench", "store", option, value]).exits(2).says(&[option, word]);
    }
}
