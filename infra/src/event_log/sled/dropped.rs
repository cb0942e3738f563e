//! What is taken out of the journal: it is kept in a directory beside it, and looked through for events.

use std::io;
use std::path::{Path, PathBuf};

use super::block::whole_blocks;
use super::location::Location;
use super::reader::{Reader, UNREADABLE};
use super::segment;
use super::tail::Tail;
use crate::disk::{Disk, DiskFile};
use crate::event_log::Position;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes read at a time where some cannot be.
const PAGE_BYTES: usize = 4 << 10;

/// What stands after the last batch that is kept.
pub(super) struct Remains {
    /// Where it begins.
    pub(super) from: Location,
    /// The last segment that has any.
    pub(super) to: u32,
}

/// What was kept of a segment.
pub(super) struct Kept {
    /// Where it ends in the segment.
    pub(super) end: u64,
    /// Position of its newest event; 0 when it has none that can be told.
    pub(super) newest: Position,
}

/// Where what is taken out of the journal in `directory` is kept.
pub(super) fn beside(directory: &Path) -> PathBuf {
    directory.with_file_name("dropped")
}

/// Keeps what is dropped, then fills its place with zeros; gives the position of its newest event.
pub(super) fn drop_remains(reader: &Reader, remains: &Remains) -> io::Result<Position> {
    let disk = &**reader.disk();
    let mut newest = Position::default();
    // From the end: where the power goes meanwhile, what is left is again the beginning of a write, for a segment in use
    // never follows one that was dropped from.
    for number in (remains.from.segment()..=remains.to).rev() {
        let start = if number == remains.from.segment() { remains.from.offset() } else { 0 };
        let file = disk.open(&segment::path(reader.directory(), number))?;
        let kept = keep(disk, reader.directory(), &*file, number, start)?;
        segment::zero(&*file, u64::from(start), kept.end)?;
        file.sync_data()?;
        newest = newest.max(kept.newest);
    }
    Ok(newest)
}

/// Fills again what was dropped behind the journal's end. Where the sync of the zeros failed, they may be in the cache
/// only, and what they replaced would be back after a loss of power.
pub(super) fn fill_again(reader: &Reader, tail: &Tail) -> io::Result<()> {
    let (disk, dropped) = (&**reader.disk(), beside(reader.directory()));
    let names = match disk.list(&dropped) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for name in names {
        let Some((number, start)) = place_of(&name).filter(|place| *place >= (tail.segment, tail.offset)) else {
            continue;
        };
        let file = match disk.open(&segment::path(reader.directory(), number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        let end = u64::from(start) + disk.open(&dropped.join(&name))?.length()?;
        segment::zero(&*file, u64::from(start), end.min(file.length()?))?;
        file.sync_data()?;
    }
    Ok(())
}

/// The segment of a copy, and where it began there, by the copy's name.
fn place_of(name: &str) -> Option<(u32, u32)> {
    let mut parts = name.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Copies what segment `number` of the journal in `directory` has from `start` on.
pub(super) fn keep(
    disk: &dyn Disk,
    directory: &Path,
    file: &dyn DiskFile,
    number: u32,
    start: u32,
) -> io::Result<Kept> {
    let (bytes, whole) = readable(file, u64::from(start))?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used > 0 {
        let dropped = beside(directory);
        disk.create_dir_all(&dropped)?;
        if let Some(parent) = dropped.parent() {
            disk.sync_directory(parent)?;
        }
        let copy = create_beside(disk, &dropped, &format!("{number:010}-{start}"))?;
        copy.write_at(&bytes[..used], 0)?;
        copy.sync_data()?;
        disk.sync_directory(&dropped)?;
    }
    // What cannot be read is written over as well: it can be read again then.
    let length = if whole { used } else { bytes.len() };
    let newest = whole_blocks(&bytes[..used]).map(|block| block.header.last()).max();
    Ok(Kept { end: u64::from(start) + length as u64, newest: newest.unwrap_or_default() })
}

/// What a file has from `start` on, with zeros where the disk cannot read it, and whether it could read everything.
pub(super) fn readable(file: &dyn DiskFile, start: u64) -> io::Result<(Vec<u8>, bool)> {
    let length = file.length()?.saturating_sub(start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let (mut whole, mut at) = (true, start);
    for chunk in bytes.chunks_mut(CHUNK_BYTES) {
        if !is_read(file, chunk, at)? {
            whole = false;
            for (page, from) in chunk.chunks_mut(PAGE_BYTES).zip((at..).step_by(PAGE_BYTES)) {
                is_read(file, page, from)?;
            }
        }
        at += chunk.len() as u64;
    }
    Ok((bytes, whole))
}

/// Whether the disk can read what stands at `at` of a file; `piece` is zeros where it cannot.
fn is_read(file: &dyn DiskFile, piece: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_at(piece, at) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(UNREADABLE) => {
            piece.fill(0);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Makes a file in `directory` whose name begins with `name` and was not there.
fn create_beside(disk: &dyn Disk, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
    let mut number = 1;
    loop {
        match disk.create(&directory.join(format!("{name}-{number}.bytes"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made,
        }
    }
}
