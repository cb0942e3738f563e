//! Restart: a log that was closed and opened again is the same log.

use bishui_infra::event_log::{Appended, LogError, Position, StreamVersion, StreamWrite};

use crate::Fixture;
use crate::build::{at, event, keyed, stream, versions, write, writes};

/// The rules of this part of the suite: those that a log fails which forgets when it is closed.
pub(crate) const RULES_OF_RESTART: [&str; 3] = [
    "a_reopened_log_goes_on_where_it_was",
    "a_reopened_log_knows_its_requests_and_checkpoints",
    "closing_and_opening_many_times_loses_nothing",
];

pub(crate) async fn a_reopened_log_goes_on_where_it_was(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let (county, large) = (stream("高唐"), stream("large\0"));
    log.append(writes(1, [write(&county, at(0), 2)])).await.unwrap();
    let events = vec![event("水".repeat(300 * 1_024))];
    log.append(writes(2, [StreamWrite { stream: large.clone(), expected: at(0), events }])).await.unwrap();
    let events = log.read_all(start, 10).await.unwrap();
    assert_eq!(events.len(), 3);

    let log = fixture.reopened(log);
    let head = Position(start.0 + 3);
    assert_eq!((log.head().await.unwrap(), *log.watch().borrow()), (head, head));
    assert_eq!(log.read_all(start, 10).await.unwrap(), events);
    assert_eq!(log.read_stream(&county, StreamVersion(0), 10).await.unwrap(), events[..2]);
    assert_eq!(log.version(&large).await.unwrap(), StreamVersion(1));
    let stale = log.append(writes(3, [write(&county, at(0), 1)])).await;
    assert!(matches!(stale, Err(LogError::Conflict { actual: StreamVersion(2), .. })), "{stale:?}");
    let appended = log.append(writes(3, [write(&county, at(2), 1)])).await.unwrap();
    assert_eq!(appended.first, Position(head.0 + 1));
    assert_eq!(versions(&*log, &county).await, [1, 2, 3]);
}

pub(crate) async fn a_reopened_log_knows_its_requests_and_checkpoints(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("高唐");
    let batch = keyed(writes(1, [write(&county, at(0), 2)]), "键\0", 1);
    let known = batch.idempotency.clone().unwrap();
    let first = log.append(batch.clone()).await.unwrap();
    log.move_checkpoint("台账", Position(0), first.first).await.unwrap();

    let log = fixture.reopened(log);
    let repeated = Appended { duplicate: true, ..first };
    assert_eq!(log.recall(&known).await.unwrap(), Some(repeated));
    assert_eq!(log.append(batch).await.unwrap(), repeated);
    let reused = log.append(keyed(writes(2, [write(&county, at(2), 1)]), "键\0", 2)).await;
    assert!(matches!(reused, Err(LogError::KeyReused { .. })), "{reused:?}");
    assert_eq!(log.checkpoint("台账").await.unwrap(), first.first);
    log.move_checkpoint("台账", first.first, first.last).await.unwrap();
}

pub(crate) async fn closing_and_opening_many_times_loses_nothing(fixture: &dyn Fixture) {
    const ROUNDS: u64 = 20;
    let mut log = fixture.log();
    let (start, county) = (log.head().await.unwrap(), stream("a"));
    for round in 0..ROUNDS {
        assert_eq!(log.head().await.unwrap(), Position(start.0 + round));
        log.append(writes(u128::from(round), [write(&county, at(round), 1)])).await.unwrap();
        log = fixture.reopened(log);
    }
    assert_eq!(versions(&*log, &county).await, (1..=ROUNDS).collect::<Vec<_>>());
}
