//! An evidence bundle: events with their proof, in one file of text lines that is checked without this program.
//!
//! ```text
//! bishui-bundle/1 COUNTY YEAR
//! [about] N           N lines for people; they are bound by the seal only
//! [index] N           a line an event: position, Beijing time, actor, type, stream, with tabs between
//! [document P] N      the text that event P queued as mail or continued, split at its line feeds; one for each of these
//! [checkpoint] 5      the signed checkpoint
//! [events] N          a JSON object an event, ascending by position
//! [proof] N           a hash a line in base64: the largest subtrees without any of the events, from left to right
//! [seal] 5            a note by the key of the log: `bishui-bundle/1`, the log's name, SHA-256 of all bytes before
//! ```
//!
//! There is no byte that the seal does not cover or that it could hold otherwise.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::checkpoint::{Checkpoint, TreeHead};
use super::key::SigningKey;
use super::note;
use super::tiles::Tiles;
use super::{ProofError, proof};
use crate::event_log::leaf::leaf_hash;
use crate::event_log::{EventRef, Recorded};

/// The format, and its version.
pub const FORMAT: &str = "bishui-bundle/1";
/// The types of the events whose texts are documents, with where the text stands.
const DOCUMENTS: [(&str, &str); 2] =
    [("mail.mail_queued", "/mail_queued/text"), ("mail.text_continued", "/text_continued/text")];

/// An event with every field that its leaf is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventLine<'a> {
    position: u64,
    stream: &'a str,
    version: u64,
    batch: Uuid,
    place: u32,
    #[serde(rename = "type")]
    kind: &'a str,
    schema: u16,
    seconds: i64,
    nanoseconds: i32,
    actor: &'a str,
    idempotency_key: Option<&'a str>,
    request: Option<Uuid>,
    causation: Option<Uuid>,
    correlation: Option<Uuid>,
    payload: &'a str,
}

impl<'a> From<&'a Recorded> for EventLine<'a> {
    fn from(event: &'a Recorded) -> Self {
        let event = EventRef::from(event);
        Self {
            position: event.position.0,
            stream: event.stream,
            version: event.version.0,
            batch: event.batch,
            place: event.place,
            kind: event.kind,
            schema: event.schema,
            seconds: event.recorded_at.as_second(),
            nanoseconds: event.recorded_at.subsec_nanosecond(),
            actor: event.actor,
            idempotency_key: event.idempotency_key,
            request: event.request,
            causation: event.causation,
            correlation: event.correlation,
            payload: event.payload,
        }
    }
}

/// What a bundle is made of.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The county's id.
    pub county: &'a str,
    /// The year.
    pub year: i16,
    /// Lines for people.
    pub about: &'a [String],
    /// The events, ascending by position, each once and within the checkpoint.
    pub events: &'a [Recorded],
    /// The checkpoint they are proved against.
    pub checkpoint: &'a Checkpoint,
}

/// Writes and seals a bundle.
///
/// # Errors
/// `Fork` where the events, or the stored hashes of those around them, are not the ones of the checkpoint: nothing is
/// sealed then. The hashes cannot be read.
pub fn write(contents: Contents<'_>, tiles: &Tiles, key: &SigningKey) -> Result<String, ProofError> {
    let Contents { county, year, about, events, checkpoint } = contents;
    let TreeHead { size, root } = checkpoint.head;
    let inside = |event: &Recorded| (1..=size).contains(&event.position.0);
    if !events.is_sorted_by(|one, next| one.position < next.position) || !events.iter().all(inside) {
        return Err(ProofError::Fork { size });
    }
    let mut text = format!("{FORMAT} {county} {year}\n");
    let about = about.iter().map(|line| plain(line));
    section(&mut text, "about", about);
    section(&mut text, "index", events.iter().map(index_line));
    for (event, document) in events.iter().filter_map(|event| Some((event, document(event)?))) {
        section(&mut text, &format!("document {}", event.position), document.split('\n').map(str::to_owned));
    }
    section(&mut text, "checkpoint", checkpoint.note.lines().map(str::to_owned));
    let json = |event| serde_json::to_string(&EventLine::from(event)).expect("an event's fields are JSON");
    section(&mut text, "events", events.iter().map(json));
    let leaves: Vec<_> = events.iter().map(|event| (event.position.0 - 1, leaf_hash(&event.into()))).collect();
    let (hashes, joint) = proof::joint(&leaves, size, |subtree| tiles.hash(subtree))?;
    if joint != root {
        return Err(ProofError::Fork { size });
    }
    section(&mut text, "proof", hashes.iter().map(|hash| STANDARD.encode(hash)));
    let digest = STANDARD.encode(Sha256::digest(text.as_bytes()));
    let seal = note::sign(&format!("{FORMAT}\n{}\n{digest}\n", key.name()), key);
    section(&mut text, "seal", seal.lines().map(str::to_owned));
    Ok(text)
}

fn section(text: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let (mut body, mut count) = (String::new(), 0_usize);
    for line in lines {
        body.push_str(&line);
        body.push('\n');
        count += 1;
    }
    write!(text, "[{name}] {count}\n{body}").expect("a string takes everything");
}

/// A field of a line: whatever could break the line or the field is replaced.
fn plain(field: &str) -> String {
    field.replace(char::is_control, "\u{fffd}")
}

fn index_line(event: &Recorded) -> String {
    let at = beijing(event.recorded_at);
    let (actor, kind, stream) = (plain(&event.actor), plain(&event.kind), plain(event.stream.as_str()));
    format!("{}\t{at}\t{actor}\t{kind}\t{stream}", event.position)
}

fn beijing(at: Timestamp) -> String {
    TimeZone::fixed(offset(8)).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The text of a mail that the event queued or continued; none of other events.
fn document(event: &Recorded) -> Option<String> {
    let (_, place) = DOCUMENTS.iter().find(|(kind, _)| event.kind == *kind)?;
    let payload: Value = serde_json::from_str(&event.payload).ok()?;
    payload.pointer(place)?.as_str().map(str::to_owned)
}
