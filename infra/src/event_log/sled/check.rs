//! The full pass: every byte of the journal is what was written, and the index says the same.
//!
//! The first difference is the answer; nothing is repaired.

use std::collections::HashMap;

use super::Store;
use super::block::Block;
use super::chain::Chain;
use super::entries::{Entry, Item, Link, skip_levels};
use super::location::Location;
use super::reader::Pass;
use super::recovery::{check_segment, rest_is_zero};
use super::streams::{NameHash, Streams, name_hash};
use super::tail::{NO_SKIPS, Tail};
use crate::event_log::{LogError, Position, StreamVersion};

/// What has been read so far.
struct Seen {
    streams: Streams,
    keys: HashMap<NameHash, Location>,
    chain: Chain,
    tail: Tail,
}

/// Compares the store with itself up to its head at the start of the pass.
pub(super) fn verify(store: &Store) -> Result<Position, LogError> {
    let until = store.head();
    let (streams, keys, chain) = (Streams::default(), HashMap::new(), Chain::at(Chain::START));
    let mut seen = Seen { streams, keys, chain, tail: Tail::START };
    check_segment(&store.reader, Tail::START.segment, None)?;
    let mut pass = Pass::new(&store.reader, Tail::START.location());
    loop {
        let follows = pass.peek()?.filter(|header| header.previous == seen.tail.previous);
        let block = if follows.is_some() { pass.block()? } else { None };
        if let Some((location, block)) = block {
            seen.block(location, &block)?;
            if seen.tail.head > until {
                break;
            }
        } else if next_segment(store, &mut pass, &seen.tail)? {
            (seen.tail.segment, seen.tail.offset) = (seen.tail.segment + 1, Tail::START.offset);
        } else {
            break;
        }
    }
    if seen.tail.head < until {
        return Err(corrupt(format!("the journal ends at event {}, not at {until}", seen.tail.head)));
    }
    check_rest(store, &seen.tail, until)?;
    check_index(store, &seen, until)?;
    Ok(until)
}

/// Goes on in the next segment when it is in use; nothing may follow in this one then.
fn next_segment(store: &Store, pass: &mut Pass<'_>, tail: &Tail) -> Result<bool, LogError> {
    let reader = &store.reader;
    let header = match reader.segment_header(tail.segment + 1) {
        Ok(header) => header,
        Err(error) if tail.head < store.head() => return Err(error),
        Err(LogError::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    let Some(header) = header else { return Ok(false) };
    check_segment(reader, header.number, Some(tail))?;
    if !rest_is_zero(reader, tail.segment, tail.offset)? {
        return Err(corrupt(format!("segment {} at {}: a block is damaged", tail.segment, tail.offset)));
    }
    pass.next_segment();
    Ok(true)
}

/// After the last block there is nothing, unless a writer has gone on meanwhile.
fn check_rest(store: &Store, tail: &Tail, until: Position) -> Result<(), LogError> {
    let mut zero = rest_is_zero(&store.reader, tail.segment, tail.offset)?;
    if let Some(number) = store.room.first().filter(|number| *number == tail.segment + 1) {
        zero &= rest_is_zero(&store.reader, number, 0)?;
    }
    if zero || store.head() != until {
        return Ok(());
    }
    // A checkpoint may be on its way, which moves no head: the end is judged again when it stands still.
    let moved = Pass::new(&store.reader, tail.location()).block()?.is_some();
    if moved { Ok(()) } else { Err(corrupt(format!("something stands after the last event, {until}"))) }
}

fn check_index(store: &Store, seen: &Seen, until: Position) -> Result<(), LogError> {
    let index = store.index();
    let mut streams = 0;
    for (stream, head, _) in seen.streams.iter() {
        streams += 1;
        let known = index.streams.head(stream).unwrap_or_default();
        if known.version < head.version || (known.version == head.version && known != head) {
            return Err(corrupt(format!(
                "the index has version {} of a stream that has {}",
                known.version, head.version
            )));
        }
    }
    if store.head() == until && streams != index.streams.iter().count() {
        return Err(corrupt("the index has a stream that the journal does not have".into()));
    }
    for (key, location) in &seen.keys {
        let known = match index.keys.get(key) {
            Some(location) => Some(*location),
            None => store.catalogue.key(*key)?,
        };
        if known != Some(*location) {
            return Err(corrupt("an idempotency key of the journal is not in the index".into()));
        }
    }
    for entry in store.catalogue.keys() {
        let (key, location) = entry?;
        let stands_after = location.pack() >= seen.tail.location().pack();
        if !stands_after && seen.keys.get(&key) != Some(&location) {
            return Err(corrupt("the index has an idempotency key that the journal does not have".into()));
        }
    }
    Ok(())
}

impl Seen {
    fn block(&mut self, location: Location, block: &Block<'_>) -> Result<(), LogError> {
        let wrong = |what: &str| corrupt(format!("segment {} at {}: {what}", location.segment(), location.offset()));
        if block.header.first.0 != self.tail.head.0 + 1 {
            return Err(wrong("its first event is not the next one"));
        }
        if block.chain() != self.chain.carried() && block.chain() != self.chain.end_group() {
            return Err(wrong("the events before it do not have the chain value that it says"));
        }
        self.chain.block(block);
        let mut place = 0;
        for item in block.entries() {
            let Some(item) = item else { return Err(wrong("an entry cannot be read")) };
            let Item::Event(entry) = item else { continue };
            let here = Location::new(location.segment(), location.offset(), place);
            self.event(&entry, here)?;
            place += 1;
        }
        if u32::from(place) != block.header.events {
            return Err(wrong("its events are not as many as it says"));
        }
        self.tail = self.tail.after(block);
        Ok(())
    }

    fn event(&mut self, entry: &Entry<'_>, here: Location) -> Result<(), LogError> {
        let event = &entry.event;
        let stream = name_hash(event.stream);
        let before = self.streams.head(stream).unwrap_or_default();
        if event.version != StreamVersion(before.version + 1) {
            return Err(corrupt(format!(
                "event {} is version {} of {}, not {}",
                event.position,
                event.version,
                event.stream,
                before.version + 1
            )));
        }
        let linked = match entry.link {
            Link::At(location) => location == before.location,
            Link::Adjacent => here.place() > 0 && before.location.pack() + 1 == here.pack(),
        };
        let levels = skip_levels(event.version.0);
        let mut skips = NO_SKIPS;
        self.streams.skips(stream, &mut skips[..levels]);
        if !linked || entry.skips[..levels] != skips[..levels] {
            return Err(corrupt(format!("event {} does not lead back to the one before it", event.position)));
        }
        self.streams.advance(stream, event.version.0, here);
        if let (0, Some(key)) = (event.place, event.idempotency_key) {
            self.keys.insert(name_hash(key), here);
        }
        Ok(())
    }
}

fn corrupt(what: String) -> LogError {
    LogError::Corrupt { what }
}
