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
    /// The answer to a request that comes with this known key.
    pub(super) fn answer(self, asked: &Idempotency) -> Result<Appended, LogError> {
        if self.request == asked.request {
            Ok(Appended { first: self.first, last: self.last, duplicate: true })
        } else {
            Err(LogError::KeyReused { key: asked.key.clone() })
        }
    }
}

/// What was admitted, with its places.
#[derive(Debug)]
pub(super) struct Placed {
    /// Its events in order; empty for a batch of conditions.
    pub(super) events: Vec<Recorded>,
    /// New version of each stream that it touched.
    pub(super) versions: HashMap<StreamId, StreamVersion>,
    /// The idempotency keys it used; none for a batch of conditions, which leaves nothing.
    pub(super) keys: Vec<(String, KeyRecord)>,
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

/// Refuses the name of a lease that breaks a bound of the log.
pub(super) fn check_work(work: &str) -> Result<(), LogError> {
    within("the lease's name", work.len(), NAME_BYTES_MAX)
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
    let asked = batch.idempotency.take().filter(|_| !events.is_empty());
    let keys = asked.map(|asked| (asked.key, KeyRecord { request: asked.request, first, last }));
    let appended = Appended { first, last, duplicate: false };
    Ok(Placed { events, versions, keys: keys.into_iter().collect(), appended })
}

/// Judges events of another log that are to be recorded as they are, above `head`.
pub(super) fn place_recorded(
    events: Vec<Recorded>,
    head: Position,
    mut version_of: impl FnMut(&StreamId) -> Result<StreamVersion, LogError>,
) -> Result<Placed, LogError> {
    let mut versions: HashMap<StreamId, StreamVersion> = HashMap::new();
    let mut keys: Vec<(String, KeyRecord)> = Vec::new();
    let mut last = head;
    let mut before: Option<&Recorded> = None;
    for event in &events {
        check_recorded_bounds(event)?;
        let current = match versions.get(&event.stream) {
            Some(version) => *version,
            None => version_of(&event.stream)?,
        };
        let goes_on = before.is_some_and(|before| before.batch == event.batch && before.place + 1 == event.place);
        let follows = event.position.0 == last.0 + 1 && event.version.0 == current.0 + 1;
        if !follows || !(goes_on || event.place == 0) || event.id != event_id(event.batch, event.place) {
            let what =
                format!("event {} of {} does not follow what is here up to {last}", event.position, event.stream);
            return Err(LogError::Corrupt { what });
        }
        (last, before) = (event.position, Some(event));
        versions.insert(event.stream.clone(), event.version);
        match (&event.idempotency_key, event.request) {
            (Some(key), Some(request)) if !goes_on => {
                keys.push((key.clone(), KeyRecord { request, first: last, last }));
            }
            (Some(_), Some(_)) => keys.last_mut().expect("its batch began with the key").1.last = last,
            (Some(_) | None, _) => {}
        }
    }
    let first = if events.is_empty() { head } else { Position(head.0 + 1) };
    Ok(Placed { events, versions, keys, appended: Appended { first, last, duplicate: false } })
}

fn check_recorded_bounds(event: &Recorded) -> Result<(), LogError> {
    within("the actor", event.actor.len(), NAME_BYTES_MAX)?;
    within("the idempotency key", event.idempotency_key.as_ref().map_or(0, String::len), NAME_BYTES_MAX)?;
    within("the stream name", event.stream.as_str().len(), NAME_BYTES_MAX)?;
    within("the event type", event.kind.len(), NAME_BYTES_MAX)?;
    within("the payload", event.payload.len(), PAYLOAD_BYTES_MAX)
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
    let request = batch.idempotency.as_ref().map(|idempotency| idempotency.request);
    let mut events = Vec::with_capacity(batch.writes.iter().map(|write| write.events.len()).sum());
    for write in &mut batch.writes {
        let version = next.get_mut(&write.stream).expect("every stream of the batch was judged");
        for event in write.events.drain(..) {
            version.0 += 1;
            let place = u32::try_from(events.len()).expect("a batch is bounded far below 2^32 events");
            events.push(Recorded {
                position: Position(head.0 + u64::from(place) + 1),
                stream: write.stream.clone(),
                version: *version,
                id: event_id(batch.id, place),
                kind: event.kind,
                schema: event.schema,
                recorded_at: batch.recorded_at,
                actor: batch.actor.clone(),
                causation: batch.causation,
                correlation: batch.correlation,
                idempotency_key: idempotency_key.clone(),
                request,
                batch: batch.id,
                place,
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
