//! The judgement on a batch that every store shares: bounds, repeated keys, conflicts and the places of its events.
//!
//! A store brings its head and its stream versions; that two stores refuse alike follows from their asking here.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Appended, BATCH_CONDITIONS_MAX, BATCH_EVENTS_MAX, Batch, EventRef, Expected, Idempotency, LogError, NAME_BYTES_MAX,
    PAYLOAD_BYTES_MAX, Position, Recorded, StreamId, StreamVersion, event_id,
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
    let conditions = batch.writes.iter().filter(|write| write.events.is_empty()).count();
    within("the number of conditions in the batch", conditions, BATCH_CONDITIONS_MAX)?;
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

/// A batch that was admitted and not yet taken: where its events will stand.
#[derive(Debug)]
pub(super) struct Judged {
    /// Version of each write's stream before the write, earlier members of the batch included.
    pub(super) before: Vec<StreamVersion>,
    /// The answer to its writer, once the events are recorded.
    pub(super) appended: Appended,
}

/// Judges the writes in order; `version_of` tells where a stream stands before the batch.
pub(super) fn judge(
    batch: &Batch,
    head: Position,
    mut version_of: impl FnMut(&StreamId) -> Result<StreamVersion, LogError>,
) -> Result<Judged, LogError> {
    let mut versions: HashMap<&StreamId, StreamVersion> = HashMap::new();
    let mut before = Vec::with_capacity(batch.writes.len());
    let mut events = 0;
    for write in &batch.writes {
        let current = match versions.get(&write.stream) {
            Some(version) => *version,
            None => version_of(&write.stream)?,
        };
        admit(&write.stream, write.expected, current)?;
        before.push(current);
        events += write.events.len();
        versions.insert(&write.stream, StreamVersion(current.0 + count(write.events.len())));
    }
    let last = Position(head.0 + count(events));
    let first = if events == 0 { head } else { Position(head.0 + 1) };
    Ok(Judged { before, appended: Appended { first, last, duplicate: false } })
}

impl Judged {
    /// The events of the judged batch in their places.
    pub(super) fn events<'b>(&self, batch: &'b Batch) -> impl Iterator<Item = EventRef<'b>> {
        let idempotency = batch.idempotency.as_ref();
        let writes = batch.writes.iter().zip(&self.before);
        let events = writes.flat_map(|(write, before)| {
            write.events.iter().zip(before.0 + 1..).map(move |(event, version)| (write, event, version))
        });
        events.zip(0_u32..).map(move |((write, event, version), place)| EventRef {
            position: Position(self.appended.first.0 + u64::from(place)),
            stream: write.stream.as_str(),
            version: StreamVersion(version),
            batch: batch.id,
            place,
            kind: &event.kind,
            schema: event.schema,
            recorded_at: batch.recorded_at,
            actor: &batch.actor,
            causation: batch.causation,
            correlation: batch.correlation,
            idempotency_key: idempotency.map(|asked| asked.key.as_str()),
            request: idempotency.map(|asked| asked.request),
            payload: &event.payload,
        })
    }

    /// What is to be kept of the key of the judged batch; nothing for a batch of conditions.
    pub(super) fn key(&self, batch: &Batch) -> Option<(String, KeyRecord)> {
        let Appended { first, last, .. } = self.appended;
        let has_events = batch.writes.iter().any(|write| !write.events.is_empty());
        let asked = batch.idempotency.as_ref().filter(|_| has_events)?;
        Some((asked.key.clone(), KeyRecord { request: asked.request, first, last }))
    }
}

/// Judges a batch and gives every event its places above `head`.
pub(super) fn place(
    batch: &Batch,
    head: Position,
    version_of: impl FnMut(&StreamId) -> Result<StreamVersion, LogError>,
) -> Result<Placed, LogError> {
    let judged = judge(batch, head, version_of)?;
    Ok(Placed {
        events: judged.events(batch).map(|event| event.to_recorded()).collect(),
        keys: judged.key(batch).into_iter().collect(),
        appended: judged.appended,
    })
}

/// Judges events of another log that are to be recorded as they are, above `head`; gives the keys they used.
pub(super) fn judge_recorded(
    events: &[Recorded],
    head: Position,
    mut version_of: impl FnMut(&StreamId) -> Result<StreamVersion, LogError>,
) -> Result<(Vec<(String, KeyRecord)>, Appended), LogError> {
    let mut versions: HashMap<&StreamId, StreamVersion> = HashMap::new();
    let mut keys: Vec<(String, KeyRecord)> = Vec::new();
    let mut last = head;
    let mut before: Option<&Recorded> = None;
    for event in events {
        check_recorded_bounds(event)?;
        let current = match versions.get(&event.stream) {
            Some(version) => *version,
            None => version_of(&event.stream)?,
        };
        let goes_on = before.is_some_and(|before| before.batch == event.batch && before.place + 1 == event.place);
        let follows = event.position.0 == last.0 + 1
            && event.version.0 == current.0 + 1
            && event.idempotency_key.is_some() == event.request.is_some()
            && (!goes_on || before.is_some_and(|before| same_envelope(before, event)));
        if !follows || !(goes_on || event.place == 0) || event.id != event_id(event.batch, event.place) {
            let what =
                format!("event {} of {} does not follow what is here up to {last}", event.position, event.stream);
            return Err(LogError::Corrupt { what });
        }
        (last, before) = (event.position, Some(event));
        versions.insert(&event.stream, event.version);
        match (&event.idempotency_key, event.request) {
            (Some(key), Some(request)) if !goes_on => {
                keys.push((key.clone(), KeyRecord { request, first: last, last }));
            }
            (Some(_), Some(_)) => keys.last_mut().expect("its batch began with the key").1.last = last,
            (Some(_) | None, _) => {}
        }
    }
    let first = if events.is_empty() { head } else { Position(head.0 + 1) };
    Ok((keys, Appended { first, last, duplicate: false }))
}

/// Whether two events of a batch say the same of it.
fn same_envelope(one: &Recorded, other: &Recorded) -> bool {
    let of = |event: &Recorded| (event.recorded_at, event.request, event.causation, event.correlation);
    of(one) == of(other) && one.actor == other.actor && one.idempotency_key == other.idempotency_key
}

/// Takes events of another log that are to be recorded as they are, above `head`.
pub(super) fn place_recorded(
    events: Vec<Recorded>,
    head: Position,
    version_of: impl FnMut(&StreamId) -> Result<StreamVersion, LogError>,
) -> Result<Placed, LogError> {
    let (keys, appended) = judge_recorded(&events, head, version_of)?;
    Ok(Placed { events, keys, appended })
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

/// A number of events as a distance between positions.
fn count(events: usize) -> u64 {
    u64::try_from(events).expect("a batch is bounded far below 2^64 events")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::StreamWrite;

    #[test]
    fn conditions_above_the_bound_are_refused() {
        let condition = StreamWrite { stream: StreamId(String::new()), expected: Expected::Any, events: vec![] };
        let mut batch = Batch {
            id: Uuid::nil(),
            recorded_at: jiff::Timestamp::UNIX_EPOCH,
            actor: String::new(),
            causation: None,
            correlation: None,
            idempotency: None,
            lease: None,
            writes: vec![condition; BATCH_CONDITIONS_MAX + 1],
        };
        let refused = check_bounds(&batch);
        assert!(matches!(refused, Err(LogError::TooLarge { limit: BATCH_CONDITIONS_MAX, .. })), "{refused:?}");
        batch.writes.pop();
        check_bounds(&batch).unwrap();
    }
}
