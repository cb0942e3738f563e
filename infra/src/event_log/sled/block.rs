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
//! `entries`.

use super::entries::Entries;
use super::location::BLOCK_EVENTS_MAX;
use crate::event_log::Position;
use crate::event_log::leaf::Hash;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of the chain value.
pub(super) const CHAIN_BYTES: usize = 32;
/// Where the entries begin.
pub(super) const ENTRIES_START: usize = HEADER_BYTES + CHAIN_BYTES;
/// Format written by this program.
const FORMAT: u32 = 1;

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
        let right = number(28)? == FORMAT && countable && number(4)? == crc32fast::hash(&header[8..]);
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
        Entries::new(&self.bytes[ENTRIES_START..], self.header.first, self.header.events)
    }
}

/// The whole blocks that stand anywhere in `bytes`.
pub(super) fn whole_blocks(bytes: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let block = Block::parse(&bytes[at..]);
            at += block.map_or(1, |block| block.bytes.len());
            if block.is_some() {
                return block;
            }
        }
        None
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sealed block of `events` events, whatever its entries are, in which `entries` stand.
    pub(in crate::event_log::sled) fn block(first: u64, events: u32, entries: &[u8]) -> Vec<u8> {
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
}
