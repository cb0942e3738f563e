//! The codec: events to stored payloads and back.
//!
//! A stored type is `family.name`, for example `county.interview_held`; the payload is the JSON object
//! `{"interview_held": {…}}`, kept exactly as written. Old schema versions are brought up to date on reading, by a step
//! a version, and are never rewritten in the log.

use bishui_domain::event::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event_log::{NewEvent, Recorded};

/// The schema version that is written.
pub const SCHEMA: u16 = 1;

/// A stored event that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer program: use that one.
    #[error("event {position} of type {kind} has schema {schema}; this program reads up to {SCHEMA}")]
    Newer {
        /// Where it stands.
        position: u64,
        /// Its type.
        kind: String,
        /// Its schema version.
        schema: u16,
    },
    /// Not an event of this service, or damaged: run `bishui doctor`.
    #[error("event {position} of type {kind} cannot be read")]
    Unreadable {
        /// Where it stands.
        position: u64,
        /// Its type.
        kind: String,
        /// Why, where the family is known.
        #[source]
        source: Option<serde_json::Error>,
    },
}

/// The stored form of an event.
pub fn encode(event: &Event) -> NewEvent {
    let payload = match event {
        Event::Plan(event) => json(event),
        Event::Readings(event) => json(event),
        Event::Section(event) => json(event),
        Event::Round(event) => json(event),
        Event::County(event) => json(event),
        Event::Compensation(event) => json(event),
        Event::Settlement(event) => json(event),
        Event::Notice(event) => json(event),
        Event::Numbering(event) => json(event),
        Event::Mail(event) => json(event),
    };
    // `{"name":…`: the externally tagged form starts with the variant's name.
    let name = payload.split('"').nth(1).unwrap_or_default();
    NewEvent { kind: format!("{}.{name}", event.family()), schema: SCHEMA, payload }
}

fn json<T: Serialize>(event: &T) -> String {
    serde_json::to_string(event).expect("events hold only strings, numbers, lists and maps with text keys")
}

/// The event that was stored.
///
/// # Errors
/// A newer schema, an unknown family, or a payload that is not the family's.
pub fn decode(recorded: &Recorded) -> Result<Event, CodecError> {
    let position = recorded.position.0;
    if recorded.schema > SCHEMA {
        return Err(CodecError::Newer { position, kind: recorded.kind.clone(), schema: recorded.schema });
    }
    match read(&recorded.kind, &recorded.payload) {
        Some(Ok(event)) => Ok(event),
        Some(Err(source)) => {
            Err(CodecError::Unreadable { position, kind: recorded.kind.clone(), source: Some(source) })
        }
        None => Err(CodecError::Unreadable { position, kind: recorded.kind.clone(), source: None }),
    }
}

/// The payload as [`encode`] writes it, of an event that was written by other means; none of an event of others.
pub(crate) fn as_written(kind: &str, payload: &str) -> Option<String> {
    Some(encode(&read(kind, payload)?.ok()?).payload)
}

/// The event of a payload; none where the family is unknown.
fn read(kind: &str, payload: &str) -> Option<Result<Event, serde_json::Error>> {
    Some(match kind.split('.').next().unwrap_or_default() {
        "plan" => from_json(payload).map(Event::Plan),
        "readings" => from_json(payload).map(Event::Readings),
        "section" => from_json(payload).map(Event::Section),
        "round" => from_json(payload).map(Event::Round),
        "county" => from_json(payload).map(Event::County),
        "compensation" => from_json(payload).map(Event::Compensation),
        "settlement" => from_json(payload).map(Event::Settlement),
        "notice" => from_json(payload).map(Event::Notice),
        "numbering" => from_json(payload).map(Event::Numbering),
        "mail" => from_json(payload).map(Event::Mail),
        _ => return None,
    })
}

fn from_json<T: DeserializeOwned>(payload: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(payload)
}
