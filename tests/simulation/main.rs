//! Random years, played by the service and by a naive model that knows no events; both must come to the same end state.
//!
//! `BISHUI_SIMULATION_YEARS` sets how many scenarios are played, `BISHUI_SIMULATION_SEED` the first seed.

mod book;
mod compare;
mod files;
mod judge;
mod limits;
mod money;
mod naive;
mod random;
mod sheet;
mod standing;
mod values;

use std::sync::Arc;

use bishui::drill;
use bishui::scenario::Play;
use serde_json::Value;

use crate::book::Book;
use crate::naive::{Naive, Slip};

const YEARS: u64 = 80;
/// Most years until every mistake must have been noticed.
const MISTAKE_YEARS: u64 = 150;
const FIRST_SEED: u64 = 1;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// The end state that the service comes to.
fn played(book: &Book) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = files::write(book, folder.path());
    let play = Play::read(&scenario).unwrap_or_else(|error| panic!("the written scenario cannot be read: {error}"));
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let end = runtime.block_on(drill::run(&play, calendar)).unwrap_or_else(|error| panic!("the drill failed: {error}"));
    serde_json::to_value(end).expect("an end state is JSON")
}

fn modelled(book: &Book, slip: Slip) -> Value {
    sheet::end_state(&Naive::play(book, slip))
}

#[test]
fn the_service_and_the_naive_model_come_to_the_same_end_state() {
    let (first, years) = (setting("BISHUI_SIMULATION_SEED", FIRST_SEED), setting("BISHUI_SIMULATION_YEARS", YEARS));
    let mut differing = Vec::new();
    for seed in first..first + years {
        let book = random::book(seed);
        let service = played(&book);
        let found = compare::difference(&service, &modelled(&book, Slip::None));
        if let Some(found) = found.or_else(|| compare::warning_mails(&service)) {
            differing.push(format!("seed {seed}: {found}"));
        }
    }
    println!("{years} years compared");
    assert!(differing.is_empty(), "{} of {years} years differ\n{}", differing.len(), differing.join("\n"));
}

/// A comparison that cannot see a mistake is worth nothing: every slip of the model must be noticed.
#[test]
fn every_deliberate_mistake_of_the_model_is_noticed() {
    let mut unnoticed = Slip::MISTAKES.to_vec();
    let first = setting("BISHUI_SIMULATION_SEED", FIRST_SEED);
    for seed in first..first + MISTAKE_YEARS {
        if unnoticed.is_empty() {
            break;
        }
        let book = random::book(seed);
        let service = played(&book);
        unnoticed.retain(|slip| compare::difference(&service, &modelled(&book, *slip)).is_none());
    }
    assert_eq!(unnoticed, [], "not noticed in {MISTAKE_YEARS} years");
}
