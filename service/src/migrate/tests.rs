//! Moves between logs in memory: all of it, the rest of it, and what is refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Batch, Expected, NewEvent, StreamId, StreamWrite};
use uuid::Uuid;

use super::*;
use crate::store::Place;

/// A log with `batches` batches, the first of which has `large` events.
async fn log(batches: u128, large: usize, payload: &str) -> MemoryLog {
    let log = MemoryLog::new();
    for number in 0..batches {
        let count = if number == 0 { large } else { 3 };
        let event = NewEvent { kind: "test.moved".into(), schema: 1, payload: payload.into() };
        let stream = StreamId::new("test", number % 5);
        let batch = Batch {
            id: Uuid::from_u128(number),
            recorded_at: "2026-03-05T08:30:00Z".parse().expect("an instant"),
            actor: "bureau".into(),
            causation: None,
            correlation: None,
            idempotency: None,
            lease: None,
            writes: vec![StreamWrite { stream, expected: Expected::Any, events: vec![event; count] }],
        };
        log.append(batch).await.expect("it is taken");
    }
    log
}

async fn migrate(from: &MemoryLog, to: &MemoryLog) -> Result<Moved, OfficeError> {
    Move::between(from, to).await?.carry_out(&|_| ()).await
}

async fn all(log: &MemoryLog) -> Vec<Recorded> {
    log.read_all(Position(0), usize::MAX).await.expect("it is read")
}

#[tokio::test]
async fn every_event_is_moved_as_it_is_and_a_second_move_changes_nothing() {
    let (from, to) = (log(2_000, STEP_EVENTS + 1, "{}").await, MemoryLog::new());
    let moved = migrate(&from, &to).await.expect("it is moved");
    assert_eq!((moved.found, moved.events), (Position(0), Position(7_998)));
    assert_eq!(moved.source_sha256, moved.target_sha256);
    assert_eq!(all(&to).await, all(&from).await);
    let again = migrate(&from, &to).await.expect("there is nothing to do");
    assert_eq!((again.found, again.events, again.target_sha256), (moved.events, moved.events, moved.target_sha256));
}

#[tokio::test]
async fn a_step_ends_with_a_batch() {
    let from = log(2_000, 1, "{}").await;
    let step = next_step(&from, Position(0), Position(5_998)).await.expect("it is read");
    assert_eq!(step.len(), 2_002, "1 and 667 times 3");
    let large = log(4, 1, &"x".repeat(STEP_BYTES / 4)).await;
    let step = next_step(&large, Position(0), Position(10)).await.expect("it is read");
    assert_eq!(step.len(), 4, "1 and 3 fill a step");
}

#[tokio::test]
async fn a_move_that_was_stopped_is_taken_up() {
    let (from, to) = (log(2_000, 1, "{}").await, MemoryLog::new());
    to.take_over(next_step(&from, Position(0), Position(5_998)).await.expect("it is read")).await.expect("it follows");
    let moved = migrate(&from, &to).await.expect("it is moved");
    assert_eq!((moved.found, moved.events), (Position(2_002), Position(5_998)));
    assert_eq!(all(&to).await, all(&from).await);
}

#[tokio::test]
async fn a_target_with_another_log_is_refused() {
    let from = log(5, 1, "{}").await;
    for other in [log(3, 1, "{ }").await, log(6, 1, "{}").await] {
        let before = all(&other).await;
        let refused = migrate(&from, &other).await.expect_err("it is refused").to_string();
        assert!(refused.starts_with("the target holds another log ("), "{refused}");
        assert_eq!(all(&other).await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_marked_from_the_first_step_to_the_end() {
    let from = log(2_000, 1, "{}").await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = Place::Sled(dir.path().join("store"));
    let (mark, steps) = (dir.path().join("store/unfinished"), AtomicUsize::new(0));
    let progress = |_| {
        assert!(mark.exists());
        steps.fetch_add(1, Ordering::Relaxed);
    };
    let target = Unfinished::to_move(&place).await.expect("it is made");
    super::migrate(&from, target, &progress).await.expect("it is moved");
    assert!(steps.into_inner() > 1 && !mark.exists());
    let target = Unfinished::to_move(&place).await.expect("it is there");
    super::migrate(&from, target, &|_| ()).await.expect("there is nothing to do");
    place.open().await.expect("it is whole");
}
