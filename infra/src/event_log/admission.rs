//! The judgement on a batch that every store shares: bounds, repeated keys, conflicts and the places of its events.
//!
//! A store brings its head and its stream versions; that two stores refuse alike follows from their asking here.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Appended, BATCH_EVENTS_MAX, Batch, Expected, Idempotency, LogError, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Position,
    Recorded, StreamId, StreamVersion, event_id,
};

/// What a store keeps of an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyRecord {
    /// Digest of the request that used the key.
    pub(super) request: Uuid,
    /// Position of its first event, or the head then when it had none.
    pub(super) first: Position,
    /// Position of its last event, or the head then when it had none.
    pub(super) last: Position,
}

impl KeyRecord {
    /// The record of `asked`, whose batch now stands at `appended`.
    pub(super) fn of(asked: &Idempotency, appended: Appended) -> Self {
        Self { request: asked.request, first: appended.first, last: appended.last }
    }

    /// The answer to a request that comes with this known key.
    pub(super) fn answer(self, asked: &Idempotency) -> Result<Appended, LogError> {
        if self.request == asked.request {
            Ok(Appended { first: self.first, last: self.last, duplicate: true })
        } else {
            Err(LogError::KeyReused { key: asked.key.clone() })
        }
    }
}

/// A batch that was admitted, with its places.
#[derive(Debug)]
pub(super) struct Placed {
    /// Its events in order; empty for a batch of conditions.
    pub(super) events: Vec<Recorded>,
    /// New version of each stream that it touched.
    pub(super) versions: HashMap<StreamId, StreamVersion>,
    /// The answer to its writer.
    pub(super) appended: Appended,
}

/// Refuses a batch that breaks a bound of the log.
pub(super) fn check_bounds(batch: &Batch) -> Result<(), LogError> {
    within("the actor", batch.actor.len(), NAME_BYTES_MAX)?;
    if let Some(idempotency) = &batch.idempotency {
        within("the idempotency key", idempotency.key.len(), NAME_BYTES_MAX)?;
    }
    within("the number of writes in the batch", batch.writes.len(), BATCH_EVENTS_MAX)?;
    within("the number of events in the batch", batch.writes.iter().map(|w| w.events.len()).sum(), BATCH_EVENTS_MAX)?;
    for write in &batch.writes {
        within("the stream name", write.stream.as_str().len(), NAME_BYTES_MAX)?;
        for event in &write.events {
            within("the event type", event.kind.len(), NAME_BYTES_MAX)?;
            within("the payload", event.payload.len(), PAYLOAD_BYTES_MAX)?;
        }
    }
    Ok(())
}

/// Refuses the name of a consumer that breaks a bound of the log.
pub(super) fn check_consumer(consumer: &str) -> Result<(), LogError> {
    within("the consumer's name", consumer.len(), NAME_BYTES_MAX)
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), LogError> {
    if size <= limit { Ok(()) } else { Err(LogError::TooLarge { what, limit }) }
}

/// Judges the writes in order and gives every event its places above `head`; `version_of` tells where a stream
/// stands before the batch.
pub(super) fn place(
    batch: &mut Batch,
    head: Position,
    mut version_of: impl FnMut(&StreamId) -> Result<StreamVersion, LogError>,
) -> Result<Placed, LogError> {
    let mut versions = HashMap::new();
    // All conditions are judged before the first event is taken from the batch: a refusal leaves it as it was.
    for write in &batch.writes {
        let current = match versions.get(&write.stream) {
            Some(version) => *version,
            None => version_of(&write.stream)?,
        };
        admit(&write.stream, write.expected, current)?;
        versions.insert(write.stream.clone(), StreamVersion(current.0 + count(write.events.len())));
    }
    let events = take_events(batch, head, &versions);
    let last = Position(head.0 + count(events.len()));
    let first = if events.is_empty() { head } else { Position(head.0 + 1) };
    Ok(Placed { events, versions, appended: Appended { first, last, duplicate: false } })
}

fn admit(stream: &StreamId, expected: Expected, current: StreamVersion) -> Result<(), LogError> {
    match expected {
        Expected::Exactly(version) if !expected.admits(current) => {
            Err(LogError::Conflict { stream: stream.clone(), expected: version, actual: current })
        }
        Expected::Any | Expected::Exactly(_) => Ok(()),
    }
}

/// The batch's events with their places, counted back from the versions the streams will have.
fn take_events(batch: &mut Batch, head: Position, versions: &HashMap<StreamId, StreamVersion>) -> Vec<Recorded> {
    let mut next = versions.clone();
    for write in &batch.writes {
        let version = next.get_mut(&write.stream).expect("every stream of the batch was judged");
        version.0 -= count(write.events.len());
    }
    let idempotency_key = batch.idempotency.as_ref().map(|idempotency| idempotency.key.clone());
    let mut events = Vec::with_capacity(batch.writes.iter().map(|write| write.events.len()).sum());
    for write in &mut batch.writes {
        let version = next.get_mut(&write.stream).expect("every stream of the batch was judged");
        for event in write.events.drain(..) {
            version.0 += 1;
            let index = events.len();
            events.push(Recorded {
                position: Position(head.0 + count(index) + 1),
                stream: write.stream.clone(),
                version: *version,
                id: event_id(batch.id, index),
                kind: event.kind,
                schema: event.schema,
                recorded_at: batch.recorded_at,
                actor: batch.actor.clone(),
                causation: batch.causation,
                correlation: batch.correlation,
                idempotency_key: idempotency_key.clone(),
                payload: event.payload,
            });
        }
    }
    events
}

/// A number of events as a distance between positions.
fn count(events: usize) -> u64 {
    u64::try_from(events).expect("a batch is bounded far below 2^64 events")
}
