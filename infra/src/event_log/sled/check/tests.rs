//! Damage done by hand, and what the checks say of it.

use tempfile::TempDir;

use super::*;
use crate::event_log::admission::KeyRecord;
use crate::event_log::event_id;
use crate::event_log::sled::store::{CHUNK_BYTES, put_event, put_key};
use uuid::Uuid;

/// Events of the store that damage is done to; more than the tail that is checked at opening.
const EVENTS: u64 = 100;

fn event(position: u64) -> Recorded {
    Recorded {
        position: Position(position),
        stream: StreamId::new("section", position % 2),
        version: StreamVersion(position.div_ceil(2)),
        id: event_id(Uuid::from_u128(u128::from(position)), 0),
        kind: "section.assessed".into(),
        schema: 1,
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: None,
        idempotency_key: None,
        request: None,
        batch: Uuid::from_u128(u128::from(position)),
        place: 0,
        payload: "水".repeat(CHUNK_BYTES / 2),
    }
}

fn filled() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(start(&store).unwrap(), Position(0));
    let mut batch = Batch::default();
    (1..=EVENTS).for_each(|position| put_event(&mut batch, &event(position)));
    batch.insert(keys::HEAD, &EVENTS.to_be_bytes());
    store.apply(batch).unwrap();
    (dir, store)
}

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(outcome: Result<T, LogError>, expected: &str) {
    match outcome {
        Err(LogError::Corrupt { what }) => assert_eq!(what, expected),
        other => panic!("{other:?} is not the damage"),
    }
}

#[test]
fn an_undamaged_store_passes() {
    let (_dir, store) = filled();
    assert_eq!(start(&store).unwrap(), Position(EVENTS));
    verify(&store, Position(EVENTS)).unwrap();
}

#[test]
fn a_lost_event_is_found() {
    let (_dir, store) = filled();
    for chunk in 0..3 {
        store.db.remove(keys::event(Position(10), chunk)).unwrap();
    }
    start(&store).unwrap();
    assert_corrupt(verify(&store, Position(EVENTS)), "event 10 is missing");
}

#[test]
fn a_lost_piece_of_an_event_is_found() {
    for chunk in 0..2 {
        let (_dir, store) = filled();
        store.db.remove(keys::event(Position(90), chunk)).unwrap();
        assert!(matches!(start(&store), Err(LogError::Corrupt { what }) if what.starts_with("event 90: ")));
        assert!(matches!(verify(&store, Position(EVENTS)), Err(LogError::Corrupt { .. })));
    }
}

#[test]
fn a_lost_head_or_tail_is_found_at_opening() {
    let (_dir, store) = filled();
    store.db.insert(keys::HEAD, &(EVENTS + 1).to_be_bytes()).unwrap();
    assert_corrupt(start(&store), "the head is 101, but the last event is 100");
    store.db.remove(keys::HEAD).unwrap();
    assert_corrupt(start(&store), "it has no head");
}

#[test]
fn events_above_the_head_are_never_removed_without_the_mark_of_their_group() {
    let (_dir, store) = filled();
    store.db.insert(keys::HEAD, &(EVENTS - 1).to_be_bytes()).unwrap();
    assert_corrupt(start(&store), "the head is 99, but the last event is 100");
    store.db.insert(keys::UNFINISHED, &(EVENTS - 2).to_be_bytes()).unwrap();
    assert_corrupt(start(&store), "the head is 99, but the last event is 100");
    assert_eq!(store.event(Position(EVENTS)).unwrap(), event(EVENTS));
}

#[test]
fn an_index_entry_that_is_lost_or_leads_elsewhere_is_found() {
    let (_dir, store) = filled();
    let entry = keys::stream_version(&StreamId::new("section", 0), StreamVersion(5));
    store.db.insert(entry.clone(), &11_u64.to_be_bytes()).unwrap();
    let expected = "version 5 of section/0 is event 10, but its index leads to event 11";
    assert_corrupt(verify(&store, Position(EVENTS)), expected);
    store.db.remove(entry).unwrap();
    let expected = "version 5 of section/0 is event 10, but its index leads to nothing";
    assert_corrupt(verify(&store, Position(EVENTS)), expected);
}

#[test]
fn an_index_entry_without_an_event_is_found() {
    let (_dir, store) = filled();
    store.db.insert(keys::stream_version(&StreamId::new("x", 0), StreamVersion(1)), &10_u64.to_be_bytes()).unwrap();
    assert_corrupt(verify(&store, Position(EVENTS)), "the index has 101 entries for 100 events");
}

#[test]
fn a_version_out_of_order_is_found() {
    let (_dir, store) = filled();
    let mut batch = Batch::default();
    put_event(&mut batch, &Recorded { version: StreamVersion(7), ..event(10) });
    store.apply(batch).unwrap();
    assert_corrupt(verify(&store, Position(EVENTS)), "event 10 is version 7 of section/0, not 5");
}

#[test]
fn a_key_that_stands_for_no_events_is_found() {
    let (_dir, store) = filled();
    let mut batch = Batch::default();
    put_key(&mut batch, "k", KeyRecord { request: Uuid::nil(), first: Position(100), last: Position(101) });
    store.apply(batch).unwrap();
    assert_corrupt(verify(&store, Position(EVENTS)), "idempotency key `k` stands for no events");
}

#[test]
fn a_newer_format_is_refused() {
    let (_dir, store) = filled();
    store.db.insert(keys::FORMAT, &2_u64.to_be_bytes()).unwrap();
    let expected = "the store cannot be used: its format is 2, and this program reads format 1: \
                    use the program it belongs to";
    assert_eq!(start(&store).unwrap_err().to_string(), expected);
}

#[test]
fn content_without_a_format_is_not_taken_over() {
    let (_dir, store) = filled();
    store.db.remove(keys::FORMAT).unwrap();
    assert_corrupt(start(&store), "it has content, but no format");
}

/// A large group is written in parts; the head comes with the last.
#[test]
fn the_parts_of_an_unfinished_group_are_removed() {
    let (_dir, store) = filled();
    let mut batch = Batch::default();
    (EVENTS + 1..=EVENTS + 9).for_each(|position| put_event(&mut batch, &event(position)));
    batch.insert(keys::UNFINISHED, &EVENTS.to_be_bytes());
    store.apply(batch).unwrap();
    assert_eq!(start(&store).unwrap(), Position(EVENTS));
    verify(&store, Position(EVENTS)).unwrap();
    assert_eq!(store.number(keys::UNFINISHED).unwrap(), None);
    assert_eq!(last_position(&store).unwrap(), Some(Position(EVENTS)));
    assert_eq!(store.version(&StreamId::new("section", 1)).unwrap(), event(EVENTS - 1).version);
}
