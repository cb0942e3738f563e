//! The codec: events to stored payloads and back.
//!
//! A stored type is `family.name`, for example `county.interview_held`; the payload is the JSON object
//! `{"interview_held": {…}}`, kept exactly as written. Old schema versions are brought up to date on reading, by a step
//! a version, and are never rewritten in the log.

use std::borrow::Cow;

use bishui_domain::attachment::Attachment;
use bishui_domain::event::Event;
use bishui_domain::notice::NoticeEvent;
use bishui_domain::parts::InParts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event_log::{EventRef, NewEvent, Position, Recorded};

/// The type of a report, which names its attachments since version 2.
const REPORT_RECEIVED: &str = "notice.report_received";
/// The types that may be divided since version 2; version 1 is the form of an event that is not.
const DIVIDED: [&str; 11] = [
    "plan.plan_adopted",
    "plan.plan_amended",
    "county.warning_notice_raised",
    "county.warning_notice_supplemented",
    "county.interview_required",
    "county.interview_grounds_changed",
    "compensation.charged",
    "compensation.charge_reversed",
    "settlement.settlement_made",
    "notice.notice_drafted",
    "mail.mail_queued",
];

/// A stored event that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer program: use that one.
    #[error("event {position} of type {kind} has schema {schema}; this program reads up to {newest}", newest = schema_of(kind))]
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

impl CodecError {
    /// An event that is none of its family's, or not where it can be.
    pub fn unreadable(recorded: &Recorded) -> Self {
        Self::Unreadable { position: recorded.position.0, kind: recorded.kind.clone(), source: None }
    }
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
        Event::Consumer(event) => json(event),
    };
    // `{"name":…`: the externally tagged form starts with the variant's name.
    let name = payload.split('"').nth(1).unwrap_or_default();
    let kind = format!("{}.{name}", event.family());
    NewEvent { schema: written_schema(event, &kind), kind, payload }
}

/// The newest schema version of a type.
pub fn schema_of(kind: &str) -> u16 {
    if kind == REPORT_RECEIVED || DIVIDED.contains(&kind) { 2 } else { 1 }
}

/// The schema version that an event is written with. A program that knows only version 1 would take a divided event for
/// whole, and reads the others as they always were.
fn written_schema(event: &Event, kind: &str) -> u16 {
    if DIVIDED.contains(&kind) && event.parts() == 0 { 1 } else { schema_of(kind) }
}

fn json<T: Serialize>(event: &T) -> String {
    let mut json =
        serde_json::to_string(event).expect("events hold only strings, numbers, lists and maps with text keys");
    // A round of many sections waits as a whole for its batch.
    json.shrink_to_fit();
    json
}

/// The event that was stored.
///
/// # Errors
/// A newer schema, an unknown family, or a payload that is not the family's.
pub fn decode<'e>(recorded: impl Into<EventRef<'e>>) -> Result<Event, CodecError> {
    let EventRef { position: Position(position), kind, schema, payload, .. } = recorded.into();
    if schema > schema_of(kind) {
        return Err(CodecError::Newer { position, kind: kind.to_owned(), schema });
    }
    let unreadable = |source| CodecError::Unreadable { position, kind: kind.to_owned(), source };
    let payload = upcast(kind, schema, payload).map_err(|source| unreadable(Some(source)))?;
    match read(kind, &payload) {
        Some(event) => event.map_err(|source| unreadable(Some(source))),
        None => Err(unreadable(None)),
    }
}

/// The attachments that a stored event names; none where its type never does.
///
/// # Errors
/// As [`decode`].
pub fn attachments(event: &EventRef<'_>) -> Result<Vec<Attachment>, CodecError> {
    if event.kind != REPORT_RECEIVED {
        return Ok(vec![]);
    }
    match decode(*event)? {
        Event::Notice(NoticeEvent::ReportReceived { attachments, .. }) => Ok(attachments),
        Event::Plan(_)
        | Event::Readings(_)
        | Event::Section(_)
        | Event::Round(_)
        | Event::County(_)
        | Event::Compensation(_)
        | Event::Settlement(_)
        | Event::Notice(_)
        | Event::Numbering(_)
        | Event::Mail(_)
        | Event::Consumer(_) => Ok(vec![]),
    }
}

/// The payload in the newest schema version of its type.
fn upcast<'a>(kind: &str, schema: u16, payload: &'a str) -> Result<Cow<'a, str>, serde_json::Error> {
    if kind != REPORT_RECEIVED || schema > 1 {
        return Ok(Cow::Borrowed(payload));
    }
    let mut event: Value = serde_json::from_str(payload)?;
    if let Some(report) = event.get_mut("report_received").and_then(Value::as_object_mut) {
        report.insert("attachments".to_owned(), Value::Array(vec![]));
    }
    Ok(Cow::Owned(event.to_string()))
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
        "consumer" => from_json(payload).map(Event::Consumer),
        _ => return None,
    })
}

fn from_json<T: DeserializeOwned>(payload: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(payload)
}
