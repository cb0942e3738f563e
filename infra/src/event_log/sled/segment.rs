//! Segments of the journal: files filled with zeros before they are used, so that a later sync has no length to record.
//!
//! A segment starts with a header of 32 bytes: `BISHUIJ1`, its number and length (4 bytes each), the position of its
//! first event (8), the checksum of the block before (4), and the CRC-32 of all that (4), little-endian.

use std::io;
use std::path::{Path, PathBuf};

use super::block::whole_blocks;
use super::dropped::{keep, readable};
use super::reader::UNREADABLE;
use crate::disk::{Disk, DiskFile};
use crate::event_log::Position;

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 32;
/// Offset of the first block.
pub(super) const FIRST_BLOCK: u32 = 32;
/// Length of the first segment; each is twice as long as the one before, up to [`BYTES_MAX`].
const BYTES_MIN: u32 = 1 << 20;
/// Most bytes of a segment.
pub(super) const BYTES_MAX: u32 = 16 << 20;
/// Bytes of zeros written at a time.
const ZEROS: usize = 256 << 10;
const MAGIC: [u8; 8] = *b"BISHUIJ1";

/// What stands at the start of a segment in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u32,
    pub(super) bytes: u32,
    /// Position of the first event in it, or of the next one when it has none.
    pub(super) first: Position,
    /// Checksum of the last block before it; 0 for the first segment.
    pub(super) previous: u32,
}

impl Header {
    /// The stored form.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.number.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.previous.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header in its stored form; none when it is not right.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let number = |at: usize| bytes[at..].first_chunk().map(|four| u32::from_le_bytes(*four));
        let first = bytes[16..].first_chunk().map(|eight| u64::from_le_bytes(*eight))?;
        let right = bytes[..8] == MAGIC && number(28)? == crc32fast::hash(&bytes[..28]);
        right.then_some(Self { number: number(8)?, bytes: number(12)?, first: Position(first), previous: number(24)? })
    }
}

/// Length of segment `number`, from 1.
pub(super) fn length(number: u32) -> u32 {
    let doublings = number.saturating_sub(1).min(BYTES_MAX.ilog2() - BYTES_MIN.ilog2());
    BYTES_MIN << doublings
}

/// Length of all segments before segment `number`.
pub(super) fn bytes_before(number: u32) -> u64 {
    let doublings = BYTES_MAX.ilog2() - BYTES_MIN.ilog2();
    let short: u64 = (1..number).take(doublings as usize).map(|before| u64::from(length(before))).sum();
    short + u64::from(number.saturating_sub(1 + doublings)) * u64::from(BYTES_MAX)
}

/// The file of segment `number` in `directory`.
pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:010}.seg"))
}

/// The number of the segment in a file of this name; none for other files.
pub(super) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 10)?;
    digits.parse().ok().filter(|number| *number > 0)
}

/// Makes segment `number`, filled with zeros, durable with its name; one that is there will do when it is emptied.
pub(super) fn create(disk: &dyn Disk, directory: &Path, number: u32) -> io::Result<Box<dyn DiskFile>> {
    let (path, length) = (path(directory, number), u64::from(length(number)));
    let file = match disk.create(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return emptied(disk, directory, number),
        Err(error) => return Err(error),
    };
    let filled = zero(&*file, 0, length).and_then(|()| file.sync_data()).and_then(|()| disk.sync_directory(directory));
    if filled.is_err() {
        // Half a segment must not be taken for a damaged one. What went wrong is the answer, not this.
        drop(disk.remove(&path));
    }
    filled.map(|()| file)
}

/// The segment that is there, as it was made: what damage left in it is kept apart and written over, but no events.
fn emptied(disk: &dyn Disk, directory: &Path, number: u32) -> io::Result<Box<dyn DiskFile>> {
    let (path, length) = (path(directory, number), length(number));
    let file = disk.open(&path)?;
    if file.length()? > u64::from(length) {
        return Err(in_the_way(&path, "is longer than it was made"));
    }
    if !is_empty(&*file, length)? {
        let (bytes, _) = readable(&*file, 0)?;
        let header = bytes.first_chunk().and_then(Header::parse);
        if header.is_some() || whole_blocks(&bytes).next().is_some() {
            return Err(in_the_way(&path, "has events behind the end of the journal"));
        }
        tracing::warn!(segment = number, "a segment that was ready was damaged, and is made anew");
        keep(disk, directory, &*file, number, 0)?;
        zero(&*file, 0, u64::from(length))?;
    }
    file.sync_data()?;
    disk.sync_directory(directory)?;
    Ok(file)
}

fn in_the_way(path: &Path, what: &str) -> io::Error {
    let what = format!("{} {what}: check the store with `bishui doctor`", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, what)
}

/// Whether a file is as long as it should be and has nothing but zeros, all of which can be read.
fn is_empty(file: &dyn DiskFile, length: u32) -> io::Result<bool> {
    let mut bytes = vec![0; ZEROS];
    let mut at = 0;
    while at < u64::from(length) {
        match file.read_at(&mut bytes, at) {
            Ok(0) => return Ok(false),
            Ok(read) if is_zero(&bytes[..read]) => at += read as u64,
            Ok(_) => return Ok(false),
            Err(error) if error.raw_os_error() == Some(UNREADABLE) => return Ok(false),
            Err(error) => return Err(error),
        }
        give_way();
    }
    Ok(true)
}

/// Whether there is nothing but zeros; compared piece by piece, which is many times faster than byte by byte.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4 << 10] = [0; 4 << 10];
    bytes.chunks(ZEROS.len()).all(|piece| *piece == ZEROS[..piece.len()])
}

/// Writes zeros from `start` to `end`; they are durable after a sync.
pub(super) fn zero(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let mut at = start;
    while at < end {
        let length = usize::try_from(end - at).map_or(ZEROS, |rest| rest.min(ZEROS));
        file.write_at(&zeros[..length], at)?;
        at += length as u64;
        give_way();
    }
    Ok(())
}

/// Lets the writer run: a scheduler leaves a thread that never waits on its processor for milliseconds, and on a machine
/// with few of them a commit would wait as long.
fn give_way() {
    std::thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_is_not_nothing() {
        for length in [0, 1, 4_095, 4_096, 4_097, 10_000] {
            let mut bytes = vec![0; length];
            assert!(is_zero(&bytes));
            for at in [0, length / 2, length.saturating_sub(1)].into_iter().filter(|at| *at < length) {
                bytes[at] = 1;
                assert!(!is_zero(&bytes), "{at} of {length}");
                bytes[at] = 0;
            }
        }
    }

    #[test]
    fn what_is_before_a_segment_is_the_sum_of_the_lengths() {
        for number in 1..40 {
            assert_eq!(bytes_before(number), (1..number).map(|before| u64::from(length(before))).sum::<u64>());
        }
    }
}
