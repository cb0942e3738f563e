//! Places of events: dense positions in commit order, dense versions, one run per batch.

use std::sync::Arc;

use bishui_infra::event_log::{Batch, EventLog, Expected, LogError, Position, Recorded, StreamVersion, event_id};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Fixture;
use crate::build::{at, event, positions, stream, versions, write, writes};

const WRITERS: u64 = 64;
const BATCHES: u64 = 5;

pub(crate) async fn positions_are_dense_in_commit_order_under_many_writers(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        tasks.spawn(append_in_a_row(Arc::clone(&log), writer));
    }
    let mut runs: Vec<(u64, u64)> = tasks.join_all().await.into_iter().flatten().collect();

    // Every acknowledged run is two positions, no two overlap, and together they leave no hole.
    runs.sort_unstable();
    let expected: Vec<(u64, u64)> =
        (0..WRITERS * BATCHES).map(|run| (start + 2 * run + 1, start + 2 * run + 2)).collect();
    assert_eq!(runs, expected);
    let head = start + 2 * WRITERS * BATCHES;
    assert_eq!(log.head().await.unwrap(), Position(head));
    assert_eq!(positions(&*log, start).await, (start + 1..=head).collect::<Vec<_>>());
}

/// Batches of two events one after the other; each must stand above the one before.
async fn append_in_a_row(log: Arc<dyn EventLog>, writer: u64) -> Vec<(u64, u64)> {
    let stream = stream(&format!("w{writer}"));
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in 0..BATCHES {
        let batch = writes(u128::from(writer * BATCHES + number), [write(&stream, at(2 * number), 2)]);
        let appended = log.append(batch).await.unwrap();
        assert!(runs.last().is_none_or(|(_, last)| *last < appended.first.0));
        // What was acknowledged is seen at once.
        assert!(log.head().await.unwrap() >= appended.last);
        runs.push((appended.first.0, appended.last.0));
    }
    runs
}

pub(crate) async fn one_of_many_writers_at_the_same_version_wins(fixture: &dyn Fixture) {
    let log = fixture.log();
    let contested = stream("contested");
    for round in 0..5 {
        let mut tasks = JoinSet::new();
        for writer in 0..16 {
            let log = Arc::clone(&log);
            let batch = writes(round * 100 + writer, [write(&contested, at(u64::try_from(round).unwrap()), 1)]);
            tasks.spawn(async move { log.append(batch).await });
        }
        let outcomes = tasks.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(LogError::Conflict { .. }))));
    }
    assert_eq!(versions(&*log, &contested).await, [1, 2, 3, 4, 5]);
}

pub(crate) async fn versions_are_dense_within_each_stream(fixture: &dyn Fixture) {
    let log = fixture.log();
    let (one, two) = (stream("one"), stream("two"));
    log.append(writes(1, [write(&one, at(0), 2)])).await.unwrap();
    log.append(writes(2, [write(&two, at(0), 1)])).await.unwrap();
    log.append(writes(3, [write(&one, at(2), 1), write(&two, at(1), 2)])).await.unwrap();
    assert_eq!(versions(&*log, &one).await, [1, 2, 3]);
    assert_eq!(versions(&*log, &two).await, [1, 2, 3]);
}

pub(crate) async fn a_batch_is_a_run_of_positions_in_the_order_of_its_writes(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let (one, two) = (stream("one"), stream("two"));
    let batch = writes(1, [write(&two, at(0), 1), write(&one, Expected::Any, 2), write(&two, at(1), 1)]);
    let appended = log.append(batch).await.unwrap();
    assert_eq!(
        (appended.first, appended.last, appended.duplicate),
        (Position(start.0 + 1), Position(start.0 + 4), false)
    );
    let read = log.read_all(start, 10).await.unwrap();
    let found: Vec<(&str, u64)> = read.iter().map(|event| (event.stream.key(), event.version.0)).collect();
    assert_eq!(found, [("two", 1), ("one", 1), ("one", 2), ("two", 2)]);
}

pub(crate) async fn an_event_keeps_its_envelope_and_derived_id(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let county = stream("高唐");
    let mut write = write(&county, at(0), 1);
    write.events.push(event("{\"约谈\":\"已举行\"}"));
    let batch = Batch {
        actor: "局长".into(),
        causation: Some(Uuid::from_u128(7)),
        correlation: Some(Uuid::from_u128(8)),
        ..crate::build::keyed(writes(42, [write]), "请求-1", 9)
    };
    log.append(batch.clone()).await.unwrap();

    let second = Recorded {
        position: Position(start.0 + 2),
        stream: county.clone(),
        version: StreamVersion(2),
        id: event_id(batch.id, 1),
        kind: "county.interview_held".into(),
        schema: 1,
        recorded_at: batch.recorded_at,
        actor: "局长".into(),
        causation: batch.causation,
        correlation: batch.correlation,
        idempotency_key: Some("请求-1".into()),
        request: Some(Uuid::from_u128(9)),
        batch: batch.id,
        place: 1,
        payload: "{\"约谈\":\"已举行\"}".into(),
    };
    assert_eq!(log.read_all(Position(start.0 + 1), 1).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(log.read_stream(&county, StreamVersion(1), 9).await.unwrap(), [second]);
}
