//! A block of the journal: the events and checkpoints of one write, behind a header that says how long it is and
//! which block it follows.
//!
//! | header bytes | what |
//! |---|---|
//! | 4 | CRC-32 of everything after it, body included |
//! | 4 | CRC-32 of the header after it |
//! | 4 | the first field of the block before; 0 for the first block |
//! | 4 | length of the body |
//! | 8 | position of the first event; without events, that of the next one |
//! | 4 | number of events |
//! | 4 | format, 1 |
//!
//! Numbers are little-endian. The body is the chain value up to the group of blocks before (see `chain`) and
//! entries. An entry begins with a byte of a kind in its two lowest bits and flags:
//! a batch's envelope, an event of the batch before it, or a checkpoint.

use jiff::Timestamp;
use uuid::Uuid;

use super::location::{BLOCK_EVENTS_MAX, Location};
use super::wire::{Reader, put_number, put_text};
use crate::event_log::leaf::Hash;
use crate::event_log::{EventRef, Position, StreamVersion};

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of the chain value.
pub(super) const CHAIN_BYTES: usize = 32;
/// Where the entries begin.
const ENTRIES_START: usize = HEADER_BYTES + CHAIN_BYTES;
/// Format written by this program.
const FORMAT: u32 = 1;
/// Levels of skips: a version that 16, 16², 16³ or 16⁴ divides leads back that many versions.
pub(super) const SKIP_LEVELS: usize = 4;

const BATCH: u8 = 0;
const EVENT: u8 = 1;
const CHECKPOINT: u8 = 2;
const KIND_BITS: u8 = 0b11;

const HAS_KEY: u8 = 1 << 2;
const HAS_CAUSATION: u8 = 1 << 3;
const HAS_CORRELATION: u8 = 1 << 4;
const SAME_STREAM: u8 = 1 << 2;
const SAME_TYPE: u8 = 1 << 3;

/// What stands before a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Checksum of the block.
    pub(super) checksum: u32,
    /// Checksum of the block before it.
    pub(super) previous: u32,
    /// Length of the body in bytes.
    pub(super) body_bytes: u32,
    /// Position of the first event, or of the next one when there is none.
    pub(super) first: Position,
    /// Number of events.
    pub(super) events: u32,
}

impl Header {
    /// The header at the start of `bytes`; none when it is not whole and right.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let number = |at: usize| header[at..].first_chunk().map(|four| u32::from_le_bytes(*four));
        let first = header[16..].first_chunk().map(|eight| u64::from_le_bytes(*eight))?;
        let events = number(24)?;
        let countable =
            first > 0 && events <= u32::from(BLOCK_EVENTS_MAX) + 1 && first.checked_add(u64::from(events)).is_some();
        let right = number(4)? == crc32fast::hash(&header[8..]) && number(28)? == FORMAT && countable;
        right.then_some(Self {
            checksum: number(0)?,
            previous: number(8)?,
            body_bytes: number(12)?,
            first: Position(first),
            events,
        })
    }

    /// Length of the whole block.
    pub(super) fn block_bytes(&self) -> usize {
        HEADER_BYTES + usize::try_from(self.body_bytes).expect("32 bits fit a usize")
    }

    /// Position of the last event up to this block.
    pub(super) fn last(&self) -> Position {
        Position(self.first.0 + u64::from(self.events) - 1)
    }
}

/// Writes the header of the block that starts at `start` of `bytes` and ends with them; gives its checksum.
pub(super) fn seal(bytes: &mut [u8], start: usize, previous: u32, first: Position, events: u32) -> u32 {
    let block = &mut bytes[start..];
    let body = u32::try_from(block.len() - HEADER_BYTES).expect("a block fits a segment");
    block[8..12].copy_from_slice(&previous.to_le_bytes());
    block[12..16].copy_from_slice(&body.to_le_bytes());
    block[16..24].copy_from_slice(&first.0.to_le_bytes());
    block[24..28].copy_from_slice(&events.to_le_bytes());
    block[28..32].copy_from_slice(&FORMAT.to_le_bytes());
    let header = crc32fast::hash(&block[8..HEADER_BYTES]);
    block[4..8].copy_from_slice(&header.to_le_bytes());
    let checksum = crc32fast::hash(&block[4..]);
    block[..4].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// A whole block whose checksum was right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) header: Header,
    /// All of it, its header included.
    pub(super) bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// The block at the start of `bytes`; none when it is not whole and right.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let block = Self::framed(bytes)?;
        let right = crc32fast::hash(&block.bytes[4..]) == block.header.checksum;
        right.then_some(block)
    }

    /// The block at the start of `bytes`, which were parsed before; none when its frame is not right.
    pub(super) fn framed(bytes: &'a [u8]) -> Option<Self> {
        let header = Header::parse(bytes)?;
        let bytes = bytes.get(..header.block_bytes()).filter(|bytes| bytes.len() >= ENTRIES_START)?;
        Some(Self { header, bytes })
    }

    /// The chain value up to the group before this block's.
    pub(super) fn chain(&self) -> Hash {
        *self.bytes[HEADER_BYTES..].first_chunk().expect("a parsed block has its chain value")
    }

    /// Its entries in order.
    pub(super) fn entries(&self) -> Entries<'a> {
        let (rest, left) = (Reader(&self.bytes[ENTRIES_START..]), self.header.events);
        Entries { rest, position: self.header.first, left, batch: None, before: None }
    }
}

/// How an event of a stream leads back to earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The event before it in the stream stands right before it in the block.
    Adjacent,
    /// The event before it in the stream; [`Location::NONE`] for the first.
    At(Location),
}

/// Where the events 16, 16², 16³ and 16⁴ versions back stand, for a version that these divide.
pub(super) type Skips = [Location; SKIP_LEVELS];

/// Levels of skips that an event of this version carries.
pub(super) fn skip_levels(version: u64) -> usize {
    (1..=SKIP_LEVELS).take_while(|level| version.is_multiple_of(1 << (4 * level))).count()
}

/// An event and what the store keeps with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) event: EventRef<'a>,
    /// Events in its whole batch.
    pub(super) batch_events: u32,
    pub(super) link: Link,
    pub(super) skips: Skips,
}

/// Something in a block.
#[expect(clippy::large_enum_variant, reason = "nearly every item is an event, and none is kept")]
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Event(Entry<'a>),
    Checkpoint { consumer: &'a str, to: Position },
}

/// Appends the envelope that the events after it share. `place` is that of the first of them.
pub(super) fn put_batch(to: &mut Vec<u8>, event: &EventRef<'_>, batch_events: u32) {
    let flag = |flag: u8, there: bool| if there { flag } else { 0 };
    to.push(
        BATCH
            | flag(HAS_KEY, event.idempotency_key.is_some())
            | flag(HAS_CAUSATION, event.causation.is_some())
            | flag(HAS_CORRELATION, event.correlation.is_some()),
    );
    to.extend_from_slice(event.batch.as_bytes());
    to.extend_from_slice(&event.recorded_at.as_second().to_le_bytes());
    to.extend_from_slice(&event.recorded_at.subsec_nanosecond().to_le_bytes());
    put_number(to, u64::from(event.place));
    put_number(to, u64::from(batch_events));
    put_text(to, event.actor);
    if let Some(key) = event.idempotency_key {
        put_text(to, key);
        to.extend_from_slice(event.request.unwrap_or_default().as_bytes());
    }
    for id in [event.causation, event.correlation].into_iter().flatten() {
        to.extend_from_slice(Uuid::as_bytes(&id));
    }
}

/// Appends an event; `type_before` is the type of the event before it in the block and batch.
pub(super) fn put_event(to: &mut Vec<u8>, event: &EventRef<'_>, type_before: Option<&str>, link: Link, skips: &Skips) {
    let same_stream = link == Link::Adjacent;
    let same_type = type_before == Some(event.kind);
    to.push(EVENT | if same_stream { SAME_STREAM } else { 0 } | if same_type { SAME_TYPE } else { 0 });
    if let Link::At(previous) = link {
        put_text(to, event.stream);
        put_number(to, event.version.0);
        put_number(to, previous.pack());
    }
    for skip in &skips[..skip_levels(event.version.0)] {
        put_number(to, skip.pack());
    }
    if !same_type {
        put_text(to, event.kind);
    }
    put_number(to, u64::from(event.schema));
    put_text(to, event.payload);
}

/// Appends a checkpoint.
pub(super) fn put_checkpoint(to: &mut Vec<u8>, consumer: &str, position: Position) {
    to.push(CHECKPOINT);
    put_text(to, consumer);
    put_number(to, position.0);
}

#[derive(Debug, Clone, Copy)]
struct Envelope<'a> {
    batch: Uuid,
    recorded_at: Timestamp,
    next_place: u32,
    events: u32,
    actor: &'a str,
    key: Option<(&'a str, Uuid)>,
    causation: Option<Uuid>,
    correlation: Option<Uuid>,
}

/// Reads the entries of a block; an item is `None` where one cannot be read, which a right checksum rules out unless
/// the program that wrote it was wrong.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a> {
    rest: Reader<'a>,
    position: Position,
    /// Events that the header still promises.
    left: u32,
    batch: Option<Envelope<'a>>,
    before: Option<(&'a str, StreamVersion, &'a str)>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Option<Item<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let flags = self.rest.byte()?;
            let item = match flags & KIND_BITS {
                BATCH => match self.envelope(flags) {
                    Some(envelope) => {
                        (self.batch, self.before) = (Some(envelope), None);
                        continue;
                    }
                    None => None,
                },
                EVENT => self.event(flags).map(Item::Event),
                CHECKPOINT => self.checkpoint(),
                _ => None,
            };
            if item.is_none() {
                self.rest = Reader(&[]);
            }
            return Some(item);
        }
    }
}

impl<'a> Entries<'a> {
    fn envelope(&mut self, flags: u8) -> Option<Envelope<'a>> {
        let rest = &mut self.rest;
        let batch = rest.uuid()?;
        let seconds = i64::from_le_bytes(rest.array()?);
        let recorded_at = Timestamp::new(seconds, i32::from_le_bytes(rest.array()?)).ok()?;
        let next_place = u32::try_from(rest.number()?).ok()?;
        let events = u32::try_from(rest.number()?).ok()?;
        let actor = rest.text()?;
        let key = if flags & HAS_KEY == 0 { None } else { Some((rest.text()?, rest.uuid()?)) };
        let causation = if flags & HAS_CAUSATION == 0 { None } else { Some(rest.uuid()?) };
        let correlation = if flags & HAS_CORRELATION == 0 { None } else { Some(rest.uuid()?) };
        Some(Envelope { batch, recorded_at, next_place, events, actor, key, causation, correlation })
    }

    fn event(&mut self, flags: u8) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let batch = self.batch.as_mut()?;
        let rest = &mut self.rest;
        let (stream, version, link) = if flags & SAME_STREAM == 0 {
            let (stream, version) = (rest.text()?, rest.number()?);
            (stream, StreamVersion(version), Link::At(Location::unpack(rest.number()?)))
        } else {
            let (stream, version, _) = self.before?;
            (stream, StreamVersion(version.0.checked_add(1)?), Link::Adjacent)
        };
        let mut skips = [Location::NONE; SKIP_LEVELS];
        for skip in &mut skips[..skip_levels(version.0)] {
            *skip = Location::unpack(rest.number()?);
        }
        let kind = if flags & SAME_TYPE == 0 { rest.text()? } else { self.before?.2 };
        let schema = u16::try_from(rest.number()?).ok()?;
        let event = EventRef {
            position: self.position,
            stream,
            version,
            batch: batch.batch,
            place: batch.next_place,
            kind,
            schema,
            recorded_at: batch.recorded_at,
            actor: batch.actor,
            causation: batch.causation,
            correlation: batch.correlation,
            idempotency_key: batch.key.map(|(key, _)| key),
            request: batch.key.map(|(_, request)| request),
            payload: rest.text()?,
        };
        let entry = Entry { event, batch_events: batch.events, link, skips };
        batch.next_place = batch.next_place.checked_add(1)?;
        self.position.0 = self.position.0.checked_add(1)?;
        self.before = Some((stream, version, kind));
        Some(entry)
    }

    fn checkpoint(&mut self) -> Option<Item<'a>> {
        let consumer = self.rest.text()?;
        Some(Item::Checkpoint { consumer, to: Position(self.rest.number()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sealed block of `events` events, whatever its entries are, in which `entries` stand.
    fn block(first: u64, events: u32, entries: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + CHAIN_BYTES];
        bytes.extend_from_slice(entries);
        seal(&mut bytes, 0, 0, Position(first), events);
        bytes
    }

    #[test]
    fn a_header_that_counts_what_cannot_be_is_not_right() {
        for (first, events) in [(0, 0), (0, 1), (1, u32::MAX), (1, 4_097), (u64::MAX, 1), (u64::MAX - 1, 4_000)] {
            assert!(Block::parse(&block(first, events, &[])).is_none(), "{first}, {events}");
        }
        assert!(Block::parse(&block(1, 4_096, &[])).is_some());
        assert_eq!(Block::parse(&block(1, 0, &[])).map(|block| block.header.last()), Some(Position(0)));
    }

    #[test]
    fn more_events_than_the_header_says_are_not_read() {
        let event = EventRef {
            position: Position(1),
            stream: "county/高唐",
            version: StreamVersion(1),
            batch: Uuid::from_u128(1),
            place: 0,
            kind: "own.written",
            schema: 1,
            recorded_at: Timestamp::UNIX_EPOCH,
            actor: "bureau",
            causation: None,
            correlation: None,
            idempotency_key: None,
            request: None,
            payload: "{}",
        };
        let mut entries = Vec::new();
        put_batch(&mut entries, &event, 2);
        let no_skips = [Location::NONE; SKIP_LEVELS];
        put_event(&mut entries, &event, None, Link::At(Location::NONE), &no_skips);
        put_event(&mut entries, &event, Some(event.kind), Link::Adjacent, &no_skips);
        let readable = |events| {
            let bytes = block(1, events, &entries);
            let block = Block::parse(&bytes).unwrap();
            block.entries().map(|item| item.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(readable(2), [true, true]);
        assert_eq!(readable(1), [true, false]);
    }
}
