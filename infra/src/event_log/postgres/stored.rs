//! The stored form of an event: its leaf, with length and checksum before it, so that events can be read in a row.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the leaf |
//! | 4 | CRC-32 of the leaf |
//! | | the leaf, see [`crate::event_log::leaf`] |
//!
//! Numbers are big-endian.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use super::failure::corrupt;
use crate::event_log::leaf;
use crate::event_log::{EventRef, LogError, Position, StreamVersion};

/// Bytes in front of the leaf.
const HEADER_BYTES: usize = 8;
/// Where a leaf has the length of its stream's name: behind position, version, batch, place, schema and time.
const STREAM_AT: usize = 8 + 8 + 16 + 4 + 2 + 12;

/// Writes the stored form of `event` behind what is in `to`.
pub(super) fn encode(event: &EventRef<'_>, to: &mut Vec<u8>) {
    let start = to.len();
    to.resize(start + HEADER_BYTES, 0);
    leaf::write(event, to);
    let (header, leaf) = to[start..].split_at_mut(HEADER_BYTES);
    let length = u32::try_from(leaf.len()).expect("names and payloads are bounded far below 4 GiB");
    header[..4].copy_from_slice(&length.to_be_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(leaf).to_be_bytes());
}

/// Where an event is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// At this position.
    Log(Position),
    /// In this stream at this version.
    Stream(&'a str, StreamVersion),
}

impl Place<'_> {
    fn is_of(self, event: &EventRef<'_>) -> bool {
        match self {
            Self::Log(position) => event.position == position,
            Self::Stream(stream, version) => event.stream == stream && event.version == version,
        }
    }

    /// Whether a leaf is of an event before this place, or of another stream; what cannot be read is not.
    fn is_after(self, leaf: &[u8]) -> bool {
        let mut start = Bytes(leaf);
        let (Some(position), Some(version)) = (start.u64(), start.u64()) else { return false };
        match self {
            Self::Log(wanted) => position < wanted.0,
            Self::Stream(stream, wanted) => {
                let mut name = Bytes(leaf.get(STREAM_AT..).unwrap_or_default());
                let name = name.u16().and_then(|length| name.take(usize::from(length)));
                name.is_some_and(|name| name != stream.as_bytes() || version < wanted.0)
            }
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(position) => write!(f, "event {position}"),
            Self::Stream(stream, version) => write!(f, "version {version} of {stream}"),
        }
    }
}

/// The first event of `bodies`, found at `place`, and the bodies after it.
pub(super) fn first<'a>(bodies: &'a [u8], place: Place<'_>) -> Result<(EventRef<'a>, &'a [u8]), LogError> {
    let damaged = |what: &str| corrupt(format!("{place}: {what}"));
    let mut rest = Bytes(bodies);
    let (Some(length), Some(checksum)) = (rest.u32(), rest.u32()) else { return Err(damaged("it is cut short")) };
    let leaf = rest.take(usize::try_from(length).unwrap_or(usize::MAX)).ok_or_else(|| damaged("it is cut short"))?;
    if crc32fast::hash(leaf) != checksum {
        return Err(damaged("its checksum does not match"));
    }
    let event = read_leaf(leaf).ok_or_else(|| damaged("it cannot be read"))?;
    if !place.is_of(&event) {
        return Err(damaged(&format!("event {} is in its place", event.position)));
    }
    Ok((event, rest.0))
}

/// The bodies from the event at `place`, or the next after it, on; empty when there is none. Only places are looked
/// at: what is damaged is found by reading it.
pub(super) fn seek<'a>(bodies: &'a [u8], place: Place<'_>) -> &'a [u8] {
    let mut bodies = bodies;
    loop {
        let mut rest = Bytes(bodies);
        let length = rest.u32().filter(|_| rest.u32().is_some());
        match length.and_then(|length| rest.take(usize::try_from(length).unwrap_or(usize::MAX))) {
            Some(leaf) if place.is_after(leaf) => bodies = rest.0,
            Some(_) | None => return bodies,
        }
    }
}

fn read_leaf(leaf: &[u8]) -> Option<EventRef<'_>> {
    let mut rest = Bytes(leaf);
    let (position, version) = (Position(rest.u64()?), StreamVersion(rest.u64()?));
    let (batch, place, schema) = (rest.uuid()?, rest.u32()?, rest.u16()?);
    let recorded_at = Timestamp::new(rest.u64()?.cast_signed(), rest.u32()?.cast_signed()).ok()?;
    let (stream, kind, actor, key) = (rest.text()?, rest.text()?, rest.text()?, rest.text()?);
    let [flags] = rest.array()?;
    let mut id = |flag: u8| if flags & flag == 0 { Some(None) } else { rest.uuid().map(Some) };
    let (request, causation, correlation) = (id(2)?, id(4)?, id(8)?);
    Some(EventRef {
        position,
        stream,
        version,
        batch,
        place,
        kind,
        schema,
        recorded_at,
        actor,
        causation,
        correlation,
        idempotency_key: (flags & 1 != 0).then_some(key),
        request,
        payload: std::str::from_utf8(rest.0).ok()?,
    })
}

/// Bytes still to be read.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes as a number.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.array().map(Uuid::from_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.u16()?;
        std::str::from_utf8(self.take(usize::from(length))?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::{Recorded, StreamId, event_id};

    fn event() -> Recorded {
        let batch = Uuid::from_u128(1);
        Recorded {
            position: Position(7),
            stream: StreamId::new("county", "高唐"),
            version: StreamVersion(3),
            id: event_id(batch, 2),
            kind: "county.interview_held".into(),
            schema: 2,
            recorded_at: "1969-03-05T01:02:03.123456789Z".parse().unwrap(),
            actor: "office \"甲\"\0".into(),
            causation: None,
            correlation: Some(Uuid::from_u128(2)),
            idempotency_key: Some("k\n1".into()),
            request: Some(Uuid::from_u128(3)),
            batch,
            place: 2,
            payload: "{ \"名\":\t\"徒骇河\", \"x\": 1.50 }".into(),
        }
    }

    fn stored(events: &[Recorded]) -> Vec<u8> {
        let mut bodies = Vec::new();
        for event in events {
            encode(&EventRef::from(event), &mut bodies);
        }
        bodies
    }

    fn read(bodies: &[u8], position: u64) -> Result<Recorded, LogError> {
        first(bodies, Place::Log(Position(position))).map(|(event, _)| event.to_recorded())
    }

    #[test]
    fn events_in_a_row_are_read_one_after_the_other() {
        let bare = Recorded { idempotency_key: None, request: None, position: Position(8), ..event() };
        let bodies = stored(&[event(), bare.clone()]);
        let (one, rest) = first(&bodies, Place::Log(Position(7))).unwrap();
        assert_eq!(one.to_recorded(), event());
        let (two, rest) = first(rest, Place::Stream("county/高唐", StreamVersion(3))).unwrap();
        assert_eq!((two.to_recorded(), rest), (bare, &[][..]));
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let stored = stored(&[event()]);
        for place in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[place] ^= 0x20;
            assert!(matches!(read(&damaged, 7), Err(LogError::Corrupt { .. })), "byte {place}");
        }
    }

    #[test]
    fn every_lost_tail_is_noticed() {
        let stored = stored(&[event()]);
        for length in 0..stored.len() {
            assert!(matches!(read(&stored[..length], 7), Err(LogError::Corrupt { .. })), "length {length}");
        }
    }

    #[test]
    fn an_event_in_the_place_of_another_is_noticed() {
        let error = read(&stored(&[event()]), 8).unwrap_err();
        assert_eq!(error.to_string(), "the store is damaged: event 8: event 7 is in its place");
    }

    #[test]
    fn what_stands_before_a_place_is_passed_over() {
        let other = |position, name: &str| Recorded {
            position: Position(position),
            stream: StreamId::new("county", name),
            version: StreamVersion(position),
            ..event()
        };
        let bodies = stored(&[other(1, "a"), other(2, "b"), other(3, "a"), other(4, "b")]);
        let found = |place| first(seek(&bodies, place), place).map(|(event, _)| event.position.0);
        for position in 1..=4 {
            assert_eq!(found(Place::Log(Position(position))).unwrap(), position);
        }
        assert_eq!(found(Place::Stream("county/a", StreamVersion(3))).unwrap(), 3);
        assert_eq!(found(Place::Stream("county/b", StreamVersion(2))).unwrap(), 2);
        let missing = found(Place::Stream("county/b", StreamVersion(3))).unwrap_err().to_string();
        assert_eq!(missing, "the store is damaged: version 3 of county/b: event 4 is in its place");
        for place in
            [Place::Log(Position(5)), Place::Stream("county/a", StreamVersion(4)), Place::Stream("c", StreamVersion(1))]
        {
            assert_eq!(seek(&bodies, place), &[0; 0][..]);
        }
    }
}
