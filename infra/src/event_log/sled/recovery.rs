//! Finding the end of the journal when it is opened, and telling a write that was cut short from damage.
//!
//! A group is acknowledged after its sync, so what a crash leaves of a group that was not synced may be dropped, and
//! nothing else may. What is dropped is the last group, in the last segment with any of it; there a block was torn.

use super::block::{self, whole_blocks};
use super::chain::Chain;
use super::dropped::Remains;
use super::index::{Changes, Index, Unfinished};
use super::location::Location;
use super::reader::{Pass, Reader};
use super::segment;
use super::tail::{Tail, first_header};
use super::torn::{SECTOR_BYTES, is_torn_block, is_torn_header};
use super::unavailable;
use crate::event_log::leaf::Hash;
use crate::event_log::{LogError, Position};

/// The segments of a journal, as their files are named.
pub(super) struct Segments {
    pub(super) last: u32,
}

impl Segments {
    /// The segments in the journal's directory; one is made when there is none.
    pub(super) fn find(reader: &Reader) -> Result<Self, LogError> {
        let (disk, directory) = (reader.disk(), reader.directory());
        let failed = |error| unavailable(format!("looking for the journal in {}", directory.display()), error);
        disk.create_dir_all(directory).map_err(failed)?;
        let mut numbers: Vec<u32> =
            disk.list(directory).map_err(failed)?.iter().filter_map(|n| segment::number(n)).collect();
        numbers.sort_unstable();
        if let Some((number, _)) = (1..).zip(&numbers).find(|(number, found)| number != *found) {
            return Err(LogError::Corrupt { what: format!("segment {number} of the journal is missing") });
        }
        let mut last = u32::try_from(numbers.len()).expect("numbers of 32 bits that differ");
        last -= u32::from(last > 0 && is_unfinished(reader, last)?);
        if last == 0 {
            make_first(reader).map_err(|error| unavailable("making the journal".into(), error))?;
            last = 1;
        }
        Ok(Self { last })
    }
}

/// Removes the last segment's file when it was not filled before a crash, or the first one's when it was not begun.
fn is_unfinished(reader: &Reader, number: u32) -> Result<bool, LogError> {
    let filled = reader.length(number)? == u64::from(segment::length(number));
    let begun = match reader.segment_header(number) {
        Ok(header) => header.is_some(),
        // A header that is not right is for the scan to name.
        Err(LogError::Corrupt { .. }) => true,
        Err(error) => return Err(error),
    };
    if begun || (filled && number > 1) || !rest_is_zero(reader, number, 0)? {
        return Ok(false);
    }
    let path = segment::path(reader.directory(), number);
    reader.forget(number);
    reader.disk().remove(&path).map_err(|error| unavailable(format!("removing {}", path.display()), error))?;
    Ok(true)
}

fn make_first(reader: &Reader) -> std::io::Result<()> {
    let file = segment::create(&**reader.disk(), reader.directory(), 1)?;
    file.write_at(&first_header(), 0)?;
    file.sync_data()
}

/// A pass over the journal to its end.
pub(super) struct Scan<'a> {
    reader: &'a Reader,
    segments: &'a Segments,
    /// Where the journal stands after the last whole block.
    tail: Tail,
    /// Where it stands after the last whole batch; everything up to there is in the index.
    pub(super) whole: Tail,
    /// Where the group of the last block begins, and what it carries.
    group: Option<(Location, Hash)>,
    /// The same of the last whole batch.
    whole_group: Option<(Location, Hash)>,
}

impl<'a> Scan<'a> {
    /// A pass that starts at `start`.
    pub(super) fn new(reader: &'a Reader, segments: &'a Segments, start: Tail) -> Self {
        Self { reader, segments, tail: start, whole: start, group: None, whole_group: None }
    }

    /// Reads to the end into `index`; `spill` is called at each segment's end. Gives what is to be dropped.
    ///
    /// # Errors
    /// `Corrupt` where something is damaged; `whole` tells how far it was not.
    pub(super) fn run(
        &mut self,
        index: &mut Index,
        mut spill: impl FnMut(&mut Index) -> Result<(), LogError>,
    ) -> Result<Option<Remains>, LogError> {
        let reader = self.reader;
        check_segment(reader, self.tail.segment, None)?;
        let mut pass = Pass::new(reader, self.tail.location());
        let mut changes = Changes::default();
        let mut unfinished: Option<Unfinished> = None;
        loop {
            let header = pass.peek()?.filter(|header| follows(header, &self.tail));
            let block = if header.is_some() { pass.block()? } else { None };
            if let Some((location, block)) = block {
                unfinished = changes.take(location, &block, unfinished)?;
                self.tail = self.tail.after(&block);
                if self.group.is_none_or(|(_, carried)| carried != block.chain()) {
                    self.group = Some((location, block.chain()));
                }
                if unfinished.is_none() {
                    index.merge(std::mem::take(&mut changes));
                    (self.whole, self.whole_group) = (self.tail, self.group);
                }
            } else if goes_on(reader, &self.tail, self.segments)? {
                (self.tail.segment, self.tail.offset) = (self.tail.segment + 1, Tail::START.offset);
                check_segment(reader, self.tail.segment, Some(&self.tail))?;
                pass.next_segment();
                spill(index)?;
            } else {
                self.whole.chain = self.chain()?;
                return self.judge_end();
            }
        }
    }

    /// The chain value up to the last whole batch.
    fn chain(&self) -> Result<Hash, LogError> {
        match self.whole_group {
            None => Ok(self.whole.chain),
            Some((start, carried)) => self.chain_between(start, carried, &self.whole),
        }
    }

    /// Makes durable what was found: the last group may have been written and not synced before a crash. It is written
    /// again, for a sync that failed may have marked it as clean.
    pub(super) fn make_durable(&self) -> Result<(), LogError> {
        let failed = |error| unavailable("making the end of the journal durable".into(), error);
        let end = &self.whole;
        let start = self.whole_group.map_or_else(|| end.location(), |(start, _)| start);
        for number in start.segment()..=end.segment {
            let file = self.reader.file(number)?;
            let from = if number == start.segment() { start.offset() } else { 0 };
            let to = if number == end.segment { end.offset } else { segment::length(number) };
            let mut bytes = vec![0; (to - from) as usize];
            let read = file.read_at(&mut bytes, u64::from(from)).map_err(failed)?;
            file.write_at(&bytes[..read], u64::from(from)).map_err(failed)?;
            file.sync_data().map_err(failed)?;
        }
        Ok(())
    }

    fn judge_end(&self) -> Result<Option<Remains>, LogError> {
        let Tail { segment, offset, .. } = self.tail;
        let rest = rest_is_zero(self.reader, segment, offset)?;
        if !rest {
            judge_rest(self.reader, &self.tail)?;
            if self.has_later_group(segment, offset)? {
                return Err(damaged(&self.tail));
            }
        }
        let to = if self.next_is_begun(rest)? { segment + 1 } else { segment };
        for later in segment + 1..=self.segments.last {
            // It is made, to its whole length, before the one after it.
            check_length(self.reader, later)?;
        }
        // One after the next is begun when all before it is on the disk.
        for later in segment + 2..=self.segments.last {
            match self.reader.segment_header(later) {
                Ok(None) => {}
                Ok(Some(_)) | Err(LogError::Corrupt { .. }) => {
                    let what = format!("segment {} is empty, and segment {later} is in use", segment + 1);
                    return Err(LogError::Corrupt { what });
                }
                Err(error) => return Err(error),
            }
        }
        let dropped = !rest || to != segment || self.whole.location() != self.tail.location();
        Ok(dropped.then(|| Remains { from: self.whole.location(), to }))
    }
}

impl Scan<'_> {
    /// Whether the segment after the last used one, which was ready, has blocks of a write that was cut short, but not its
    /// header. `rest` tells that nothing stands before it that was not whole.
    fn next_is_begun(&self, rest: bool) -> Result<bool, LogError> {
        let next = self.tail.segment + 1;
        if next > self.segments.last || rest_is_zero(self.reader, next, 0)? {
            return Ok(false);
        }
        let mut sector = [0; SECTOR_BYTES];
        self.reader.read(next, 0, &mut sector)?;
        // The header shares its sector with the first block, and they are written when all before is on the disk.
        if !rest || !segment::is_zero(&sector) || self.has_later_group(next, segment::FIRST_BLOCK)? {
            let what =
                format!("segment {next} at 0: its header is gone, and events after {} are in it", self.tail.head);
            return Err(LogError::Corrupt { what });
        }
        Ok(true)
    }

    /// A write that was cut short is the last one. A block of a later group behind `offset` of a segment was written after
    /// the sync of what is broken, so that was damaged.
    fn has_later_group(&self, number: u32, offset: u32) -> Result<bool, LogError> {
        let known = match self.group {
            None => [self.whole.chain; 2],
            Some((start, carried)) => [carried, self.chain_between(start, carried, &self.tail)?],
        };
        let mut bytes = vec![0; (segment::length(number) - offset) as usize];
        let read = self.reader.read(number, u64::from(offset), &mut bytes)?;
        Ok(whole_blocks(&bytes[..read]).any(|block| !known.contains(&block.chain())))
    }

    /// The chain value at `end` of a group that begins at `start`.
    fn chain_between(&self, start: Location, carried: Hash, end: &Tail) -> Result<Hash, LogError> {
        let mut chain = Chain::at(carried);
        let mut pass = Pass::new(self.reader, start);
        while pass.location() != end.location() {
            match pass.block()? {
                Some((_, block)) => chain.block(&block),
                None => pass.next_segment(),
            }
        }
        Ok(chain.end_group())
    }
}

fn follows(header: &block::Header, tail: &Tail) -> bool {
    header.previous == tail.previous && header.first.0 == tail.head.0 + 1
}

/// Whether the journal goes on in the next segment: that is in use, and nothing more is in this one.
fn goes_on(reader: &Reader, tail: &Tail, segments: &Segments) -> Result<bool, LogError> {
    if tail.segment == segments.last || reader.segment_header(tail.segment + 1)?.is_none() {
        return Ok(false);
    }
    if rest_is_zero(reader, tail.segment, tail.offset)? {
        return Ok(true);
    }
    Err(damaged(tail))
}

fn damaged(tail: &Tail) -> LogError {
    let (segment, offset, head) = (tail.segment, tail.offset, tail.head);
    LogError::Corrupt { what: format!("segment {segment} at {offset}: the block after event {head} is damaged") }
}

/// A used segment is as long as its header says, and follows the block before it.
pub(super) fn check_segment(reader: &Reader, number: u32, before: Option<&Tail>) -> Result<(), LogError> {
    let corrupt = |what: String| Err(LogError::Corrupt { what: format!("segment {number} {what}") });
    let Some(header) = reader.segment_header(number)? else { return corrupt("has no header".into()) };
    if let Some(tail) = before
        && (header.previous, header.first.0) != (tail.previous, tail.head.0 + 1)
    {
        return corrupt(format!("does not follow event {}", tail.head));
    }
    if header.bytes != segment::length(number) {
        return corrupt(format!("says that it is {} bytes long, not {}", header.bytes, segment::length(number)));
    }
    check_length(reader, number)
}

/// A segment, used or ready, has the length that it was made with.
fn check_length(reader: &Reader, number: u32) -> Result<(), LogError> {
    let (length, right) = (reader.length(number)?, segment::length(number));
    if length == u64::from(right) {
        return Ok(());
    }
    let what = format!("segment {number} is {length} bytes long, not {right}: it was cut or grew");
    Err(LogError::Corrupt { what })
}

/// Whether a segment has nothing from `offset` on.
pub(super) fn rest_is_zero(reader: &Reader, number: u32, offset: u32) -> Result<bool, LogError> {
    let mut pass = Pass::new(reader, Location::new(number, offset, 0));
    loop {
        let bytes = pass.bytes(SECTOR_BYTES)?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if !segment::is_zero(bytes) {
            return Ok(false);
        }
        let length = bytes.len();
        pass.skip(length);
    }
}

/// What stands after the last whole block of the last used segment is the rest of a write that was cut short, or damage.
fn judge_rest(reader: &Reader, tail: &Tail) -> Result<(), LogError> {
    let mut pass = Pass::new(reader, tail.location());
    let torn = match pass.peek()? {
        Some(header) if follows(&header, tail) => {
            let (bytes, length) = (pass.bytes(header.block_bytes())?, header.block_bytes());
            is_torn_block(&bytes[..length.min(bytes.len())], header.checksum, tail.offset)
        }
        Some(_) => false,
        None => is_torn_header(pass.bytes(block::ENTRIES_START)?, tail.offset),
    };
    if torn { Ok(()) } else { Err(damaged(tail)) }
}

/// Refuses a journal that ends before what was acknowledged.
pub(super) fn check_acknowledged(tail: &Tail, acknowledged: Position) -> Result<(), LogError> {
    if tail.head >= acknowledged {
        return Ok(());
    }
    let head = tail.head;
    Err(LogError::Corrupt {
        what: format!("the journal ends at event {head}, but events up to {acknowledged} were acknowledged"),
    })
}
