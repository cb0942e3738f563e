//! Telling a block that was never written whole from one that was damaged.
//!
//! A disk writes whole sectors: where a block that is not right has a sector without a byte of it, the write was cut
//! short; where every sector has something, the block was written and its bytes were changed later.

use std::ops::Range;

use super::block::{ENTRIES_START, HEADER_BYTES};

/// Bytes that a disk writes whole.
pub(super) const SECTOR_BYTES: usize = 512;
/// Bytes of a block's checksum, which its header's own checksum does not cover.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of a sector's part from which on nobody takes them for zeros that were written.
const TELLING_BYTES: usize = 4;

/// Whether a header that cannot be read was not wholly written. `bytes` start at `offset`, where it should be, and reach
/// up to the entries: the last bytes of a header are zeros, the chain value after them is not.
pub(super) fn is_torn_header(bytes: &[u8], offset: u32) -> bool {
    let of_header = |part: &Range<usize>| part.start < HEADER_BYTES && part.end > CHECKSUM_BYTES;
    parts(offset, bytes.len().min(ENTRIES_START)).filter(of_header).any(|part| is_zero(&bytes[part]))
}

/// Whether a block with a right header that starts at `offset` was not wholly written.
pub(super) fn is_torn_block(block: &[u8], checksum: u32, offset: u32) -> bool {
    let mut parts = parts(offset, block.len()).filter(|part| is_zero(&block[part.clone()]));
    parts.any(|part| part.len() >= TELLING_BYTES || is_right_but_for(block, checksum, &part))
}

/// Whether all of a block is right but the few bytes of `part`, at its start or its end.
fn is_right_but_for(block: &[u8], checksum: u32, part: &Range<usize>) -> bool {
    if part.start == 0 {
        return crc32fast::hash(&block[CHECKSUM_BYTES..]) >> (8 * part.len()) == checksum >> (8 * part.len());
    }
    let mut before = crc32fast::Hasher::new();
    before.update(&block[CHECKSUM_BYTES..part.start]);
    (1_u32..1 << (8 * part.len())).any(|bytes| {
        let mut whole = before.clone();
        whole.update(&bytes.to_le_bytes()[..part.len()]);
        whole.finalize() == checksum
    })
}

/// The parts in which `length` bytes from `offset` on stand in sectors.
fn parts(offset: u32, length: usize) -> impl Iterator<Item = Range<usize>> {
    let into = offset as usize % SECTOR_BYTES;
    let sectors = (0..into + length).step_by(SECTOR_BYTES);
    sectors.map(move |start| start.saturating_sub(into)..(start + SECTOR_BYTES - into).min(length))
}

fn is_zero(part: &[u8]) -> bool {
    part.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::Position;
    use crate::event_log::sled::block::{Block, Header, seal};
    use crate::event_log::sled::entries::put_checkpoint;

    /// A block that is a checkpoint to 0, which ends with a byte of zero.
    fn block() -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend_from_slice(&[7; ENTRIES_START - HEADER_BYTES]);
        put_checkpoint(&mut bytes, "county", Position(0));
        seal(&mut bytes, 0, 0x0102_0304, Position(1 << 40 | 0x0101_0101), 0);
        bytes
    }

    fn is_torn(bytes: &[u8], offset: u32) -> bool {
        assert!(Block::parse(bytes).is_none());
        match Header::parse(bytes) {
            Some(header) => is_torn_block(bytes, header.checksum, offset),
            None => is_torn_header(bytes, offset),
        }
    }

    #[test]
    fn a_lost_sector_is_torn_wherever_it_begins() {
        let block = block();
        for offset in 0..512 {
            for part in parts(offset, block.len()) {
                let mut torn = block.clone();
                torn[part.clone()].fill(0);
                assert!(torn == block || is_torn(&torn, offset), "{part:?} of a block at {offset}");
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_damage_wherever_the_block_begins() {
        let block = block();
        for offset in 0..512 {
            for at in 0..block.len() {
                let mut flipped = block.clone();
                flipped[at] ^= 0x10;
                assert!(!is_torn(&flipped, offset), "byte {at} of a block at {offset}");
            }
        }
    }
}
