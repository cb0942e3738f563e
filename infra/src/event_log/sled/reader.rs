//! Reading the journal: one block at a place, or block after block.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::block::{self, Block};
use super::entries::{Entry, Item};
use super::location::Location;
use super::segment;
use super::unavailable;
use crate::disk::{Disk, DiskFile};
use crate::event_log::LogError;

/// Bytes read at a time when block follows block.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes read at first for a single block.
const GUESS_BYTES: usize = 4 << 10;
/// Open files kept.
const FILES_MAX: usize = 64;
/// The number of the error (EIO) with which a disk answers where it cannot read: what stood there is damaged.
pub(super) const UNREADABLE: i32 = 5;

/// The files of the journal, opened when they are asked for.
pub(super) struct Reader {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    files: Mutex<HashMap<u32, Arc<dyn DiskFile>>>,
}

/// A block read from its place, checksum verified.
pub(super) struct Loaded {
    bytes: Vec<u8>,
}

impl Loaded {
    /// The block.
    pub(super) fn block(&self) -> Block<'_> {
        Block::framed(&self.bytes).expect("it was parsed when it was read")
    }

    /// Its events.
    pub(super) fn events(&self) -> impl Iterator<Item = Entry<'_>> {
        self.block().entries().filter_map(|item| match item {
            Some(Item::Event(entry)) => Some(entry),
            Some(Item::Checkpoint { .. }) | None => None,
        })
    }
}

impl Reader {
    /// Reads the journal in `directory`.
    pub(super) fn new(disk: Arc<dyn Disk>, directory: &Path) -> Self {
        Self { disk, directory: directory.to_owned(), files: Mutex::default() }
    }

    /// The disk of the journal.
    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Where its segments are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of a segment.
    pub(super) fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>, LogError> {
        let mut files = self.files.lock().expect("no holder of the files panics");
        if let Some(file) = files.get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = segment::path(&self.directory, number);
        let opened = self.disk.open(&path);
        let file: Arc<dyn DiskFile> = match opened {
            Ok(file) => file.into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LogError::Corrupt { what: format!("segment {} is missing", path.display()) });
            }
            Err(error) => return Err(unavailable(format!("opening {}", path.display()), error)),
        };
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Closes the file of a segment.
    pub(super) fn forget(&self, number: u32) {
        self.files.lock().expect("no holder of the files panics").remove(&number);
    }

    /// Reads at `offset` of a segment up to the end of `buffer` or of the file.
    pub(super) fn read(&self, number: u32, offset: u64, buffer: &mut [u8]) -> Result<usize, LogError> {
        let read = self.file(number)?.read_at(buffer, offset);
        read.map_err(|error| match error.raw_os_error() {
            Some(UNREADABLE) => {
                LogError::Corrupt { what: format!("segment {number} at {offset}: the disk cannot read what is there") }
            }
            Some(_) | None => unavailable(format!("reading segment {number} of the journal at {offset}"), error),
        })
    }

    /// Length of a segment's file in bytes.
    pub(super) fn length(&self, number: u32) -> Result<u64, LogError> {
        let length = self.file(number)?.length();
        length.map_err(|error| unavailable(format!("reading segment {number} of the journal"), error))
    }

    /// The header at the start of a segment's file: none where it was never used.
    pub(super) fn segment_header(&self, number: u32) -> Result<Option<segment::Header>, LogError> {
        let mut bytes = [0; segment::HEADER_BYTES];
        let read = self.read(number, 0, &mut bytes)?;
        if bytes[..read].iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = segment::Header::parse(&bytes).filter(|header| header.number == number);
        header
            .map(Some)
            .ok_or_else(|| LogError::Corrupt { what: format!("the header of segment {number} is not right") })
    }

    /// The block that starts at `location`.
    pub(super) fn block(&self, location: Location) -> Result<Loaded, LogError> {
        let (number, offset) = (location.segment(), u64::from(location.offset()));
        let mut bytes = vec![0; GUESS_BYTES];
        let read = self.read(number, offset, &mut bytes)?;
        bytes.truncate(read);
        let length = block::Header::parse(&bytes).ok_or_else(|| location.no_block())?.block_bytes();
        if length > segment::BYTES_MAX as usize {
            return Err(location.no_block());
        }
        if length > bytes.len() {
            let before = bytes.len();
            bytes.resize(length, 0);
            let more = self.read(number, offset + before as u64, &mut bytes[before..])?;
            bytes.truncate(before + more);
        } else {
            bytes.truncate(length);
        }
        if Block::parse(&bytes).is_none() {
            return Err(location.no_block());
        }
        Ok(Loaded { bytes })
    }
}

/// Goes over the bytes of one segment from a place on, reading large pieces.
pub(super) struct Pass<'a> {
    reader: &'a Reader,
    number: u32,
    /// Offset of the next block.
    offset: u64,
    buffer: Vec<u8>,
    /// Offset of the first byte of `buffer`.
    start: u64,
}

impl<'a> Pass<'a> {
    /// Starts at the block at `location`.
    pub(super) fn new(reader: &'a Reader, location: Location) -> Self {
        let offset = u64::from(location.offset());
        Self { reader, number: location.segment(), offset, buffer: Vec::new(), start: offset }
    }

    /// Where the next block starts.
    pub(super) fn location(&self) -> Location {
        Location::new(self.number, u32::try_from(self.offset).expect("a segment is shorter than 4 GiB"), 0)
    }

    /// The bytes from here on: at least `wanted`, unless the file ends before.
    pub(super) fn bytes(&mut self, wanted: usize) -> Result<&[u8], LogError> {
        let at = usize::try_from(self.offset - self.start).expect("within the buffer");
        if self.buffer.len().saturating_sub(at) < wanted {
            let kept = at.min(self.buffer.len());
            self.buffer.drain(..kept);
            self.start = self.offset;
            // What cannot be read further on is no matter of what is wanted here.
            self.fill(wanted.max(CHUNK_BYTES)).or_else(|_| self.fill(wanted))?;
        }
        let at = usize::try_from(self.offset - self.start).expect("within the buffer");
        Ok(&self.buffer[at..])
    }

    /// Reads on until the buffer has `length` bytes or the file ends.
    fn fill(&mut self, length: usize) -> Result<(), LogError> {
        let had = self.buffer.len();
        self.buffer.resize(length, 0);
        let read = self.reader.read(self.number, self.start + had as u64, &mut self.buffer[had..]);
        self.buffer.truncate(had + read.as_ref().map_or(0, |read| *read));
        read.map(drop)
    }

    /// Passes over `length` bytes.
    pub(super) fn skip(&mut self, length: usize) {
        self.offset += length as u64;
    }

    /// The block here, passing over it; none where there is no whole one.
    pub(super) fn block(&mut self) -> Result<Option<(Location, Block<'_>)>, LogError> {
        let Some(length) = self.peek()?.map(|header| header.block_bytes()) else { return Ok(None) };
        let location = self.location();
        self.bytes(length)?;
        let at = usize::try_from(self.offset - self.start).expect("within the buffer");
        let block = Block::parse(&self.buffer[at..]);
        if block.is_some() {
            self.offset += length as u64;
        }
        Ok(block.map(|block| (location, block)))
    }

    /// The header of the block here; none where there is no right one.
    pub(super) fn peek(&mut self) -> Result<Option<block::Header>, LogError> {
        let header = block::Header::parse(self.bytes(block::HEADER_BYTES)?);
        Ok(header.filter(|header| header.block_bytes() <= segment::BYTES_MAX as usize))
    }

    /// Goes to the first block of the next segment.
    pub(super) fn next_segment(&mut self) {
        self.number += 1;
        self.offset = u64::from(segment::FIRST_BLOCK);
        self.start = self.offset;
        self.buffer.clear();
    }
}
