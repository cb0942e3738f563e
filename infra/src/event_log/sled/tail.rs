//! The end of the journal, and the writing of a group of batches there.

use std::io;
use std::sync::Arc;

use super::block::{Block, CHAIN_BYTES, HEADER_BYTES, seal};
use super::chain::{Chain, Links};
use super::entries::{Link, SKIP_LEVELS, Skips, put_batch, put_checkpoint, put_event};
use super::location::{BLOCK_EVENTS_MAX, Location};
use super::room::{Room, ahead};
use super::segment;
use crate::disk::DiskFile;
use crate::event_log::leaf::Hash;
use crate::event_log::{EventRef, LogError, PAYLOAD_BYTES_MAX, Position};

/// Bytes after which a block takes no further event: what is read to look one event up.
const BLOCK_BYTES: usize = 64 << 10;
/// Bytes that are enough for a checkpoint, whose name is bounded, and its block.
pub(super) const CHECKPOINT_ROOM: usize = 1 << 10;
/// Most bytes of an entry with the envelope and the block that it may begin.
const ENTRY_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + (8 << 10);
/// Most bytes kept for the next group.
const SPARE_BYTES: usize = 1 << 20;

/// Where the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// Checksum of the last block.
    pub(super) previous: u32,
    /// Chain value that the next group carries.
    pub(super) chain: Hash,
    /// Position of the last event.
    pub(super) head: Position,
}

impl Tail {
    /// Where the first block of a journal goes.
    pub(super) const START: Self =
        Self { segment: 1, offset: segment::FIRST_BLOCK, previous: 0, chain: Chain::START, head: Position(0) };

    /// The place of the next block.
    pub(super) fn location(&self) -> Location {
        Location::new(self.segment, self.offset, 0)
    }

    /// Where the journal stands after the block here; the chain is that of whoever takes it.
    pub(super) fn after(&self, block: &Block<'_>) -> Self {
        let length = u32::try_from(block.header.block_bytes()).expect("a block fits a segment");
        Self { offset: self.offset + length, previous: block.header.checksum, head: block.header.last(), ..*self }
    }
}

/// Segments that are to be made ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Up to this one at once.
    pub(super) soon: u32,
    /// Up to this one while nothing is written.
    pub(super) ahead: u32,
}

/// The journal as its one writer has it.
pub(super) struct Journal {
    tail: Tail,
    file: Arc<dyn DiskFile>,
    room: Arc<Room>,
    /// The bytes of an earlier group, whose room the next one takes.
    spare: Vec<u8>,
    links: Links,
}

impl Journal {
    /// A journal that ends at `tail` in `file`.
    pub(super) fn new(tail: Tail, file: Arc<dyn DiskFile>, room: Arc<Room>) -> Result<Self, LogError> {
        let links = Links::start(tail.chain)?;
        Ok(Self { tail, file, room, spare: Vec::new(), links })
    }

    /// Position of the last event.
    pub(super) fn head(&self) -> Position {
        self.tail.head
    }

    /// The segment it ends in.
    pub(super) fn segment(&self) -> u32 {
        self.tail.segment
    }

    /// Where it ends.
    pub(super) fn tail(&mut self) -> Tail {
        let (chain, room) = self.links.value();
        self.tail.chain = chain;
        self.keep(room);
        self.tail
    }

    /// Keeps room for the next group.
    fn keep(&mut self, room: Option<Vec<u8>>) {
        if let Some(room) = room.filter(|room| room.capacity() <= SPARE_BYTES) {
            self.spare = room;
        }
    }

    /// The room that is wanted, once more than half of the present segment is used.
    pub(super) fn wants_room(&self) -> Option<Wanted> {
        let Tail { segment, offset, .. } = self.tail;
        (offset > segment::length(segment) / 2).then(|| Wanted { soon: segment + 1, ahead: ahead(segment, offset) })
    }

    /// Makes sure that a group of at most `bytes` can be written without a segment that cannot be had.
    pub(super) fn reserve(&self, bytes: usize) -> io::Result<()> {
        let mut room = (segment::length(self.tail.segment) - self.tail.offset) as usize;
        if bytes < room {
            return Ok(());
        }
        // What does not fit the end of a segment any more leaves that end empty.
        let left_empty = bytes.min(ENTRY_BYTES_MAX);
        let mut last = self.tail.segment;
        room = room.saturating_sub(left_empty);
        while room < bytes {
            last += 1;
            room += (segment::length(last) as usize).saturating_sub(segment::HEADER_BYTES + left_empty);
        }
        self.room.fill(last)
    }

    /// Starts a group at the end.
    pub(super) fn sheet<'e>(&mut self) -> Sheet<'_, 'e> {
        let (tail, mut bytes) = (self.tail(), std::mem::take(&mut self.spare));
        bytes.clear();
        Sheet { journal: self, tail, bytes, open: None, blocks: Vec::new() }
    }
}

/// The block being filled.
struct Open<'e> {
    /// Where it starts in the sheet's bytes.
    start: usize,
    first: Position,
    events: u32,
    last: Option<EventRef<'e>>,
}

/// A group on its way into the journal: nothing of it counts before it is finished.
pub(super) struct Sheet<'j, 'e> {
    journal: &'j mut Journal,
    /// Where the next block of the group starts.
    tail: Tail,
    /// Bytes for the present segment, not yet written; they end at the tail and the open block.
    bytes: Vec<u8>,
    open: Option<Open<'e>>,
    /// Where the group's blocks stand, and their first positions.
    blocks: Vec<(Location, Position)>,
}

impl<'e> Sheet<'_, 'e> {
    /// Adds an event; `previous` is where the event before it in its stream stands.
    pub(super) fn event(
        &mut self,
        event: EventRef<'e>,
        batch_events: u32,
        previous: Location,
        skips: &Skips,
    ) -> io::Result<Location> {
        let mut location = self.put(event, batch_events, previous, skips);
        if location.is_none() {
            self.close();
            location = self.put(event, batch_events, previous, skips);
        }
        if location.is_none() {
            self.switch()?;
            location = self.put(event, batch_events, previous, skips);
        }
        location.ok_or_else(|| io::Error::other("an event within the bounds is larger than a segment"))
    }

    /// Adds a checkpoint.
    pub(super) fn checkpoint(&mut self, consumer: &str, to: Position) -> io::Result<()> {
        let used = self.open.as_ref().map_or(0, |open| self.bytes.len() - open.start);
        if used > BLOCK_BYTES {
            self.close();
        }
        if self.room() < used + CHECKPOINT_ROOM {
            self.switch()?;
        }
        self.open_block();
        put_checkpoint(&mut self.bytes, consumer, to);
        // What follows needs its envelope again.
        if let Some(open) = &mut self.open {
            open.last = None;
        }
        Ok(())
    }

    /// Writes the group and syncs it; gives where its blocks stand.
    pub(super) fn finish(mut self) -> io::Result<Vec<(Location, Position)>> {
        self.close();
        self.write()?;
        self.journal.tail = self.tail;
        Ok(self.blocks)
    }

    /// Bytes of the present segment after the tail.
    fn room(&self) -> usize {
        (segment::length(self.tail.segment) - self.tail.offset) as usize
    }

    fn open_block(&mut self) -> &mut Open<'e> {
        let (start, first) = (self.bytes.len(), Position(self.tail.head.0 + 1));
        let (bytes, chain) = (&mut self.bytes, &self.tail.chain);
        self.open.get_or_insert_with(|| {
            bytes.resize(start + HEADER_BYTES, 0);
            bytes.extend_from_slice(chain);
            Open { start, first, events: 0, last: None }
        })
    }

    /// Adds an event to the open block; none, and nothing added, where it does not fit.
    fn put(&mut self, event: EventRef<'e>, batch_events: u32, previous: Location, skips: &Skips) -> Option<Location> {
        let room = self.room();
        let segment_offset = (self.tail.segment, self.tail.offset);
        self.open_block();
        let open = self.open.as_mut().expect("it was opened");
        let bytes = &mut self.bytes;
        let before = bytes.len();
        let place = u16::try_from(open.events).ok().filter(|place| *place <= BLOCK_EVENTS_MAX)?;
        let last = open.last.filter(|last| last.batch == event.batch && last.place + 1 == event.place);
        if last.is_none() {
            put_batch(bytes, &event, batch_events);
        }
        let adjacent = last.is_some_and(|last| last.stream == event.stream && last.version.0 + 1 == event.version.0);
        let link = if adjacent { Link::Adjacent } else { Link::At(previous) };
        put_event(bytes, &event, last.map(|last| last.kind), link, skips);
        let length = bytes.len() - open.start;
        if length > room || (length > BLOCK_BYTES && open.events > 0) {
            bytes.truncate(before);
            return None;
        }
        (open.events, open.last) = (open.events + 1, Some(event));
        Some(Location::new(segment_offset.0, segment_offset.1, place))
    }

    /// Ends the open block.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if self.bytes.len() == open.start + HEADER_BYTES + CHAIN_BYTES {
            self.bytes.truncate(open.start);
            return;
        }
        let checksum = seal(&mut self.bytes, open.start, self.tail.previous, open.first, open.events);
        self.blocks.push((self.tail.location(), open.first));
        let length = u32::try_from(self.bytes.len() - open.start).expect("a block fits a segment");
        let head = Position(self.tail.head.0 + u64::from(open.events));
        self.tail = Tail { offset: self.tail.offset + length, previous: checksum, head, ..self.tail };
    }

    /// Goes on in the next segment. What is in this one is on the disk first: a used segment after a broken block then
    /// tells damage from a write that was cut short.
    fn switch(&mut self) -> io::Result<()> {
        self.close();
        self.write()?;
        let number = self.tail.segment + 1;
        self.journal.file = self.journal.room.take()?;
        let header = segment::Header {
            number,
            bytes: segment::length(number),
            first: Position(self.tail.head.0 + 1),
            previous: self.tail.previous,
        };
        self.bytes = std::mem::take(&mut self.journal.spare);
        self.bytes.clear();
        self.bytes.extend_from_slice(&header.to_bytes());
        self.tail.segment = number;
        self.tail.offset = Tail::START.offset;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let start = u64::from(self.tail.offset) - self.bytes.len() as u64;
        self.journal.file.write_at(&self.bytes, start)?;
        // The header of a segment comes before the blocks of a group that begins or goes on in it.
        let header = if start == 0 { segment::HEADER_BYTES } else { 0 };
        let room = self.journal.links.written(std::mem::take(&mut self.bytes), header);
        self.journal.keep(room);
        self.journal.file.sync_data()
    }
}

/// The header of the first segment, which is written when the journal is made.
pub(super) fn first_header() -> [u8; segment::HEADER_BYTES] {
    segment::Header { number: 1, bytes: segment::length(1), first: Position(1), previous: 0 }.to_bytes()
}

/// No skips: what an event carries whose version 16 does not divide.
pub(super) const NO_SKIPS: Skips = [Location::NONE; SKIP_LEVELS];
