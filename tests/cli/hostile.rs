//! Random and damaged input to everything that reads a file: errors, never a panic.

use bishui::scenario::Scenario;
use bishui_domain::plan::Plan;
use bishui_infra::table::classify::Samples;
use bishui_infra::table::mapping::Mapping;
use bishui_infra::table::readings::Readings;
use proptest::prelude::*;

use crate::office::{PLAN, month};

const SCENARIO: &str = "plan = \"plan.toml\"\n[drill]\napproval = \"plan\"\n[[act]]\n\
    at = \"2020-02-05T09:00:00+08:00\"\ndo = \"publish\"\ncadence = \"month\"\nperiod = \"2020-01\"\n\
    [[act]]\nat = 2020-02-06T09:00:00+08:00\ndo = \"settle\"\nyear = 2020\nprovincial_payable_fen = 0\n";
const MAPPING: &str = "section = [\"station\"]\ntime = \"when\"\ntime_format = \"month_day\"\ncapture_date = \"day\"\n\
    source = \"automatic\"\n[indicators]\nph = \"pH\"\nnh3n = \"氨氮\"\n[units]\nnh3n = \"μg/L\"\n";
const ROWS: &str = "water,ph,do,codmn,nh3n\nriver,7,8,3,0.5\nlake,7,<8,3L,\n";

/// Reads the bytes as every kind of file there is.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(plan) = toml::from_str::<Plan>(text) {
            plan.faults();
        }
        let _ = Scenario::parse(text);
        if let Ok(mapping) = Mapping::parse(text)
            && let Ok(readings) = Readings::open_mapped(month("2020-01").as_bytes(), &mapping)
        {
            readings.for_each(drop);
        }
    }
    if let Ok(readings) = Readings::open(bytes) {
        readings.flat_map(|row| row.resolve(|name| name.parse().map_err(|_| "unknown".to_owned()))).for_each(drop);
    }
    if let Ok(samples) = Samples::open(bytes) {
        samples.for_each(drop);
    }
}

/// A sound file with some bytes replaced, a stretch taken out or doubled, and its end cut off.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let sound = prop::sample::select(vec![
        PLAN.as_bytes().to_vec(),
        SCENARIO.as_bytes().to_vec(),
        MAPPING.as_bytes().to_vec(),
        ROWS.as_bytes().to_vec(),
        month("2020-01").into_bytes(),
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let stretch = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>());
    (sound, changes, stretch, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut bytes, changes, (one, other, double), end, cut)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (one, other) = (one.index(bytes.len()), other.index(bytes.len()));
            let stretch = one.min(other)..one.max(other);
            if double {
                bytes.extend_from_within(stretch);
            } else {
                bytes.drain(stretch);
            }
            if cut && !bytes.is_empty() {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn random_text_is_an_error(text in "[a-z0-9=\"\\[\\],.\\n#{}'\\\\ -]{0,400}") {
        read_as_everything(text.as_bytes());
    }

    #[test]
    fn damaged_files_are_errors(bytes in damaged()) {
        read_as_everything(&bytes);
    }
}

#[test]
fn sound_files_are_read() {
    assert_eq!(toml::from_str::<Plan>(PLAN).unwrap().faults(), []);
    assert_eq!(Scenario::parse(SCENARIO).unwrap().act.len(), 2);
    assert!(Mapping::parse(MAPPING).is_ok(), "{:?}", Mapping::parse(MAPPING));
    assert_eq!(Samples::open(ROWS.as_bytes()).unwrap().count(), 2);
}
