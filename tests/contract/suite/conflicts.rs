//! Optimistic concurrency: versions required and met, conditions without events, batches whole or not at all.

use bishui_infra::event_log::{Expected, LogError, Position, StreamId};
use tokio::join;

use crate::Fixture;
use crate::build::{at, positions, stream, versions, write, writes};

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(outcome: Result<T, LogError>, on: &StreamId, expected: u64, actual: u64) {
    let Err(LogError::Conflict { stream, expected: required, actual: found }) = outcome else {
        panic!("{outcome:?} is not a conflict");
    };
    assert_eq!((&stream, required.0, found.0), (on, expected, actual));
}

pub(crate) async fn a_stale_version_is_refused_with_the_actual_one(make: Fixture<'_>) {
    let log = make();
    let start = log.head().await.unwrap().0;
    let county = stream("gaotang");
    log.append(writes(1, [write(&county, at(0), 2)])).await.unwrap();
    assert_conflict(log.append(writes(2, [write(&county, at(1), 1)])).await, &county, 1, 2);
    assert_conflict(log.append(writes(3, [write(&county, at(3), 1)])).await, &county, 3, 2);
    assert_conflict(log.append(writes(4, [write(&county, at(0), 1)])).await, &county, 0, 2);
    assert_eq!(positions(&*log, start).await, [start + 1, start + 2]);
}

pub(crate) async fn a_new_stream_is_at_version_zero(make: Fixture<'_>) {
    let log = make();
    let county = stream("new");
    assert_conflict(log.append(writes(1, [write(&county, at(1), 1)])).await, &county, 1, 0);
    log.append(writes(2, [write(&county, at(0), 1)])).await.unwrap();
    assert_eq!(versions(&*log, &county).await, [1]);
}

pub(crate) async fn any_version_is_taken_when_none_is_required(make: Fixture<'_>) {
    let log = make();
    let county = stream("any");
    for number in 0..3 {
        log.append(writes(number, [write(&county, Expected::Any, 1)])).await.unwrap();
    }
    assert_eq!(versions(&*log, &county).await, [1, 2, 3]);
}

pub(crate) async fn a_later_write_sees_the_earlier_ones_of_its_batch(make: Fixture<'_>) {
    let log = make();
    let county = stream("twice");
    log.append(writes(1, [write(&county, at(0), 2), write(&county, at(2), 1)])).await.unwrap();
    let stale = writes(2, [write(&county, at(3), 1), write(&county, at(3), 1)]);
    assert_conflict(log.append(stale).await, &county, 3, 4);
    assert_eq!(versions(&*log, &county).await, [1, 2, 3]);
}

pub(crate) async fn a_conflict_in_the_second_write_leaves_nothing_of_the_first(make: Fixture<'_>) {
    let log = make();
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

pub(crate) async fn a_condition_without_events_is_judged(make: Fixture<'_>) {
    let log = make();
    let (read, written) = (stream("read"), stream("written"));
    log.append(writes(1, [write(&read, at(0), 1)])).await.unwrap();
    let outcome = log.append(writes(2, [write(&written, at(0), 1), write(&read, at(0), 0)])).await;
    assert_conflict(outcome, &read, 0, 1);
    log.append(writes(3, [write(&written, at(0), 1), write(&read, at(1), 0)])).await.unwrap();
    assert_eq!(versions(&*log, &read).await, [1]);
    assert_eq!(versions(&*log, &written).await, [1]);
}

/// Two acts each read what the other writes. Whatever the order, and in one group or two, one of them is refused.
pub(crate) async fn a_condition_stops_write_skew(make: Fixture<'_>) {
    let log = make();
    for round in 0..10_u32 {
        let (left, right) = (stream(&format!("left{round}")), stream(&format!("right{round}")));
        let one = writes(u128::from(2 * round), [write(&left, at(0), 0), write(&right, at(0), 1)]);
        let two = writes(u128::from(2 * round + 1), [write(&right, at(0), 0), write(&left, at(0), 1)]);
        match join!(log.append(one), log.append(two)) {
            (Ok(_), refused) => assert_conflict(refused, &right, 0, 1),
            (refused, Ok(_)) => assert_conflict(refused, &left, 0, 1),
            (one, two) => panic!("both refused: {one:?}, {two:?}"),
        }
    }
}

pub(crate) async fn a_batch_of_conditions_stands_at_the_head(make: Fixture<'_>) {
    let log = make();
    let county = stream("condition");
    let head = log.append(writes(1, [write(&county, at(0), 2)])).await.unwrap().last;
    let appended = log.append(writes(2, [write(&county, at(2), 0)])).await.unwrap();
    assert_eq!((appended.first, appended.last, appended.duplicate), (head, head, false));
    assert_conflict(log.append(writes(3, [write(&county, at(1), 0)])).await, &county, 1, 2);
    assert_eq!(log.head().await.unwrap(), head);
}
