//! Reading: from anywhere, with limits, byte for byte; waking; checkpoints.

use std::sync::Arc;
use std::time::Duration;

use bishui_infra::event_log::{Expected, LogError, Position, StreamId, StreamVersion, StreamWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Fixture;
use crate::build::{at, event, stream, versions, write, writes};

pub(crate) async fn a_stream_is_read_from_any_version_with_a_limit(fixture: &dyn Fixture) {
    let log = fixture.log();
    let (county, other) = (stream("a"), stream("b"));
    for number in 0..10 {
        log.append(writes(number, [write(&county, Expected::Any, 1), write(&other, Expected::Any, 1)])).await.unwrap();
    }
    for after in 0..12 {
        for limit in [0, 1, 3, usize::MAX] {
            let read = log.read_stream(&county, StreamVersion(after), limit).await.unwrap();
            let found: Vec<u64> = read.iter().map(|event| event.version.0).collect();
            assert_eq!(found, (after + 1..=10).take(limit).collect::<Vec<_>>(), "after {after}, limit {limit}");
            assert!(read.iter().all(|event| event.stream == county));
        }
    }
    assert_eq!(log.read_stream(&county, StreamVersion(u64::MAX), 1).await.unwrap(), []);
    assert_eq!(log.read_stream(&stream("none"), StreamVersion(0), 1).await.unwrap(), []);
}

pub(crate) async fn the_log_is_read_from_any_position_with_a_limit(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    for number in 0..5 {
        log.append(writes(number, [write(&stream("a"), Expected::Any, 1), write(&stream("b"), Expected::Any, 1)]))
            .await
            .unwrap();
    }
    let head = start + 10;
    for after in 0..=head + 1 {
        for limit in [0, 1, 4, usize::MAX] {
            let read = log.read_all(Position(after), limit).await.unwrap();
            let found: Vec<u64> = read.iter().map(|event| event.position.0).collect();
            assert_eq!(found, (after + 1..=head).take(limit).collect::<Vec<_>>(), "after {after}, limit {limit}");
        }
    }
    assert_eq!(log.read_all(Position(u64::MAX), 1).await.unwrap(), []);
}

pub(crate) async fn those_who_read_beside_writers_meet_no_hole(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    let end = start + 8 * 40;
    let mut writers = JoinSet::new();
    for writer in 0..8_u32 {
        let log = Arc::clone(&log);
        let county = stream(&format!("w{writer}"));
        writers.spawn(async move {
            for number in 0..40 {
                let batch = writes(u128::from(writer * 100 + number), [write(&county, Expected::Any, 1)]);
                log.append(batch).await.unwrap();
            }
        });
    }
    // As a subscription does: wake, read on by position, and compare the stream's view with the log's.
    let mut watch = log.watch();
    let mut after = start;
    while after < end {
        for event in log.read_all(Position(after), 7).await.unwrap() {
            after += 1;
            assert_eq!(event.position.0, after);
            let before = StreamVersion(event.version.0 - 1);
            assert_eq!(log.read_stream(&event.stream, before, 1).await.unwrap(), [event]);
        }
        if log.head().await.unwrap().0 == after && after < end {
            timeout(Duration::from_mins(1), watch.changed()).await.expect("woken").unwrap();
        }
    }
    writers.join_all().await;
}

pub(crate) async fn streams_with_like_names_are_kept_apart(fixture: &dyn Fixture) {
    let log = fixture.log();
    let names = ["a", "a/b", "a\0", "a\0\0\0\0\0\0\0\0", "ab", "A", "", "河", "河\u{0}"];
    for (number, name) in names.iter().enumerate() {
        let number = u128::try_from(number).unwrap();
        log.append(writes(number, [write(&StreamId::new("x", name), at(0), 2)])).await.unwrap();
    }
    for name in names {
        assert_eq!(versions(&*log, &StreamId::new("x", name)).await, [1, 2], "{name:?}");
    }
}

pub(crate) async fn payloads_are_kept_byte_for_byte(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let payloads = [
        String::new(),
        "{}".into(),
        "{ \"b\" : 1.50,\r\n\t\"a\":\"\\u5fd2\" , \"a\":1e2}".into(),
        "{\"断面\":\"徒骇河·聊城\",\"等级\":\"Ⅳ类\",\"𠂉\":\"𝔘\"}".into(),
        // Around the pieces in which a store may keep it, and far above.
        "x".repeat(3_999),
        "y".repeat(4_000),
        "z".repeat(8_001),
        "水".repeat(300 * 1_024),
    ];
    let events = payloads.iter().map(event).collect();
    log.append(writes(1, [StreamWrite { stream: stream("a"), expected: at(0), events }])).await.unwrap();
    for (after, payload) in (start.0..).zip(&payloads) {
        let read = log.read_all(Position(after), 1).await.unwrap();
        assert!(read[0].payload == *payload, "payload of {} bytes", payload.len());
    }
    let read = log.read_stream(&stream("a"), StreamVersion(0), 100).await.unwrap();
    assert!(read.iter().map(|event| &event.payload).eq(&payloads));
}

pub(crate) async fn the_head_wakes_those_who_watch(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let mut watch = log.watch();
    assert!(!watch.has_changed().unwrap(), "nothing has happened since");
    log.append(writes(1, [write(&stream("a"), at(0), 1)])).await.unwrap();
    timeout(Duration::from_mins(1), watch.changed()).await.expect("woken").unwrap();
    assert_eq!(*watch.borrow_and_update(), Position(start.0 + 1));
    // What it was woken for can be read.
    assert_eq!(log.read_all(start, 10).await.unwrap().len(), 1);
    log.append(writes(2, [write(&stream("a"), at(1), 0)])).await.unwrap();
    assert!(!watch.has_changed().unwrap(), "a condition does not move the head");
}

pub(crate) async fn a_checkpoint_moves_from_where_it_is_only(fixture: &dyn Fixture) {
    let log = fixture.log();
    assert_eq!(log.checkpoint("台账").await.unwrap(), Position(0));
    log.move_checkpoint("台账", Position(0), Position(5)).await.unwrap();
    assert_eq!(log.checkpoint("台账").await.unwrap(), Position(5));
    assert_eq!(log.checkpoint("mail").await.unwrap(), Position(0));
    let moved = log.move_checkpoint("台账", Position(4), Position(9)).await;
    let Err(LogError::CheckpointMoved { consumer, expected, actual }) = moved else { panic!("{moved:?}") };
    assert_eq!((consumer.as_str(), expected, actual), ("台账", Position(4), Position(5)));
    log.move_checkpoint("台账", Position(5), Position(2)).await.unwrap();
    assert_eq!(log.checkpoint("台账").await.unwrap(), Position(2));
}

pub(crate) async fn one_of_many_owners_moves_a_checkpoint(fixture: &dyn Fixture) {
    let log = fixture.log();
    let mut tasks = JoinSet::new();
    for owner in 1..=16 {
        let log = Arc::clone(&log);
        tasks.spawn(async move { (owner, log.move_checkpoint("table", Position(0), Position(owner)).await) });
    }
    let won: Vec<u64> =
        tasks.join_all().await.into_iter().filter(|(_, moved)| moved.is_ok()).map(|(owner, _)| owner).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(log.checkpoint("table").await.unwrap(), Position(won[0]));
}

/// A stream's version is 0 before its first event and then that of its last.
pub(crate) async fn the_version_of_a_stream_is_that_of_its_last_event(fixture: &dyn Fixture) {
    let log = fixture.log();
    assert_eq!(log.version(&stream("a")).await.unwrap(), StreamVersion(0));
    log.append(writes(1, [write(&stream("a"), at(0), 3), write(&stream("ab"), at(0), 1)])).await.unwrap();
    assert_eq!(log.version(&stream("a")).await.unwrap(), StreamVersion(3));
    assert_eq!(log.version(&stream("ab")).await.unwrap(), StreamVersion(1));
    assert_eq!(log.version(&stream("b")).await.unwrap(), StreamVersion(0));
}
