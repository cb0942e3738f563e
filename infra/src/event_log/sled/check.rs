//! What is checked of a store: its format, head and tail when it is opened, all of it by the full pass.
//!
//! The first difference is the answer; nothing is repaired but a group that was never acknowledged.

use std::collections::HashMap;

use ::sled::Batch;

use super::keys;
use super::store::{Store, decode_key, failed};
use crate::event_log::{LogError, Position, Recorded, StreamId, StreamVersion};

/// Format written by this program.
const FORMAT: u64 = 1;
/// Newest events checked when a store is opened.
const TAIL_EVENTS: u64 = 64;
/// Events read at a time.
const PAGE_EVENTS: usize = 512;

/// Makes a new store one of ours, or checks that an old one can be used; gives its head.
pub(super) fn start(store: &Store) -> Result<Position, LogError> {
    match store.number(keys::FORMAT)? {
        Some(FORMAT) => {}
        Some(format) => {
            let what = format!(
                "its format is {format}, and this program reads format {FORMAT}: use the program it belongs to"
            );
            return Err(LogError::Unavailable { what, source: None });
        }
        None if store.db.is_empty() => found(store)?,
        None => return Err(corrupt("it has content, but no format".into())),
    }
    let head = store.head()?;
    drop_unfinished(store, head)?;
    check_tail(store, head)?;
    Ok(head)
}

fn found(store: &Store) -> Result<(), LogError> {
    let mut batch = Batch::default();
    batch.insert(keys::FORMAT, &FORMAT.to_be_bytes());
    batch.insert(keys::HEAD, &0_u64.to_be_bytes());
    write(store, batch)
}

fn write(store: &Store, batch: Batch) -> Result<(), LogError> {
    store.apply(batch).and_then(|()| store.sync()).map_err(failed)
}

/// Removes the parts of a large group whose last part, with the head, was never written. Without the mark of such a
/// group nothing is removed: events above the head are then a damage to look at.
fn drop_unfinished(store: &Store, head: Position) -> Result<(), LogError> {
    if store.number(keys::UNFINISHED)? != Some(head.0) {
        return Ok(());
    }
    let mut dropped = 0_u64;
    // From the end, so that what remains after an interruption is again a beginning.
    while let Some(last) = last_position(store)?.filter(|last| *last > head) {
        let event = store.event(last)?;
        let mut batch = Batch::default();
        for entry in store.db.range(keys::event(last, 0)..=keys::event(last, u16::MAX)).keys() {
            batch.remove(entry.map_err(failed)?);
        }
        batch.remove(keys::stream_version(&event.stream, event.version));
        store.apply(batch).map_err(failed)?;
        dropped += 1;
        if dropped.is_multiple_of(PAGE_EVENTS as u64) {
            store.flush().map_err(failed)?;
        }
    }
    tracing::warn!(events = dropped, %head, "removed the beginning of a group that was never acknowledged");
    let mut batch = Batch::default();
    batch.remove(keys::UNFINISHED);
    write(store, batch)
}

fn last_position(store: &Store) -> Result<Option<Position>, LogError> {
    let Some(entry) = store.db.scan_prefix(keys::EVENTS).next_back() else { return Ok(None) };
    let (key, _) = entry.map_err(failed)?;
    match keys::parse_event(&key) {
        Some((position, _)) => Ok(Some(position)),
        None => Err(corrupt(format!("`{}` is not the key of an event", key.escape_ascii()))),
    }
}

fn check_tail(store: &Store, head: Position) -> Result<(), LogError> {
    let last = last_position(store)?.unwrap_or_default();
    if last != head {
        return Err(corrupt(format!("the head is {head}, but the last event is {last}")));
    }
    let start = head.0.saturating_sub(TAIL_EVENTS) + 1;
    for event in store.events(start..=head.0, usize::MAX)? {
        check_index(store, &event)?;
    }
    Ok(())
}

/// The index entry of an event leads to it.
fn check_index(store: &Store, event: &Recorded) -> Result<(), LogError> {
    let indexed = store.number(&keys::stream_version(&event.stream, event.version))?;
    if indexed == Some(event.position.0) {
        return Ok(());
    }
    let found = indexed.map_or("nothing".into(), |position| format!("event {position}"));
    Err(corrupt(format!(
        "version {} of {} is event {}, but its index leads to {found}",
        event.version, event.stream, event.position
    )))
}

/// The full pass up to `head`: every position is there and decodes, versions are dense, the index agrees and holds
/// nothing else, and every idempotency key stands for places in the log.
pub(super) fn verify(store: &Store, head: Position) -> Result<(), LogError> {
    let mut versions: HashMap<StreamId, StreamVersion> = HashMap::new();
    let mut after = 0;
    while after < head.0 {
        let events = store.events(after + 1..=head.0, PAGE_EVENTS)?;
        for event in &events {
            let version = versions.entry(event.stream.clone()).or_default();
            version.0 += 1;
            if event.version != *version {
                let what =
                    format!("event {} is version {} of {}, not {version}", event.position, event.version, event.stream);
                return Err(corrupt(what));
            }
            check_index(store, event)?;
        }
        after = events.last().map_or(head.0, |event| event.position.0);
    }
    check_index_size(store, head)?;
    check_keys(store)
}

/// Every event has its own entry in the index, so as many entries as events means none leads elsewhere.
fn check_index_size(store: &Store, head: Position) -> Result<(), LogError> {
    let mut entries = 0;
    for entry in store.db.scan_prefix(keys::STREAMS) {
        let (key, value) = entry.map_err(failed)?;
        let position = keys::number(&value)
            .ok_or_else(|| corrupt(format!("index entry `{}` holds no position", key.escape_ascii())))?;
        // Entries above belong to groups that are being written now.
        entries += u64::from(position <= head.0);
    }
    if entries == head.0 { Ok(()) } else { Err(corrupt(format!("the index has {entries} entries for {head} events"))) }
}

fn check_keys(store: &Store) -> Result<(), LogError> {
    for entry in store.db.scan_prefix(keys::IDEMPOTENCY_KEYS) {
        let (key, value) = entry.map_err(failed)?;
        // Read after the entry, so it covers a group that is being written now.
        let head = store.head()?;
        if decode_key(&value).is_none_or(|record| record.first > record.last || record.last > head) {
            return Err(corrupt(format!("idempotency key `{}` stands for no events", key[1..].escape_ascii())));
        }
    }
    Ok(())
}

fn corrupt(what: String) -> LogError {
    LogError::Corrupt { what }
}

#[cfg(test)]
mod tests;
