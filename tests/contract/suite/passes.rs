//! Passes over the whole log, and taking over the events of another: nothing is changed on the way.

use std::ops::ControlFlow;

use bishui_infra::event_log::leaf::leaf_hash;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Appended, EventLog, Expected, LogError, Position, Recorded};

use crate::Fixture;
use crate::build::{at, keyed, positions, stream, versions, write, writes};

/// The events lent by a replay, as values.
async fn lent(log: &dyn EventLog, after: u64, until: u64, limit: usize) -> Vec<Recorded> {
    let mut events = Vec::new();
    log.replay(Position(after), Position(until), &mut |event| {
        events.push(event.to_recorded());
        if events.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await
    .unwrap();
    events
}

pub(crate) async fn a_replay_lends_what_reading_gives(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    for number in 0..6 {
        let two = [write(&stream("a"), Expected::Any, 2), write(&stream("b"), Expected::Any, 1)];
        log.append(keyed(writes(number, two), &format!("key {number}"), number)).await.unwrap();
    }
    let head = start + 18;
    for (after, until) in [(0, head), (start, head), (start + 1, start + 5), (start + 4, start + 4), (start, u64::MAX)]
    {
        let read = log.read_all(Position(after), usize::MAX).await.unwrap();
        let expected: Vec<Recorded> = read.into_iter().filter(|event| event.position.0 <= until).collect();
        assert_eq!(lent(&*log, after, until, usize::MAX).await, expected, "after {after}, until {until}");
    }
    assert_eq!(lent(&*log, start, head, 7).await.len(), 7, "a break ends it");
    assert_eq!(lent(&*log, head, u64::MAX, 1).await, []);
}

/// The events of another log, of batches over several streams, with and without keys; they stand above `start`, as those
/// of a log with as much history do.
async fn others(start: Position) -> Vec<Recorded> {
    let other = MemoryLog::new();
    let both = [write(&stream("高唐"), at(0), 2), write(&stream("b"), at(0), 1)];
    other.append(keyed(writes(1, both), "key", 1)).await.unwrap();
    other.append(writes(2, [write(&stream("b"), at(1), 1)])).await.unwrap();
    other.append(keyed(writes(3, [write(&stream("b"), at(2), 3)]), "other key", 2)).await.unwrap();
    let events = other.read_all(Position(0), usize::MAX).await.unwrap();
    let above = |event: Recorded| Recorded { position: Position(start.0 + event.position.0), ..event };
    events.into_iter().map(above).collect()
}

pub(crate) async fn events_of_another_log_are_taken_over_as_they_are(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let above = |count| Position(start.0 + count);
    let events = others(start).await;
    let mut watch = log.watch();
    assert_eq!(log.take_over(events[..4].to_vec()).await.unwrap(), above(4));
    assert_eq!(log.take_over(events[4..].to_vec()).await.unwrap(), above(7));
    assert_eq!(*watch.borrow_and_update(), above(7));
    assert_eq!(log.read_all(start, usize::MAX).await.unwrap(), events);
    let hashes = |events: &[Recorded]| -> Vec<_> { events.iter().map(|event| leaf_hash(&event.into())).collect() };
    assert_eq!(hashes(&lent(&*log, start.0, above(7).0, usize::MAX).await), hashes(&events));
    assert_eq!(versions(&*log, &stream("b")).await, [1, 2, 3, 4, 5]);
    let again = log.append(keyed(writes(9, [write(&stream("b"), at(9), 1)]), "key", 1)).await.unwrap();
    assert_eq!(again, Appended { first: above(1), last: above(3), duplicate: true });
    let next = log.append(writes(4, [write(&stream("b"), at(5), 1)])).await.unwrap();
    assert_eq!(next.first, above(8));
}

pub(crate) async fn events_that_do_not_follow_are_not_taken_over(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let whole = others(start).await;
    let gap = [&whole[..3], &whole[4..]].concat();
    let late = whole[3..].to_vec();
    // The first event of its stream, so that only its place in its batch is wrong.
    let within_a_batch = vec![Recorded { position: whole[0].position, ..whole[2].clone() }];
    let wrong_version = vec![Recorded { version: bishui_infra::event_log::StreamVersion(2), ..whole[0].clone() }];
    let wrong_id = vec![Recorded { id: uuid::Uuid::nil(), ..whole[0].clone() }];
    for refused in [gap, late, within_a_batch, wrong_version, wrong_id] {
        let outcome = log.take_over(refused).await;
        assert!(matches!(outcome, Err(LogError::Corrupt { .. })), "{outcome:?}");
    }
    assert_eq!(log.head().await.unwrap(), start, "nothing of a refused run is recorded");
    assert_eq!(log.take_over(whole).await.unwrap(), Position(start.0 + 7));
    assert_eq!(positions(&*log, start.0).await.len(), 7);
}

pub(crate) async fn a_batch_of_conditions_does_not_use_its_key(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("a");
    let condition = keyed(writes(1, [write(&county, at(0), 0)]), "key", 1);
    assert!(!log.append(condition.clone()).await.unwrap().duplicate);
    assert_eq!(log.recall(&condition.idempotency.clone().unwrap()).await.unwrap(), None);
    log.append(writes(2, [write(&county, at(0), 1)])).await.unwrap();
    let outcome = log.append(condition).await;
    assert!(matches!(outcome, Err(LogError::Conflict { .. })), "it is judged again: {outcome:?}");
}
