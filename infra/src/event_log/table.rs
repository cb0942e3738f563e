//! Events, keys and checkpoints held in memory above a position: all of [`super::memory::MemoryLog`], and the top of
//! [`super::overlay::OverlayLog`].

use std::collections::HashMap;

use super::admission::{KeyRecord, Placed};
use super::lease::Leases;
use super::{Appended, Position, Recorded, StreamId, StreamVersion};

/// Recorded events with positions above `base`.
#[derive(Debug)]
pub(super) struct Table {
    base: Position,
    events: Vec<Recorded>,
    /// Places in `events` of each stream's events, in order.
    streams: HashMap<StreamId, Vec<usize>>,
    keys: HashMap<String, KeyRecord>,
    checkpoints: HashMap<String, Position>,
    /// The leases of the work that follows these events.
    pub(super) leases: Leases,
}

impl Table {
    /// An empty table whose first event will have the position after `base`.
    pub(super) fn above(base: Position) -> Self {
        Self {
            base,
            events: Vec::new(),
            streams: HashMap::new(),
            keys: HashMap::new(),
            checkpoints: HashMap::new(),
            leases: Leases::default(),
        }
    }

    /// Position of the newest event, or `base`.
    pub(super) fn head(&self) -> Position {
        self.events.last().map_or(self.base, |event| event.position)
    }

    /// Version of `stream` by the events here; none when it has none here.
    pub(super) fn version(&self, stream: &StreamId) -> Option<StreamVersion> {
        let last = self.streams.get(stream)?.last()?;
        Some(self.events[*last].version)
    }

    /// What is kept of an idempotency key.
    pub(super) fn key(&self, key: &str) -> Option<KeyRecord> {
        self.keys.get(key).copied()
    }

    /// Takes what was admitted and remembers its keys.
    pub(super) fn record(&mut self, placed: Placed) -> Appended {
        for event in placed.events {
            self.streams.entry(event.stream.clone()).or_default().push(self.events.len());
            self.events.push(event);
        }
        self.keys.extend(placed.keys);
        placed.appended
    }

    /// Events of `stream` with a version above `after`, at most `limit`.
    pub(super) fn stream_after(&self, stream: &StreamId, after: StreamVersion, limit: usize) -> Vec<Recorded> {
        let places = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let start = places.partition_point(|place| self.events[*place].version <= after);
        places[start..].iter().take(limit).map(|place| self.events[*place].clone()).collect()
    }

    /// Events with a position above `after`, at most `limit`.
    pub(super) fn after(&self, after: Position, limit: usize) -> Vec<Recorded> {
        let start = self.events.partition_point(|event| event.position <= after);
        self.events[start..].iter().take(limit).cloned().collect()
    }

    /// Checkpoint of `consumer` as moved here.
    pub(super) fn checkpoint(&self, consumer: &str) -> Option<Position> {
        self.checkpoints.get(consumer).copied()
    }

    /// Stores the checkpoint of `consumer`.
    pub(super) fn set_checkpoint(&mut self, consumer: &str, to: Position) {
        self.checkpoints.insert(consumer.to_owned(), to);
    }
}
