//! The entries of a block: batches' envelopes, events and checkpoints.
//!
//! An entry begins with a byte of a kind in its two lowest bits and flags: a batch's envelope, an event of the batch
//! before it, or a checkpoint.

use jiff::Timestamp;
use uuid::Uuid;

use super::location::Location;
use super::wire::{Reader, put_number, put_text};
use crate::event_log::{EventRef, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Position, StreamVersion};

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
    /// The entries in `bytes`, of which `events` are events, from position `first` on.
    pub(super) fn new(bytes: &'a [u8], first: Position, events: u32) -> Self {
        Self { rest: Reader(bytes), position: first, left: events, batch: None, before: None }
    }

    fn envelope(&mut self, flags: u8) -> Option<Envelope<'a>> {
        let rest = &mut self.rest;
        let batch = rest.uuid()?;
        let seconds = i64::from_le_bytes(rest.array()?);
        let recorded_at = Timestamp::new(seconds, i32::from_le_bytes(rest.array()?)).ok()?;
        let next_place = u32::try_from(rest.number()?).ok()?;
        let events = u32::try_from(rest.number()?).ok()?;
        let actor = name(rest)?;
        let key = if flags & HAS_KEY == 0 { None } else { Some((name(rest)?, rest.uuid()?)) };
        let causation = if flags & HAS_CAUSATION == 0 { None } else { Some(rest.uuid()?) };
        let correlation = if flags & HAS_CORRELATION == 0 { None } else { Some(rest.uuid()?) };
        Some(Envelope { batch, recorded_at, next_place, events, actor, key, causation, correlation })
    }

    fn event(&mut self, flags: u8) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let batch = self.batch.as_mut()?;
        let rest = &mut self.rest;
        let (stream, version, link) = if flags & SAME_STREAM == 0 {
            let (stream, version) = (name(rest)?, rest.number()?);
            (stream, StreamVersion(version), Link::At(Location::unpack(rest.number()?)))
        } else {
            let (stream, version, _) = self.before?;
            (stream, StreamVersion(version.0.checked_add(1)?), Link::Adjacent)
        };
        // Every version has a position of its own.
        if version.0 == 0 || version.0 > self.position.0 {
            return None;
        }
        let mut skips = [Location::NONE; SKIP_LEVELS];
        for skip in &mut skips[..skip_levels(version.0)] {
            *skip = Location::unpack(rest.number()?);
        }
        let kind = if flags & SAME_TYPE == 0 { name(rest)? } else { self.before?.2 };
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
            payload: rest.text().filter(|payload| payload.len() <= PAYLOAD_BYTES_MAX)?,
        };
        let entry = Entry { event, batch_events: batch.events, link, skips };
        batch.next_place = batch.next_place.checked_add(1)?;
        self.position.0 = self.position.0.checked_add(1)?;
        self.before = Some((stream, version, kind));
        Some(entry)
    }

    fn checkpoint(&mut self) -> Option<Item<'a>> {
        let consumer = name(&mut self.rest)?;
        Some(Item::Checkpoint { consumer, to: Position(self.rest.number()?) })
    }
}

/// A name within the bound of the log. What is recorded is within it, and what reads names rests on that.
fn name<'a>(rest: &mut Reader<'a>) -> Option<&'a str> {
    rest.text().filter(|name| name.len() <= NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::sled::block::Block;
    use crate::event_log::sled::block::tests::block;

    const EVENT_ONE: EventRef<'_> = EventRef {
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

    #[test]
    fn more_events_than_the_header_says_are_not_read() {
        let event = EVENT_ONE;
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

    #[test]
    fn a_name_or_a_version_out_of_bounds_is_not_read() {
        let readable = |event: &EventRef<'_>| {
            let mut entries = Vec::new();
            put_batch(&mut entries, event, 1);
            put_event(&mut entries, event, None, Link::At(Location::NONE), &[Location::NONE; SKIP_LEVELS]);
            let read = Entries::new(&entries, event.position, 1).next();
            read.expect("something stands there").is_some()
        };
        let (fits, exceeds) = ("x".repeat(NAME_BYTES_MAX), "x".repeat(NAME_BYTES_MAX + 1));
        let large = "x".repeat(PAYLOAD_BYTES_MAX + 1);
        let request = Some(Uuid::nil());
        assert!(readable(&EventRef { stream: &fits, kind: &fits, actor: &fits, ..EVENT_ONE }));
        for (name, event) in [
            ("stream", EventRef { stream: &exceeds, ..EVENT_ONE }),
            ("type", EventRef { kind: &exceeds, ..EVENT_ONE }),
            ("actor", EventRef { actor: &exceeds, ..EVENT_ONE }),
            ("key", EventRef { idempotency_key: Some(&exceeds), request, ..EVENT_ONE }),
            ("payload", EventRef { payload: &large, ..EVENT_ONE }),
            ("no version", EventRef { version: StreamVersion(0), ..EVENT_ONE }),
            ("a version above its position", EventRef { version: StreamVersion(2), ..EVENT_ONE }),
        ] {
            assert!(!readable(&event), "{name}");
        }
    }
}
