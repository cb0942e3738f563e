//! Bringing a damaged store back to a state that opens, and saying what that cost.

use std::path::Path;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::index::Index;
use super::open::{Places, set_index_aside};
use super::reader::Reader;
use super::recovery::{Remains, Scan, Segments, drop_remains, keep};
use super::segment;
use super::tail::{Tail, first_header};
use super::{SledLog, lock, unavailable};
use crate::disk::{Disk, RealDisk};
use crate::event_log::{LogError, Position};

/// What a repair has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Position of the last event there is.
    pub head: Position,
    /// Position up to which events were surely acknowledged before; events between `head` and this are lost.
    pub acknowledged: Position,
    /// The damage that was cut away; none when the journal was whole and only the index was made again.
    pub damage: Option<String>,
}

/// Makes the index of the store at `path` again from its journal. Where the journal itself is damaged, everything from
/// the damage on is moved to `dropped` when `accept_loss` allows it. It blocks, and nothing else may have the store open.
///
/// # Errors
/// `Corrupt` with the damage when the journal is damaged and loss is not accepted: nothing was changed but the index.
pub fn repair(path: &Path, accept_loss: bool) -> Result<Repaired, LogError> {
    if !path.is_dir() {
        let what = format!("there is no store at {}", path.display());
        return Err(LogError::Unavailable { what, source: None });
    }
    let (acknowledged, damage) = {
        let _lock = lock(path)?;
        let acknowledged = Catalogue::open(&Places { store: path }.index())?.acknowledged();
        let damage = examine(path, accept_loss)?;
        if damage.is_some() || accept_loss {
            set_index_aside(path)?;
        }
        (acknowledged, damage)
    };
    if damage.is_none() && !accept_loss {
        // The journal is whole; whether it has everything is for the opening to judge, by the index as it stands.
        drop(SledLog::open(path)?);
        let _lock = lock(path)?;
        set_index_aside(path)?;
    }
    let log = SledLog::open(path)?;
    let head = log.verify()?;
    Ok(Repaired { head, acknowledged, damage })
}

/// Reads the journal from its start; cuts it where it is damaged if that is allowed.
fn examine(path: &Path, accept_loss: bool) -> Result<Option<String>, LogError> {
    let places = Places { store: path };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    if accept_loss {
        mend_files(&*disk, &places)?;
    }
    let reader = Reader::new(disk, &places.journal());
    let segments = Segments::find(&reader)?;
    let mut scan = Scan::new(&reader, &segments, Tail::START);
    let mut index = Index::default();
    let forget_keys = |index: &mut Index| {
        index.keys.clear();
        Ok(())
    };
    match scan.run(&mut index, forget_keys) {
        Ok(_) => Ok(None),
        Err(LogError::Corrupt { what }) if accept_loss => {
            let remains = Remains { from: scan.whole.location(), to: segments.last };
            let dropped = drop_remains(&reader, &remains, &places.dropped());
            dropped.map_err(|error| unavailable("cutting the damage away".into(), error))?;
            Ok(Some(what))
        }
        Err(LogError::Corrupt { what }) => {
            let head = scan.whole.head;
            Err(LogError::Corrupt { what: format!("{what}; events up to {head} can be kept") })
        }
        Err(error) => Err(error),
    }
}

/// Brings segments back to their length, and sets aside those that follow a missing one.
fn mend_files(disk: &dyn Disk, places: &Places<'_>) -> Result<(), LogError> {
    let journal = places.journal();
    let failed = |error| unavailable("mending the journal's files".into(), error);
    let mut numbers: Vec<u32> =
        disk.list(&journal).map_err(failed)?.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    for (expected, number) in (1..).zip(numbers) {
        let path = segment::path(&journal, number);
        if number != expected {
            disk.create_dir_all(&places.dropped()).map_err(failed)?;
            let aside = segment::path(&places.dropped(), number);
            disk.rename(&path, &aside).map_err(failed)?;
            continue;
        }
        mend_length(disk, places, number).map_err(failed)?;
    }
    mend_first_header(disk, places).map_err(failed)?;
    disk.sync_directory(&journal).map_err(failed)
}

/// Fills up a segment that was cut; of one that grew, what is too much is moved to `dropped`.
fn mend_length(disk: &dyn Disk, places: &Places<'_>, number: u32) -> std::io::Result<()> {
    let (path, right) = (segment::path(&places.journal(), number), segment::length(number));
    let file = disk.open(&path)?;
    let length = file.length()?;
    if length < u64::from(right) {
        segment::zero(&*file, length, u64::from(right))?;
        return file.sync_data();
    }
    if length > u64::from(right) {
        disk.create_dir_all(&places.dropped())?;
        keep(disk, &places.dropped(), &*file, number, right)?;
        let mut bytes = vec![0; right as usize];
        file.read_at(&mut bytes, 0)?;
        let mended = path.with_extension("mended");
        match disk.remove(&mended) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let replacement = disk.create(&mended)?;
        replacement.write_at(&bytes, 0)?;
        replacement.sync_data()?;
        disk.rename(&mended, &path)?;
    }
    Ok(())
}

/// The first segment's header says nothing that is not known.
fn mend_first_header(disk: &dyn Disk, places: &Places<'_>) -> std::io::Result<()> {
    let path = segment::path(&places.journal(), 1);
    let file = match disk.open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    file.write_at(&first_header(), 0)?;
    file.sync_data()
}
