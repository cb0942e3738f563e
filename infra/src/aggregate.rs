//! The cqrs-es face of the event log: aggregates of that library load from it and commit to it.
//!
//! Event-store mode only. The library's snapshots apply every event twice, so none is offered and none is taken. The
//! caller's metadata becomes the envelope; there is no place for anything else, so other metadata is refused rather
//! than lost.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_es::Aggregate;
use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayFeed, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::codec;
use crate::event_log::{
    Batch, EventLog, Expected, LogError, NewEvent, Position, Recorded, StreamId, StreamVersion, StreamWrite,
};

pub mod face;

/// Metadata: id of the command, a UUID; the event ids follow from it. Required.
pub const COMMAND: &str = "command";
/// Metadata: who acted. Required.
pub const ACTOR: &str = "actor";
/// Metadata: when the act was done, RFC 3339. Required.
pub const RECORDED_AT: &str = "recorded_at";
/// Metadata: id of the event that is answered, a UUID.
pub const CAUSATION: &str = "causation";
/// Metadata: id of the act that the chain goes back to, a UUID.
pub const CORRELATION: &str = "correlation";
/// Metadata on reading: id of the event.
pub const EVENT: &str = "event";
/// Metadata on reading: place in the whole log.
pub const POSITION: &str = "position";

/// Events read at a time in a replay.
const PAGE_EVENTS: usize = 512;

/// A repository over an event log; the stream of an aggregate is `TYPE/aggregate_id`, and `TYPE` has no `/`.
#[derive(Clone)]
pub struct LogRepository {
    log: Arc<dyn EventLog>,
}

impl LogRepository {
    /// The repository over `log`.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }

    async fn events_after<A: Aggregate>(
        &self,
        aggregate_id: &str,
        after: StreamVersion,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let stream = StreamId::new(A::TYPE, aggregate_id);
        let events = self.log.read_stream(&stream, after, usize::MAX).await.map_err(failed)?;
        events.into_iter().map(serialized).collect()
    }
}

impl PersistedEventRepository for LogRepository {
    async fn get_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.events_after::<A>(aggregate_id, StreamVersion::default()).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.events_after::<A>(aggregate_id, version(last_sequence)).await
    }

    async fn get_snapshot<A: Aggregate>(&self, _: &str) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        Ok(None)
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        if snapshot_update.is_some() {
            return Err(refused("snapshots are not kept: use the event store mode"));
        }
        let Some(first) = events.first() else { return Ok(()) };
        self.log.append(batch(first, events)?).await.map(drop).map_err(failed)
    }

    async fn stream_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<ReplayStream, PersistenceError> {
        let (feed, replay) = ReplayStream::new(PAGE_EVENTS);
        let events = self.get_events::<A>(aggregate_id).await?;
        tokio::spawn(feed_events(feed, events));
        Ok(replay)
    }

    /// Events of all aggregates of the type in the order of the whole log, up to its head now.
    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        let (feed, replay) = ReplayStream::new(PAGE_EVENTS);
        let head = self.log.head().await.map_err(failed)?;
        tokio::spawn(feed_family(feed, Arc::clone(&self.log), A::TYPE, head));
        Ok(replay)
    }
}

async fn feed_events(mut feed: ReplayFeed, events: Vec<SerializedEvent>) {
    for event in events {
        if feed.push(Ok(event)).await.is_err() {
            return; // The reader went away.
        }
    }
}

/// An error is pushed as the last item: a replay that failed must not look like one that came to the end.
async fn feed_family(mut feed: ReplayFeed, log: Arc<dyn EventLog>, family: &'static str, head: Position) {
    let mut after = Position::default();
    while after < head {
        let page = log.read_all(after, PAGE_EVENTS).await.and_then(|page| match page.last() {
            Some(last) => Ok((last.position, page)),
            None => Err(LogError::Corrupt { what: format!("event {} is missing", after.0 + 1) }),
        });
        let (last, page) = match page {
            Ok(read) => read,
            Err(error) => return drop(feed.push(Err(failed(error))).await),
        };
        after = last;
        let wanted = page.into_iter().filter(|event| event.position <= head && event.stream.family() == family);
        for event in wanted.map(serialized) {
            let is_last = event.is_err();
            if feed.push(event).await.is_err() || is_last {
                return;
            }
        }
    }
}

/// The events of one commit as a batch; what they share is read from the first.
fn batch(first: &SerializedEvent, events: &[SerializedEvent]) -> Result<Batch, PersistenceError> {
    let mut metadata: HashMap<String, String> = serde_json::from_value(first.metadata.clone())?;
    let before = first.sequence.checked_sub(1).ok_or_else(|| refused("sequences start at 1"))?;
    let one_run = events.iter().zip(first.sequence..).all(|(event, sequence)| {
        event.sequence == sequence
            && event.aggregate_id == first.aggregate_id
            && event.aggregate_type == first.aggregate_type
            && event.metadata == first.metadata
    });
    if !one_run {
        return Err(refused("a commit is one run of events of one aggregate with the same metadata"));
    }
    let batch = Batch {
        id: required(&mut metadata, COMMAND)?,
        recorded_at: required(&mut metadata, RECORDED_AT)?,
        actor: required(&mut metadata, ACTOR)?,
        causation: optional(&mut metadata, CAUSATION)?,
        correlation: optional(&mut metadata, CORRELATION)?,
        idempotency: None,
        lease: None,
        writes: vec![StreamWrite {
            stream: StreamId::new(&first.aggregate_type, &first.aggregate_id),
            expected: Expected::Exactly(version(before)),
            events: events.iter().map(new_event).collect::<Result<_, _>>()?,
        }],
    };
    match metadata.keys().min() {
        None => Ok(batch),
        Some(key) => Err(refused(&format!("metadata `{key}` has no place in the log"))),
    }
}

fn new_event(event: &SerializedEvent) -> Result<NewEvent, PersistenceError> {
    let schema = event.event_version.parse().map_err(|_| {
        refused(&format!("version `{}` of {} is not a small whole number", event.event_version, event.event_type))
    })?;
    // A JSON value has its keys in another order than the codec writes them; what is stored is hashed as it stands.
    let payload = event.payload.to_string();
    let payload = codec::as_written(&event.event_type, &payload).unwrap_or(payload);
    Ok(NewEvent { kind: event.event_type.clone(), schema, payload })
}

fn required<T: std::str::FromStr>(
    metadata: &mut HashMap<String, String>,
    key: &'static str,
) -> Result<T, PersistenceError> {
    optional(metadata, key)?.ok_or_else(|| refused(&format!("metadata `{key}` is missing")))
}

fn optional<T: std::str::FromStr>(
    metadata: &mut HashMap<String, String>,
    key: &'static str,
) -> Result<Option<T>, PersistenceError> {
    let Some(value) = metadata.remove(key) else { return Ok(None) };
    let parsed = value.parse().map_err(|_| refused(&format!("metadata `{key}` cannot be read: `{value}`")))?;
    Ok(Some(parsed))
}

fn serialized(event: Recorded) -> Result<SerializedEvent, PersistenceError> {
    let mut metadata = json!({
        ACTOR: event.actor,
        RECORDED_AT: event.recorded_at.to_string(),
        EVENT: event.id.to_string(),
        POSITION: event.position.to_string(),
    });
    let mut put = |key: &str, id: Option<Uuid>| {
        if let Some(id) = id {
            metadata[key] = id.to_string().into();
        }
    };
    put(CAUSATION, event.causation);
    put(CORRELATION, event.correlation);
    Ok(SerializedEvent {
        aggregate_id: event.stream.key().to_owned(),
        sequence: usize::try_from(event.version.0).map_err(|error| PersistenceError::UnknownError(error.into()))?,
        aggregate_type: event.stream.family().to_owned(),
        event_type: event.kind,
        event_version: event.schema.to_string(),
        payload: serde_json::from_str(&event.payload)?,
        metadata,
    })
}

fn version(sequence: usize) -> StreamVersion {
    StreamVersion(u64::try_from(sequence).expect("a usize has at most 64 bits"))
}

fn refused(what: &str) -> PersistenceError {
    PersistenceError::UnknownError(what.into())
}

fn failed(error: LogError) -> PersistenceError {
    match error {
        LogError::Conflict { .. } => PersistenceError::OptimisticLockError,
        LogError::InUse { .. } | LogError::Unavailable { .. } => PersistenceError::ConnectionError(error.into()),
        LogError::Corrupt { .. } => PersistenceError::DeserializationError(error.into()),
        LogError::KeyReused { .. }
        | LogError::CheckpointMoved { .. }
        | LogError::Deposed { .. }
        | LogError::TooLarge { .. } => PersistenceError::UnknownError(error.into()),
    }
}

#[cfg(test)]
mod tests;
