//! The event log: what every store must promise, and the types that cross it.
//!
//! Positions are dense from 1 in commit order over the whole log; versions are dense from 1 within a stream. A batch
//! over several streams is recorded whole or not at all, and an acknowledged batch is never lost.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

mod admission;
mod event_ref;
pub mod leaf;
mod lease;
pub mod memory;
pub mod overlay;
pub mod postgres;
pub mod sled;
mod table;

pub use event_ref::EventRef;
pub use lease::Lease;

/// Most bytes in one payload.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Most events in one batch.
pub const BATCH_EVENTS_MAX: usize = 500_000;
/// Most streams that one batch rests on without writing to them.
pub const BATCH_CONDITIONS_MAX: usize = 4_000_000;
/// Most bytes in a stream name, an event type, an actor or an idempotency key.
pub const NAME_BYTES_MAX: usize = 512;

/// Place of an event in the whole log, from 1; 0 is the place before the first event.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// Place of an event in its stream, from 1; 0 is the version of a stream without events.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamVersion(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for StreamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a stream: the family, `/`, and what it is about, for example `county/gaotang`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(String);

impl StreamId {
    /// The stream of `family` about `key`.
    pub fn new(family: &str, key: impl fmt::Display) -> Self {
        Self(format!("{family}/{key}"))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `/`.
    pub fn family(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// The part after the first `/`; empty when there is none.
    pub fn key(&self) -> &str {
        key_of(&self.0)
    }
}

fn key_of(stream: &str) -> &str {
    stream.split_once('/').map_or("", |(_, key)| key)
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a writer requires of a stream's version before its events are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any version.
    Any,
    /// Exactly this version; `StreamVersion(0)` for a stream that must not exist yet.
    Exactly(StreamVersion),
}

impl Expected {
    /// Whether a stream at `current` satisfies the requirement.
    pub fn admits(self, current: StreamVersion) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(version) => version == current,
        }
    }
}

/// An event to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Stable type name, for example `county.interview_held`.
    pub kind: String,
    /// Schema version of the payload, from 1.
    pub schema: u16,
    /// Payload JSON, kept exactly as given.
    pub payload: String,
}

/// Events for one stream, and the version it must have. Without events it is a condition only: the stream was read
/// for the decision and must not have moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamWrite {
    /// The stream.
    pub stream: StreamId,
    /// The version it must have, earlier members of the same batch included.
    pub expected: Expected,
    /// The events, in order.
    pub events: Vec<NewEvent>,
}

/// Key by which a repeated request is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// Digest of the request: the same key with another digest is an error.
    pub request: Uuid,
}

/// Events over one or several streams, recorded whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Id of the command or process step; event ids are derived from it and the place in the batch.
    pub id: Uuid,
    /// When the act was done.
    pub recorded_at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// The event that this batch answers; the last of them where it answers several.
    pub causation: Option<Uuid>,
    /// The act that everything in the chain goes back to.
    pub correlation: Option<Uuid>,
    /// Key by which a repetition is recognised.
    pub idempotency: Option<Idempotency>,
    /// The term under which background work appends; none for acts of people.
    pub lease: Option<Lease>,
    /// Writes and conditions, in order.
    pub writes: Vec<StreamWrite>,
}

/// A recorded event with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Place in the log.
    pub position: Position,
    /// The stream.
    pub stream: StreamId,
    /// Place in the stream.
    pub version: StreamVersion,
    /// Event id, version 5 of the batch id and the place in the batch.
    pub id: Uuid,
    /// Stable type name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Schema version of the payload.
    pub schema: u16,
    /// When the act was done.
    pub recorded_at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// The event that its batch answers; the last of them where that answers several.
    pub causation: Option<Uuid>,
    /// The act that the chain goes back to.
    pub correlation: Option<Uuid>,
    /// The request's idempotency key.
    pub idempotency_key: Option<String>,
    /// Digest of the request under its idempotency key.
    pub request: Option<Uuid>,
    /// Id of the batch it was recorded in.
    pub batch: Uuid,
    /// Its place in that batch, from 0.
    pub place: u32,
    /// Payload JSON exactly as recorded.
    pub payload: String,
}

/// Where a batch stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// Position of its first event; for a batch of conditions only, the head.
    pub first: Position,
    /// Position of its last event.
    pub last: Position,
    /// True when the idempotency key was known: nothing was recorded now.
    pub duplicate: bool,
}

/// Why a log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another writer was first: load again and decide again.
    #[error("stream {stream} is at version {actual}, not at the expected {expected}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version the writer had read.
        expected: StreamVersion,
        /// The version it has.
        actual: StreamVersion,
    },
    /// The key was used for another request: choose a new key.
    #[error("idempotency key `{key}` was used for a different request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// A consumer's checkpoint is not where the caller left it: another owner moved it.
    #[error("checkpoint of {consumer} is at {actual}, not at {expected}")]
    CheckpointMoved {
        /// The consumer.
        consumer: String,
        /// Where the caller believed it to be.
        expected: Position,
        /// Where it is.
        actual: Position,
    },
    /// Another node holds the work now: stop it here.
    #[error("the lease of {work} has passed from term {term} to another holder")]
    Deposed {
        /// The work.
        work: String,
        /// The caller's term.
        term: u64,
    },
    /// The batch breaks a bound of the log: split it.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Another process has the store open: use the running service, or stop it.
    #[error("the store at {path} is in use by another process")]
    InUse {
        /// The store's directory.
        path: String,
    },
    /// The store is not reachable or could not write: nothing was acknowledged; stop and look at the cause.
    #[error("the store cannot be used: {what}")]
    Unavailable {
        /// What was being done.
        what: String,
        /// The cause, where there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What is stored is not what was recorded: run `bishui doctor`.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
}

/// What is done with each event of a replay; a break ends it.
pub type Visitor<'a> = dyn FnMut(EventRef<'_>) -> ControlFlow<()> + Send + 'a;

/// An append-only log of events.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Records a batch durably and whole, or refuses it. Bounds are judged first, then the idempotency key, then
    /// its lease, then conflicts in the order of the writes, earlier members of the same batch included. A known
    /// idempotency key answers with the places it was recorded at. A batch without events is judged and leaves nothing, its key
    /// neither. A caller that stops waiting does not withdraw its batch.
    async fn append(&self, batch: Batch) -> Result<Appended, LogError>;

    /// Where the request with this key was recorded; none when the key is not known.
    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError>;

    /// The version of `stream`; 0 while it has no event.
    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError>;

    /// Events of `stream` with a version above `after`, in order, at most `limit`.
    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError>;

    /// Events of the whole log with a position above `after`, in order, at most `limit`.
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError>;

    /// Lends the events with a position above `after` and up to `until`, in order, to `visit` until it breaks; ends at
    /// the head when `until` is above it. For passes over the whole log: nothing is copied where the store can lend.
    async fn replay(&self, after: Position, until: Position, visit: &mut Visitor<'_>) -> Result<(), LogError> {
        const PAGE: usize = 1_000;
        let mut after = after;
        while after < until {
            let page = self.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.position;
            for event in page.iter().take_while(|event| event.position <= until) {
                if visit(EventRef::from(event)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Records events of another log exactly as they are: to restore a log, or to move it to another store. They must
    /// follow the head without a gap, begin with the first event of a batch, and agree with the versions here. All of
    /// them are recorded in one step.
    ///
    /// # Errors
    /// `Corrupt` where they do not follow, and the failures of an append.
    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError>;

    /// Position of the newest acknowledged event.
    async fn head(&self) -> Result<Position, LogError>;

    /// A receiver that wakes when the head has moved. It is a wake-up only: read by position afterwards.
    fn watch(&self) -> watch::Receiver<Position>;

    /// Checkpoint of `consumer`: the last position it is done with; 0 for a consumer that never stored one.
    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError>;

    /// Moves the checkpoint of `consumer` durably from `expected` to `to`, refused when it is elsewhere. It may move
    /// back: a consumer that starts over reads again from there.
    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError>;

    /// Takes the lease of `work` for `holder`, or renews it, for `time` from now; none while another holder's time runs.
    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError>;

    /// Ends the time of a lease at once, so that another holder need not wait; nothing when its term is over.
    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError>;
}

/// Event id of the event at `place` of batch `batch`, counted over all its writes from 0.
pub fn event_id(batch: Uuid, place: u32) -> Uuid {
    Uuid::new_v5(&batch, place.to_string().as_bytes())
}
