//! Bringing a damaged store back to a state that opens, and saying what that cost.

use std::path::Path;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::dropped::{Remains, drop_remains, keep, readable};
use super::index::Index;
use super::open::{Places, refuse_older, set_index_aside};
use super::reader::Reader;
use super::recovery::{Scan, Segments};
use super::segment;
use super::tail::{Tail, first_header};
use super::{SledLog, lock, unavailable};
use crate::disk::{Disk, DiskFile, RealDisk};
use crate::event_log::{LogError, Position};

/// What a repair has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Position of the last event there is.
    pub head: Position,
    /// Events after it that are lost: they were acknowledged, or stood in what was set aside.
    pub lost: u64,
    /// The damage that was cut away or filled up; none when the journal was whole and only the index was made again.
    pub damage: Option<String>,
}

/// Makes the index of the store at `path` again from its journal. Where the journal itself is damaged, everything from
/// the damage on is moved to `dropped` when `accept_loss` allows it. It blocks, and nothing else may have the store open.
///
/// # Errors
/// `Corrupt` with the damage when the journal is damaged and loss is not accepted: nothing was changed but the index.
pub fn repair(path: &Path, accept_loss: bool) -> Result<Repaired, LogError> {
    repair_on(&(Arc::new(RealDisk) as Arc<dyn Disk>), path, accept_loss)
}

/// Repairs a store with its journal on a disk of the caller's, for a test.
///
/// # Errors
/// Those of [`repair`].
pub fn repair_on(disk: &Arc<dyn Disk>, path: &Path, accept_loss: bool) -> Result<Repaired, LogError> {
    let places = Places { store: path };
    refuse_none(&**disk, &places)?;
    let (acknowledged, taken) = {
        let _lock = lock(path)?;
        let acknowledged = Catalogue::open(&places.index())?.acknowledged();
        let taken = examine(disk, &places, accept_loss)?;
        if accept_loss {
            set_index_aside(path)?;
        }
        (acknowledged, taken)
    };
    if !accept_loss {
        // The journal is whole; whether it has everything is for the opening to judge, by the index as it stands.
        drop(SledLog::open_on(disk, path)?);
        let _lock = lock(path)?;
        set_index_aside(path)?;
    }
    let log = SledLog::open_on(disk, path)?;
    let head = log.verify()?;
    let lost = taken.newest.max(acknowledged).0.saturating_sub(head.0);
    let damage = (!taken.damage.is_empty()).then(|| taken.damage.join("; "));
    Ok(Repaired { head, lost, damage })
}

/// Refuses a directory without a store, in which nothing is to be made.
fn refuse_none(disk: &dyn Disk, places: &Places<'_>) -> Result<(), LogError> {
    refuse_older(places.store)?;
    let journal = disk.list(&places.journal()).unwrap_or_default();
    if places.index().is_dir() || journal.iter().any(|name| segment::number(name).is_some()) {
        return Ok(());
    }
    let what = format!("there is no store at {}", places.store.display());
    Err(LogError::Unavailable { what, source: None })
}

/// What was taken out of a journal.
#[derive(Default)]
struct Taken {
    /// What was damaged.
    damage: Vec<String>,
    /// Position of the newest event in it.
    newest: Position,
}

/// Reads the journal from its start; cuts it where it is damaged if that is allowed.
fn examine(disk: &Arc<dyn Disk>, places: &Places<'_>, accept_loss: bool) -> Result<Taken, LogError> {
    let mut taken = Taken::default();
    if accept_loss {
        let mended = mend_files(&**disk, &places.journal(), &mut taken);
        mended.map_err(|error| unavailable("mending the journal's files".into(), error))?;
    }
    let reader = Reader::new(Arc::clone(disk), &places.journal());
    let segments = Segments::find(&reader)?;
    let mut scan = Scan::new(&reader, &segments, Tail::START);
    let mut index = Index::default();
    let forget_keys = |index: &mut Index| {
        index.keys.clear();
        Ok(())
    };
    let remains = match scan.run(&mut index, forget_keys) {
        // Behind damage, what looks like a write that was cut short may have been acknowledged.
        Ok(remains) => remains.filter(|_| !taken.damage.is_empty()),
        Err(LogError::Corrupt { what }) if accept_loss => {
            taken.damage.push(what);
            Some(Remains { from: scan.whole.location(), to: segments.last })
        }
        Err(LogError::Corrupt { what }) => {
            let head = scan.whole.head;
            return Err(LogError::Corrupt { what: format!("{what}; events up to {head} can be kept") });
        }
        Err(error) => return Err(error),
    };
    if let Some(remains) = remains {
        let newest = drop_remains(&reader, &remains);
        let newest = newest.map_err(|error| unavailable("cutting the damage away".into(), error))?;
        taken.newest = taken.newest.max(newest);
    }
    Ok(taken)
}

/// Brings segments back to their length, and sets aside those that follow a missing one.
fn mend_files(disk: &dyn Disk, journal: &Path, taken: &mut Taken) -> std::io::Result<()> {
    let mut numbers: Vec<u32> = disk.list(journal)?.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let sound = (1..).zip(&numbers).take_while(|(expected, number)| expected == *number).count();
    let behind = numbers.split_off(sound);
    if !behind.is_empty() {
        let (missing, after) = (sound + 1, behind.len());
        taken.damage.push(format!("segment {missing} of the journal is missing, and {after} after it are set aside"));
    }
    // From the end: where it is stopped meanwhile, some still follow a missing one.
    for number in behind.into_iter().rev() {
        let path = segment::path(journal, number);
        let kept = keep(disk, journal, &*disk.open(&path)?, number, 0)?;
        taken.newest = taken.newest.max(kept.newest);
        disk.remove(&path)?;
    }
    for number in &numbers {
        mend_length(disk, journal, *number, numbers.last() == Some(number), taken)?;
    }
    mend_first_header(disk, journal)?;
    disk.sync_directory(journal)
}

/// Fills up a segment that was cut; of one that grew, what is too much is moved to `dropped`.
fn mend_length(disk: &dyn Disk, journal: &Path, number: u32, is_last: bool, taken: &mut Taken) -> std::io::Result<()> {
    let (path, right) = (segment::path(journal, number), segment::length(number));
    let file = disk.open(&path)?;
    let length = file.length()?;
    if length < u64::from(right) {
        // A crash leaves the last one short and empty when it is being made.
        if !is_last || !segment::is_zero(&readable(&*file, 0)?.0) {
            taken.damage.push(format!("segment {number} was cut after {length} bytes"));
        }
        segment::zero(&*file, length, u64::from(right))?;
        return file.sync_data();
    }
    if length > u64::from(right) {
        keep(disk, journal, &*file, number, right)?;
        shorten(disk, &*file, &path, right)?;
    }
    Ok(())
}

/// Puts a file with the first `length` bytes in the place of the file at `path`.
fn shorten(disk: &dyn Disk, file: &dyn DiskFile, path: &Path, length: u32) -> std::io::Result<()> {
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0)?;
    let mended = path.with_extension("mended");
    match disk.remove(&mended) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let replacement = disk.create(&mended)?;
    replacement.write_at(&bytes, 0)?;
    replacement.sync_data()?;
    disk.rename(&mended, path)
}

/// The first segment's header says nothing that is not known.
fn mend_first_header(disk: &dyn Disk, journal: &Path) -> std::io::Result<()> {
    let file = match disk.open(&segment::path(journal, 1)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    file.write_at(&first_header(), 0)?;
    file.sync_data()
}
