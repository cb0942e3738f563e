//! Short constructors of batches for the suite.

use bishui_infra::event_log::{Batch, EventLog, Expected, Idempotency, NewEvent, StreamId, StreamVersion, StreamWrite};
use uuid::Uuid;

/// A batch without writes, with an id made of `number`.
pub(crate) fn batch(number: u128) -> Batch {
    Batch {
        id: Uuid::from_u128(number),
        recorded_at: "2026-03-05T08:30:00.000000001Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: Vec::new(),
    }
}

/// A stream of the suite.
pub(crate) fn stream(key: &str) -> StreamId {
    StreamId::new("county", key)
}

/// An event with `payload`.
pub(crate) fn event(payload: impl Into<String>) -> NewEvent {
    NewEvent { kind: "county.interview_held".into(), schema: 1, payload: payload.into() }
}

/// Exactly this version.
pub(crate) fn at(version: u64) -> Expected {
    Expected::Exactly(StreamVersion(version))
}

/// `count` events for `stream`, which must be as `expected`.
pub(crate) fn write(stream: &StreamId, expected: Expected, count: usize) -> StreamWrite {
    let events = (1..=count).map(|index| event(format!("{{\"n\":{index}}}"))).collect();
    StreamWrite { stream: stream.clone(), expected, events }
}

/// Batch `number` with these writes.
pub(crate) fn writes(number: u128, writes: impl Into<Vec<StreamWrite>>) -> Batch {
    Batch { writes: writes.into(), ..batch(number) }
}

/// `batch` with idempotency key `key` for request `request`.
pub(crate) fn keyed(batch: Batch, key: &str, request: u128) -> Batch {
    Batch { idempotency: Some(Idempotency { key: key.into(), request: Uuid::from_u128(request) }), ..batch }
}

/// The positions above `after`.
pub(crate) async fn positions(log: &dyn EventLog, after: u64) -> Vec<u64> {
    let events = log.read_all(bishui_infra::event_log::Position(after), usize::MAX).await.unwrap();
    events.iter().map(|event| event.position.0).collect()
}

/// The versions of `stream`.
pub(crate) async fn versions(log: &dyn EventLog, stream: &StreamId) -> Vec<u64> {
    let events = log.read_stream(stream, StreamVersion(0), usize::MAX).await.unwrap();
    events.iter().map(|event| event.version.0).collect()
}
