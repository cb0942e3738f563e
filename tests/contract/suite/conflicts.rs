//! Optimistic concurrency: versions required and met, conditions without events, batches whole or not at all.

use std::sync::Arc;

use bishui_infra::event_log::{Appended, Batch, Expected, LogError, Position, StreamId};

use crate::Fixture;
use crate::build::{at, positions, stream, versions, write, writes};

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(outcome: Result<T, LogError>, on: &StreamId, expected: u64, actual: u64) {
    let Err(LogError::Conflict { stream, expected: required, actual: found }) = outcome else {
        panic!("{outcome:?} is not a conflict");
    };
    assert_eq!((&stream, required.0, found.0), (on, expected, actual));
}

pub(crate) async fn a_stale_version_is_refused_with_the_actual_one(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    let county = stream("gaotang");
    log.append(writes(1, [write(&county, at(0), 2)])).await.unwrap();
    assert_conflict(log.append(writes(2, [write(&county, at(1), 1)])).await, &county, 1, 2);
    assert_conflict(log.append(writes(3, [write(&county, at(3), 1)])).await, &county, 3, 2);
    assert_conflict(log.append(writes(4, [write(&county, at(0), 1)])).await, &county, 0, 2);
    assert_eq!(positions(&*log, start).await, [start + 1, start + 2]);
}

pub(crate) async fn a_new_stream_is_at_version_zero(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("new");
    assert_conflict(log.append(writes(1, [write(&county, at(1), 1)])).await, &county, 1, 0);
    log.append(writes(2, [write(&county, at(0), 1)])).await.unwrap();
    assert_eq!(versions(&*log, &county).await, [1]);
}

pub(crate) async fn any_version_is_taken_when_none_is_required(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("any");
    for number in 0..3 {
        log.append(writes(number, [write(&county, Expected::Any, 1)])).await.unwrap();
    }
    assert_eq!(versions(&*log, &county).await, [1, 2, 3]);
}

pub(crate) async fn a_later_write_sees_the_earlier_ones_of_its_batch(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("twice");
    log.append(writes(1, [write(&county, at(0), 2), write(&county, at(2), 1)])).await.unwrap();
    let stale = writes(2, [write(&county, at(3), 1), write(&county, at(3), 1)]);
    assert_conflict(log.append(stale).await, &county, 3, 4);
    assert_eq!(versions(&*log, &county).await, [1, 2, 3]);
}

pub(crate) async fn a_conflict_in_the_second_write_leaves_nothing_of_the_first(fixture: &dyn Fixture) {
    let log = fixture.log();
    let (one, two) = (stream("one"), stream("two"));
    log.append(writes(1, [write(&two, at(0), 1)])).await.unwrap();
    let head = log.head().await.unwrap();
    let outcome = log.append(writes(2, [write(&one, at(0), 3), write(&two, at(0), 1)])).await;
    assert_conflict(outcome, &two, 0, 1);
    assert_eq!(log.head().await.unwrap(), head);
    assert_eq!(versions(&*log, &one).await, [0; 0]);
    // The places of the refused events are not used up.
    let appended = log.append(writes(3, [write(&one, at(0), 1)])).await.unwrap();
    assert_eq!(appended.first, Position(head.0 + 1));
    assert_eq!(versions(&*log, &one).await, [1]);
}

pub(crate) async fn a_condition_without_events_is_judged(fixture: &dyn Fixture) {
    let log = fixture.log();
    let (read, written) = (stream("read"), stream("written"));
    log.append(writes(1, [write(&read, at(0), 1)])).await.unwrap();
    let outcome = log.append(writes(2, [write(&written, at(0), 1), write(&read, at(0), 0)])).await;
    assert_conflict(outcome, &read, 0, 1);
    log.append(writes(3, [write(&written, at(0), 1), write(&read, at(1), 0)])).await.unwrap();
    assert_eq!(versions(&*log, &read).await, [1]);
    assert_eq!(versions(&*log, &written).await, [1]);
}

/// Two acts of which each reads what the other writes.
pub(crate) struct Skew {
    left: StreamId,
    right: StreamId,
    pub(crate) acts: [Batch; 2],
}

impl Skew {
    /// The pair of this number; each is about streams of its own.
    pub(crate) fn new(number: u32) -> Self {
        let (left, right) = (stream(&format!("left{number}")), stream(&format!("right{number}")));
        let one = writes(u128::from(2 * number), [write(&left, at(0), 0), write(&right, at(0), 1)]);
        let two = writes(u128::from(2 * number + 1), [write(&right, at(0), 0), write(&left, at(0), 1)]);
        Self { left, right, acts: [one, two] }
    }

    /// Whatever the order, and in one group or two, one of them wins.
    #[track_caller]
    pub(crate) fn assert_one_is_refused(&self, outcomes: [Result<Appended, LogError>; 2]) {
        match outcomes {
            [Ok(_), refused] => assert_conflict(refused, &self.right, 0, 1),
            [refused, Ok(_)] => assert_conflict(refused, &self.left, 0, 1),
            [one, two] => panic!("both refused: {one:?}, {two:?}"),
        }
    }
}

pub(crate) async fn a_condition_stops_write_skew(fixture: &dyn Fixture) {
    let log = fixture.log();
    let pairs: Vec<Skew> = (0..200).map(Skew::new).collect();
    let append = |batch| {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append(batch).await })
    };
    // All at once: where a store records in groups, both acts of a pair come into one.
    let appends: Vec<_> = pairs.iter().map(|pair| pair.acts.clone().map(append)).collect();
    for (pair, [one, two]) in pairs.iter().zip(appends) {
        pair.assert_one_is_refused([one.await.unwrap(), two.await.unwrap()]);
    }
}

pub(crate) async fn a_batch_of_conditions_stands_at_the_head(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("condition");
    let head = log.append(writes(1, [write(&county, at(0), 2)])).await.unwrap().last;
    let appended = log.append(writes(2, [write(&county, at(2), 0)])).await.unwrap();
    assert_eq!((appended.first, appended.last, appended.duplicate), (head, head, false));
    assert_conflict(log.append(writes(3, [write(&county, at(1), 0)])).await, &county, 1, 2);
    assert_eq!(log.head().await.unwrap(), head);
}
