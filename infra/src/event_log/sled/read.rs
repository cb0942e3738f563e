//! Reading events: by position from the nearest mark on, by stream from its end back.

use std::ops::ControlFlow;

use super::Store;
use super::entries::{Entry, Item, Link, skip_levels};
use super::location::Location;
use super::reader::{Pass, Reader};
use super::streams::{Head, name_hash};
use super::tail::Tail;
use crate::event_log::admission::KeyRecord;
use crate::event_log::{EventRef, LogError, Position, Recorded, StreamId};

/// Lends the events after `after` up to `until`, which must not be above the head, until `visit` breaks.
pub(super) fn visit(
    store: &Store,
    after: Position,
    until: Position,
    visit: &mut (dyn FnMut(EventRef<'_>) -> ControlFlow<()> + Send),
) -> Result<(), LogError> {
    if after >= until {
        return Ok(());
    }
    let start = store.index().mark_before(Position(after.0 + 1)).map_or(Tail::START.location(), |mark| mark.location);
    let mut pass = Pass::new(&store.reader, start);
    loop {
        let Some(header) = pass.peek()? else {
            next_segment(&store.reader, &mut pass)?;
            continue;
        };
        if header.last() <= after {
            pass.skip(header.block_bytes());
            continue;
        }
        let here = pass.location();
        let Some((_, block)) = pass.block()? else { return Err(here.no_block()) };
        for item in block.entries() {
            let Some(item) = item else { return Err(here.no_block()) };
            let Item::Event(Entry { event, .. }) = item else { continue };
            if event.position > until {
                return Ok(());
            }
            if event.position > after && visit(event).is_break() {
                return Ok(());
            }
        }
        if header.last() >= until {
            return Ok(());
        }
    }
}

/// Goes on in the next segment; an error where the journal ends, for there must be more.
fn next_segment(reader: &Reader, pass: &mut Pass<'_>) -> Result<(), LogError> {
    let at = pass.location();
    match reader.segment_header(at.segment() + 1) {
        Ok(Some(_)) => {
            pass.next_segment();
            Ok(())
        }
        Ok(None) | Err(LogError::Corrupt { .. }) => Err(at.no_block()),
        Err(error) => Err(error),
    }
}

/// Events of `stream` with the versions from `first` to `last`; it must have that many.
pub(super) fn stream(store: &Store, stream: &StreamId, first: u64, last: u64) -> Result<Vec<Recorded>, LogError> {
    let head = store.index().streams.head(name_hash(stream.as_str())).unwrap_or_default();
    let last = last.min(head.version);
    let mut found = Vec::new();
    let mut at = Some(head).filter(|_| first <= last);
    while let Some(head) = at {
        let loaded = store.reader.block(head.location)?;
        let entries: Vec<Entry<'_>> = loaded.events().collect();
        at = descend(&entries, head, stream, (first, last), &mut found)?;
    }
    found.reverse();
    Ok(found)
}

/// Follows the stream back within one block, taking what is wanted; gives where it goes on in another one.
fn descend(
    entries: &[Entry<'_>],
    mut at: Head,
    stream: &StreamId,
    (first, last): (u64, u64),
    found: &mut Vec<Recorded>,
) -> Result<Option<Head>, LogError> {
    let block = at.location;
    loop {
        let entry = entries
            .get(usize::from(at.location.place()))
            .filter(|entry| entry.event.stream == stream.as_str() && entry.event.version.0 == at.version);
        let Some(entry) = entry else {
            return Err(LogError::Corrupt { what: format!("the index of {stream} leads to no event {}", at.version) });
        };
        if at.version <= last {
            found.push(entry.event.to_recorded());
        }
        if at.version == first {
            return Ok(None);
        }
        at = step_back(entry, at, last);
        if (at.location.segment(), at.location.offset()) != (block.segment(), block.offset()) {
            return Ok(Some(at));
        }
    }
}

/// The event to look at next: the farthest back that is not before `last`, then the one before.
fn step_back(entry: &Entry<'_>, at: Head, last: u64) -> Head {
    let levels = (0..skip_levels(at.version)).rev();
    let skip = levels.map(|level| (16_u64.pow(u32::try_from(level).expect("four levels") + 1), entry.skips[level]));
    let skip = skip.into_iter().find(|(back, _)| at.version - back >= last);
    if let Some((back, location)) = skip {
        return Head { version: at.version - back, location };
    }
    let location = match entry.link {
        Link::At(location) => location,
        Link::Adjacent => {
            let here = at.location;
            Location::new(here.segment(), here.offset(), here.place() - 1)
        }
    };
    Head { version: at.version - 1, location }
}

/// What the batch at `location` keeps of its idempotency key, which must be `key`.
pub(super) fn key_record(reader: &Reader, location: Location, key: &str) -> Result<KeyRecord, LogError> {
    let loaded = reader.block(location)?;
    let entry = loaded.events().nth(usize::from(location.place()));
    let record = entry.filter(|entry| entry.event.idempotency_key == Some(key)).and_then(|entry| {
        let first = entry.event.position;
        let last = Position(first.0 + u64::from(entry.batch_events) - 1);
        Some(KeyRecord { request: entry.event.request?, first, last })
    });
    record.ok_or_else(|| LogError::Corrupt { what: format!("the index leads to no batch with the key `{key}`") })
}
