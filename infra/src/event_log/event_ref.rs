//! A recorded event on loan from the store: the same facts as [`Recorded`], nothing copied.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Position, Recorded, StreamId, StreamVersion, event_id, key_of};

/// A recorded event whose texts belong to the store; it lives as long as the call that lends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Place in the log.
    pub position: Position,
    /// Name of the stream.
    pub stream: &'a str,
    /// Place in the stream.
    pub version: StreamVersion,
    /// Id of the batch it was recorded in.
    pub batch: Uuid,
    /// Its place in that batch, from 0.
    pub place: u32,
    /// Stable type name.
    pub kind: &'a str,
    /// Schema version of the payload.
    pub schema: u16,
    /// When the act was done.
    pub recorded_at: Timestamp,
    /// Who acted.
    pub actor: &'a str,
    /// The event that this one answers.
    pub causation: Option<Uuid>,
    /// The act that the chain goes back to.
    pub correlation: Option<Uuid>,
    /// The request's idempotency key.
    pub idempotency_key: Option<&'a str>,
    /// Digest of the request under its idempotency key.
    pub request: Option<Uuid>,
    /// Payload JSON exactly as recorded.
    pub payload: &'a str,
}

impl EventRef<'_> {
    /// The event's id, derived from its batch and its place there.
    pub fn id(&self) -> Uuid {
        event_id(self.batch, self.place)
    }

    /// The part of the stream's name after the first `/`; empty when there is none.
    pub fn key(&self) -> &str {
        key_of(self.stream)
    }

    /// The event as a value of its own.
    pub fn to_recorded(&self) -> Recorded {
        Recorded {
            position: self.position,
            stream: StreamId(self.stream.to_owned()),
            version: self.version,
            id: self.id(),
            kind: self.kind.to_owned(),
            schema: self.schema,
            recorded_at: self.recorded_at,
            actor: self.actor.to_owned(),
            causation: self.causation,
            correlation: self.correlation,
            idempotency_key: self.idempotency_key.map(str::to_owned),
            request: self.request,
            batch: self.batch,
            place: self.place,
            payload: self.payload.to_owned(),
        }
    }
}

impl<'a> From<&'a Recorded> for EventRef<'a> {
    fn from(event: &'a Recorded) -> Self {
        Self {
            position: event.position,
            stream: event.stream.as_str(),
            version: event.version,
            batch: event.batch,
            place: event.place,
            kind: &event.kind,
            schema: event.schema,
            recorded_at: event.recorded_at,
            actor: &event.actor,
            causation: event.causation,
            correlation: event.correlation,
            idempotency_key: event.idempotency_key.as_deref(),
            request: event.request,
            payload: &event.payload,
        }
    }
}
