//! What is looked up in memory: where streams end, where to start reading at a position, checkpoints and new keys.
//!
//! Everything here follows from the journal. Its size depends on the number of streams and, by one mark in 64 KiB, on
//! the journal's length.

use std::collections::{BTreeMap, HashMap};

use super::block::Block;
use super::entries::Item;
use super::location::Location;
use super::streams::{AllStreams, NameHash, Streams, name_hash};
use crate::event_log::{LogError, Position};

/// Bytes of the journal between two marks, at least.
const MARK_BYTES: u32 = 64 << 10;

/// A block's first position and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) first: Position,
    pub(super) location: Location,
}

/// The index of the journal up to some block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) streams: AllStreams,
    pub(super) marks: Vec<Mark>,
    pub(super) checkpoints: BTreeMap<String, Position>,
    /// First events of the batches whose idempotency keys sled does not have yet.
    pub(super) keys: HashMap<NameHash, Location>,
}

impl Index {
    /// Takes a block's place.
    pub(super) fn mark(&mut self, location: Location, first: Position) {
        let near = self.marks.last().is_some_and(|last| {
            last.location.segment() == location.segment() && location.offset() - last.location.offset() < MARK_BYTES
        });
        if !near {
            self.marks.push(Mark { first, location });
        }
    }

    /// The last marked block that does not start after `position`.
    pub(super) fn mark_before(&self, position: Position) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.first <= position);
        self.marks[..after].last().copied()
    }

    /// Takes the changes of a group.
    pub(super) fn merge(&mut self, changes: Changes) {
        for (location, first) in changes.blocks {
            self.mark(location, first);
        }
        self.streams.merge(changes.streams);
        self.checkpoints.extend(changes.checkpoints);
        self.keys.extend(changes.keys);
    }
}

/// What a group, or a batch that is not whole yet, changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) blocks: Vec<(Location, Position)>,
    pub(super) streams: Streams,
    pub(super) checkpoints: BTreeMap<String, Position>,
    pub(super) keys: HashMap<NameHash, Location>,
}

/// A batch that goes on in the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfinished {
    batch: uuid::Uuid,
    next_place: u32,
    events: u32,
}

impl Changes {
    /// Takes a block read from the journal; gives the batch that goes on after it.
    pub(super) fn take(
        &mut self,
        location: Location,
        block: &Block<'_>,
        mut unfinished: Option<Unfinished>,
    ) -> Result<Option<Unfinished>, LogError> {
        let wrong = |what: &str| {
            let (segment, offset) = (location.segment(), location.offset());
            LogError::Corrupt { what: format!("segment {segment} at {offset}: {what}") }
        };
        self.blocks.push((location, block.header.first));
        let mut place = 0;
        // The newest stream: a run of its events needs its hash once.
        let mut newest: Option<(&str, NameHash)> = None;
        for item in block.entries() {
            match item.ok_or_else(|| wrong("an entry cannot be read"))? {
                Item::Checkpoint { consumer, to } => {
                    self.checkpoints.insert(consumer.to_owned(), to);
                }
                Item::Event(entry) => {
                    let event = &entry.event;
                    let goes_on = unfinished.map_or((event.batch, 0), |open| (open.batch, open.next_place));
                    if (event.batch, event.place) != goes_on {
                        return Err(wrong("a batch is cut short in the middle of the journal"));
                    }
                    let at = Location::new(location.segment(), location.offset(), place);
                    let hash = match newest {
                        Some((stream, hash)) if stream == event.stream => hash,
                        Some(_) | None => name_hash(event.stream),
                    };
                    newest = Some((event.stream, hash));
                    self.streams.advance(hash, event.version.0, at);
                    if let (0, Some(key)) = (event.place, event.idempotency_key) {
                        self.keys.insert(name_hash(key), at);
                    }
                    let open =
                        Unfinished { batch: event.batch, next_place: event.place + 1, events: entry.batch_events };
                    unfinished = (open.next_place < open.events).then_some(open);
                    place += 1;
                }
            }
        }
        if u32::from(place) == block.header.events {
            Ok(unfinished)
        } else {
            Err(wrong("its events are not as many as it says"))
        }
    }
}
