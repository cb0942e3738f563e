//! The stored form of the index: numbers and texts one after the other, closed by the checksum that sled's entry has.

use super::index::{Index, Mark};
use super::location::Location;
use super::streams::{Head, Streams};
use super::tail::{NO_SKIPS, Tail};
use super::wire::{Reader, put_number, put_text};
use crate::event_log::Position;

/// Format written by this program.
const FORMAT: u8 = 1;

/// The stored form of the index up to `tail`, in pieces: as a whole it may be large, and what has become a piece is let
/// go of. Keys are stored apart.
pub(super) fn pieces(tail: &Tail, index: Index) -> impl Iterator<Item = Vec<u8>> {
    let mut start = start(tail, &index);
    for mark in &index.marks {
        put_number(&mut start, mark.first.0);
        put_number(&mut start, mark.location.pack());
    }
    put_checkpoints(&mut start, &index);
    std::iter::once(start).chain(index.streams.into_parts().map(|part| piece(&part)))
}

fn piece(streams: &Streams) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (stream, head, skips) in streams.iter() {
        bytes.extend_from_slice(&stream.to_le_bytes());
        put_number(&mut bytes, head.version);
        put_number(&mut bytes, head.location.pack());
        // The first skip leads to event 16.
        for skip in skips.into_iter().filter(|_| head.version >= 16) {
            put_number(&mut bytes, skip.pack());
        }
    }
    bytes
}

fn start(tail: &Tail, index: &Index) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    put_number(&mut bytes, tail.location().pack());
    put_number(&mut bytes, u64::from(tail.previous));
    bytes.extend_from_slice(&tail.chain);
    put_number(&mut bytes, tail.head.0);
    put_number(&mut bytes, index.marks.len() as u64);
    bytes
}

fn put_checkpoints(bytes: &mut Vec<u8>, index: &Index) {
    put_number(bytes, index.checkpoints.len() as u64);
    for (consumer, position) in &index.checkpoints {
        put_text(bytes, consumer);
        put_number(bytes, position.0);
    }
}

/// The index in its stored form; none when `bytes` are not of that form.
pub(super) fn decode(bytes: &[u8]) -> Option<(Tail, Index)> {
    let mut rest = Reader(bytes);
    if rest.byte()? != FORMAT {
        return None;
    }
    let location = Location::unpack(rest.number()?);
    let tail = Tail {
        segment: location.segment(),
        offset: location.offset(),
        previous: u32::try_from(rest.number()?).ok()?,
        chain: rest.array()?,
        head: Position(rest.number()?),
    };
    let mut index = Index::default();
    for _ in 0..rest.number()? {
        let first = Position(rest.number()?);
        index.marks.push(Mark { first, location: Location::unpack(rest.number()?) });
    }
    for _ in 0..rest.number()? {
        let consumer = rest.text()?.to_owned();
        index.checkpoints.insert(consumer, Position(rest.number()?));
    }
    while !rest.is_empty() {
        let stream = u128::from_le_bytes(rest.array()?);
        let head = Head { version: rest.number()?, location: Location::unpack(rest.number()?) };
        let skips = if head.version < 16 { NO_SKIPS } else { skips(&mut rest)? };
        index.streams.restore(stream, head, skips);
    }
    Some((tail, index))
}

fn skips(rest: &mut Reader<'_>) -> Option<super::entries::Skips> {
    let mut skips = NO_SKIPS;
    for skip in &mut skips {
        *skip = Location::unpack(rest.number()?);
    }
    Some(skips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::sled::streams::name_hash;

    #[test]
    fn an_index_comes_back_as_it_was_stored() {
        let mut index = Index::default();
        let mut streams = Streams::default();
        for version in 1..=300 {
            let location = Location::new(3, 1_000 + version, 7);
            streams.advance(name_hash("county/高唐"), u64::from(version), location);
        }
        streams.advance(name_hash("b"), 1, Location::new(1, 32, 0));
        index.streams.merge(streams);
        index.mark(Location::new(1, 32, 0), Position(1));
        index.mark(Location::new(3, 1_000, 0), Position(2));
        index.checkpoints.insert("台账".into(), Position(9));
        let tail = Tail { segment: 3, offset: 77, previous: 5, chain: [7; 32], head: Position(301) };
        let bytes = pieces(&tail, index.clone()).collect::<Vec<_>>().concat();
        assert_eq!(decode(&bytes).as_ref(), Some(&(tail, index.clone())));
        for length in 0..bytes.len() {
            assert_ne!(decode(&bytes[..length]).as_ref(), Some(&(tail, index.clone())), "cut at {length}");
        }
    }
}
