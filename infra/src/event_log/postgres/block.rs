//! A block: consecutive events in their stored form, compressed together to fit a page of the database. What repeats
//! from event to event costs next to nothing: on the wire, in the database's own journal and on its disk.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the compressed events |
//! | 4 | CRC-32 of everything after it |
//! | 4 | length of the events before they were compressed |
//! | | the events one after the other, see [`super::stored`], as one block of LZ4 |
//!
//! Numbers are big-endian. Blocks can be read one after the other.

use std::ops::Range;

use super::failure::corrupt;
use super::stored::{Bytes, Place};
use crate::event_log::LogError;

/// Most bytes of events in a block, before they are compressed, unless it is of one event: as far as LZ4 looks back.
const EVENTS_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a block of several events. Its row fits a page then: 8,160 bytes without the row's header, the
/// position and the length.
const BLOCK_BYTES_MAX: usize = 8_160 - 24 - 8 - 4;
/// More than any event takes: a length above it is none.
const LENGTH_MAX: usize = 2 << 20;
/// Bytes in front of the compressed events.
const HEADER_BYTES: usize = 12;

/// Cuts `events` into blocks; `ends` tells where each event ends. Gives for each block which events it takes, at least
/// one, and its bytes. The same events are always cut alike.
pub(super) fn cut<'a>(events: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = (Range<usize>, Vec<u8>)> + 'a {
    let (mut from, mut start) = (0, 0);
    std::iter::from_fn(move || {
        let rest = ends.get(from..).filter(|rest| !rest.is_empty())?;
        let mut count = rest.partition_point(|end| end - start <= EVENTS_BYTES_MAX).max(1);
        let block = loop {
            let block = pack(&events[start..rest[count - 1]]);
            if block.len() <= BLOCK_BYTES_MAX || count == 1 {
                break block;
            }
            // As many as fit if all are like these.
            count = (count * BLOCK_BYTES_MAX / block.len()).clamp(1, count - 1);
        };
        let taken = from..from + count;
        (from, start) = (taken.end, rest[count - 1]);
        Some((taken, block))
    })
}

/// The block of `events`.
fn pack(events: &[u8]) -> Vec<u8> {
    let mut block = vec![0; HEADER_BYTES + lz4_flex::block::get_maximum_output_size(events.len())];
    let length = lz4_flex::compress_into(events, &mut block[HEADER_BYTES..]).expect("there is room for the worst case");
    // A copy: a block is far smaller than the room that the worst case needs.
    let mut block = block[..HEADER_BYTES + length].to_vec();
    let four = |length: usize| u32::try_from(length).expect("events are bounded far below 4 GiB").to_be_bytes();
    block[..4].copy_from_slice(&four(length));
    block[8..12].copy_from_slice(&four(events.len()));
    let checksum = crc32fast::hash(&block[8..]);
    block[4..8].copy_from_slice(&checksum.to_be_bytes());
    block
}

/// Unpacks the first of `blocks`, in which `place` is looked for, into `events`; gives the blocks after it.
pub(super) fn unpack<'a>(blocks: &'a [u8], place: Place<'_>, events: &mut Vec<u8>) -> Result<&'a [u8], LogError> {
    let damaged = |what: &str| corrupt(format!("the block of {place}: {what}"));
    let mut rest = Bytes(blocks);
    let (Some(length), Some(checksum)) = (rest.u32(), rest.u32()) else { return Err(damaged("it is cut short")) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let block = rest.take(length.saturating_add(4)).ok_or_else(|| damaged("it is cut short"))?;
    if crc32fast::hash(block) != checksum {
        return Err(damaged("its checksum does not match"));
    }
    let mut packed = Bytes(block);
    let length = packed.u32().and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= LENGTH_MAX);
    let length = length.ok_or_else(|| damaged("it cannot be read"))?;
    events.resize(length, 0);
    if lz4_flex::decompress_into(packed.0, events).ok() != Some(length) {
        return Err(damaged("it cannot be read"));
    }
    Ok(rest.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::Position;

    const PLACE: Place<'_> = Place::Log(Position(7));

    /// `count` texts of `bytes` bytes each: the same again and again, or none like another.
    fn texts(count: usize, bytes: usize, alike: bool) -> (Vec<u8>, Vec<usize>) {
        let mut state = 1_u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        let texts = (0..count * bytes).map(|at| if alike { b"0123456789"[at % 10] } else { byte() }).collect();
        (texts, (1..=count).map(|number| number * bytes).collect())
    }

    /// Reads blocks that stand one after the other.
    fn unpacked(blocks: &[u8]) -> Vec<u8> {
        let (mut rest, mut room, mut all) = (blocks, Vec::new(), Vec::new());
        while !rest.is_empty() {
            rest = unpack(rest, PLACE, &mut room).unwrap();
            all.extend_from_slice(&room);
        }
        all
    }

    #[test]
    fn every_event_is_in_one_block_and_a_block_of_several_fits_a_page() {
        for (count, bytes, alike) in [
            (1, 1, true),
            (1, 1 << 20, false),
            (700, 400, true),
            (700, 400, false),
            (3, 70_000, true),
            (9, 5_000, false),
        ] {
            let (events, ends) = texts(count, bytes, alike);
            let cuts: Vec<_> = cut(&events, &ends).collect();
            let mut next = 0;
            for (taken, block) in &cuts {
                assert_eq!(taken.start, next);
                assert!(taken.len() == 1 || block.len() <= BLOCK_BYTES_MAX, "{} of {bytes} bytes", taken.len());
                assert!(taken.len() == 1 || taken.len() * bytes <= EVENTS_BYTES_MAX);
                next = taken.end;
            }
            assert_eq!(next, count);
            let blocks: Vec<Vec<u8>> = cuts.iter().map(|(_, block)| block.clone()).collect();
            assert_eq!(unpacked(&blocks.concat()), events);
            assert_eq!(cut(&events, &ends).collect::<Vec<_>>(), cuts);
        }
        assert_eq!(cut(&[], &[]).count(), 0);
    }

    #[test]
    fn events_that_are_alike_take_little_room_and_others_fill_their_pages() {
        let (events, ends) = texts(160, 400, true);
        assert!(cut(&events, &ends).map(|(_, block)| block.len()).sum::<usize>() < events.len() / 50);
        let (events, ends) = texts(160, 400, false);
        let blocks: Vec<usize> = cut(&events, &ends).map(|(taken, _)| taken.len()).collect();
        assert_eq!(blocks, [20; 8]);
    }

    #[test]
    fn every_flipped_byte_and_every_lost_tail_is_noticed() {
        let (events, ends) = texts(20, 40, true);
        let (_, block) = cut(&events, &ends).next().unwrap();
        for place in 0..block.len() {
            let mut damaged = block.clone();
            damaged[place] ^= 0x20;
            assert!(unpack(&damaged, PLACE, &mut Vec::new()).is_err(), "byte {place}");
            assert!(unpack(&block[..place], PLACE, &mut Vec::new()).is_err(), "length {place}");
        }
        let error = unpack(&block[..9], PLACE, &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(error, "the store is damaged: the block of event 7: it is cut short");
    }

    #[test]
    fn a_length_that_no_event_has_is_refused_before_it_is_made() {
        let mut block = pack(b"text");
        block[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        let checksum = crc32fast::hash(&block[8..]);
        block[4..8].copy_from_slice(&checksum.to_be_bytes());
        let error = unpack(&block, PLACE, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
