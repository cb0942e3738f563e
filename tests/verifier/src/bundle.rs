//! The check of a bundle.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::event::{Event, plain};
use crate::note::{self, Key};
use crate::sections::{FORMAT, Section, split, unseal};
use crate::{Hash, Or as _, Rejected, json, reject, tree};

/// The types of the events whose texts are documents, with where the text stands.
const DOCUMENTS: [(&str, &str); 2] =
    [("mail.mail_queued", "/mail_queued/text"), ("mail.text_continued", "/text_continued/text")];

/// What an accepted bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The county's id and the year, as the sealer names them.
    pub about: String,
    /// Events.
    pub events: usize,
    /// Streams, each from its first event on without a gap.
    pub streams: usize,
    /// Documents.
    pub documents: usize,
    /// Events of the log at the checkpoint.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Checks a bundle against the key of its log.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(bundle: &[u8], key: &Key) -> Result<Accepted, Rejected> {
    verify_body(unseal(bundle, key)?, key)
}

/// Checks what a seal covers, without the seal: the events and what is said about them, and not the words for people.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify_body(body: &[u8], key: &Key) -> Result<Accepted, Rejected> {
    let (first, sections) = split(body)?;
    let about =
        first.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' ')).or_reject("no bundle of this format")?;
    let [words, index, documents @ .., checkpoint, events, proof] = &sections[..] else {
        return reject("sections are missing");
    };
    for (section, name) in
        [(words, "about"), (index, "index"), (checkpoint, "checkpoint"), (events, "events"), (proof, "proof")]
    {
        if section.name != name {
            return reject(format!("section {} stands where {name} belongs", section.name));
        }
    }
    let (size, root) =
        key.checkpoint(&checkpoint.lines).map_err(|Rejected(why)| Rejected(format!("the checkpoint: {why}")))?;
    let events = read_events(events, size)?;
    let hashes = proof.lines.iter().map(|line| note::hash(line)).collect::<Result<Vec<_>, _>>()?;
    let leaves: Vec<_> = events.iter().map(|event| (event.position - 1, event.leaf)).collect();
    if tree::joint_root(&leaves, size, &hashes)? != root {
        return reject("the events are not those of the checkpoint");
    }
    let streams = check_streams(&events)?;
    check_index(index, &events)?;
    check_documents(documents, &events)?;
    Ok(Accepted { about: about.to_owned(), events: events.len(), streams, documents: documents.len(), size, root })
}

fn read_events(section: &Section<'_>, size: u64) -> Result<Vec<Event>, Rejected> {
    let mut events: Vec<Event> = Vec::with_capacity(section.lines.len());
    for line in &section.lines {
        let event = Event::read(&json::read(line.as_bytes())?)?;
        let after = events.last().map_or(0, |last| last.position);
        if event.position <= after || event.position > size {
            return reject(format!("event {} is out of order", event.position));
        }
        events.push(event);
    }
    if events.is_empty() { reject("there are no events") } else { Ok(events) }
}

/// Every stream is there from its first version on, none left out in between.
fn check_streams(events: &[Event]) -> Result<usize, Rejected> {
    let mut versions = BTreeMap::new();
    for event in events {
        let last = versions.entry(&event.stream).or_insert(0);
        *last += 1;
        if event.version != *last {
            return reject(format!(
                "event {} is version {}, {last} of its stream is missing",
                event.position, event.version
            ));
        }
    }
    Ok(versions.len())
}

fn check_index(index: &Section<'_>, events: &[Event]) -> Result<(), Rejected> {
    let line = |event: &Event| {
        let (actor, kind, stream) = (plain(&event.actor), plain(&event.kind), plain(&event.stream));
        format!("{}\t{}\t{actor}\t{kind}\t{stream}", event.position, event.beijing())
    };
    let same =
        index.lines.len() == events.len() && index.lines.iter().zip(events).all(|(found, event)| *found == line(event));
    if same { Ok(()) } else { reject("the index is not that of the events") }
}

/// Every text that an event queued as mail is there as a document, word for word, and nothing else.
fn check_documents(documents: &[Section<'_>], events: &[Event]) -> Result<(), Rejected> {
    let place = |event: &Event| DOCUMENTS.iter().find(|(kind, _)| event.kind == *kind).map(|(_, place)| *place);
    let mut queued = events.iter().filter_map(|event| Some((event, place(event)?)));
    for document in documents {
        let (event, place) = queued.next().or_reject("a document belongs to no event")?;
        let payload = json::read(event.payload.as_bytes())?;
        let text = payload.pointer(place).and_then(Value::as_str).or_reject("a mail has no text")?;
        if document.name != format!("document {}", event.position) || document.lines.join("\n") != text {
            return reject(format!("the document of event {} is not its text", event.position));
        }
    }
    if queued.next().is_some() { reject("a document is missing") } else { Ok(()) }
}
