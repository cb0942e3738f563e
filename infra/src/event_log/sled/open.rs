//! Opening a store: the lock, the index as it was saved, and what the journal has after it.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::watch;

use super::catalogue::{Catalogue, set_aside};
use super::dropped::{Remains, drop_remains, fill_again};
use super::index::Index;
use super::reader::{Pass, Reader};
use super::recovery::{Scan, Segments, check_acknowledged};
use super::room::Room;
use super::tail::Tail;
use super::upkeep::note;
use super::{Store, lock, unavailable};
use crate::disk::Disk;
use crate::event_log::LogError;

/// Keys found in the journal after which they are handed to sled.
const KEYS_MAX: usize = 100_000;

/// Where a store's parts are.
pub(super) struct Places<'a> {
    pub(super) store: &'a Path,
}

impl Places<'_> {
    pub(super) fn journal(&self) -> std::path::PathBuf {
        self.store.join("journal")
    }

    pub(super) fn index(&self) -> std::path::PathBuf {
        self.store.join("index")
    }
}

/// An opened store, the end of its journal, and the segment in which its index was saved.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) tail: Tail,
    pub(super) saved: u32,
}

/// Opens or makes the store at `path`.
pub(super) fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Opened, LogError> {
    let name = path.display();
    std::fs::create_dir_all(path).map_err(|error| unavailable(format!("creating the store at {name}"), error))?;
    let lock = lock(path)?;
    refuse_older(path)?;
    let places = Places { store: path };
    let reader = Arc::new(Reader::new(Arc::clone(disk), &places.journal()));
    let segments = Segments::find(&reader)?;
    sync_names(&**disk, path).map_err(|error| unavailable(format!("syncing the directory {name}"), error))?;
    let mut catalogue = Catalogue::open(&places.index())?;
    let acknowledged = catalogue.acknowledged();
    let found = match read(&reader, &segments, &catalogue) {
        Err(Failure::Index(error @ LogError::Corrupt { .. })) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot be used and is made again");
            drop(catalogue);
            set_index_aside(path)?;
            catalogue = Catalogue::open(&places.index())?;
            catalogue.acknowledge(acknowledged)?;
            read(&reader, &segments, &catalogue)
        }
        found => found,
    };
    let Found { saved, index, scan, remains } =
        found.map_err(|(Failure::Index(error) | Failure::Journal(error))| error)?;
    let tail = scan.whole;
    check_acknowledged(&tail, acknowledged)?;
    scan.make_durable()?;
    if let Some(remains) = &remains {
        drop_rest(&reader, &tail, remains)?;
    }
    fill_again(&reader, &tail).map_err(|error| unavailable("filling what was dropped".into(), error))?;
    // The end is on the disk now: where it is damaged after a crash, the next opening is to know that it was there.
    note(&catalogue, tail.head);
    let head = watch::Sender::new(tail.head);
    let index = RwLock::new(index);
    let room = Arc::new(Room::after(tail.segment, Arc::clone(&reader)));
    let (leases, saving) = (Mutex::default(), AtomicBool::new(false));
    Ok(Opened { store: Store { reader, catalogue, index, leases, head, room, saving, _lock: lock }, tail, saved })
}

/// Refuses the directory of a store that has no journal.
pub(super) fn refuse_older(path: &Path) -> Result<(), LogError> {
    if !path.join("db").exists() {
        return Ok(());
    }
    let what = format!(
        "{} holds its events in sled itself, as a program before this one made it: use that program to read it",
        path.display()
    );
    Err(LogError::Unavailable { what, source: None })
}

/// What was read of a journal.
struct Found<'a> {
    /// The segment in which the index was saved.
    saved: u32,
    index: Index,
    scan: Scan<'a>,
    remains: Option<Remains>,
}

/// What stood in the way of reading a journal.
enum Failure {
    /// The journal itself.
    Journal(LogError),
    /// What is kept in sled, which can be made again.
    Index(LogError),
}

/// The index up to the journal's end, from the snapshot on or, where that does not lead there, from the start.
fn read<'a>(reader: &'a Reader, segments: &'a Segments, catalogue: &Catalogue) -> Result<Found<'a>, Failure> {
    if let Some((start, mut index)) = catalogue.snapshot() {
        if start.segment <= segments.last && leads_to_its_end(reader, &start, &index).map_err(Failure::Journal)? {
            let mut scan = Scan::new(reader, segments, start);
            match run(&mut scan, &mut index, catalogue) {
                Ok(remains) => return Ok(Found { saved: start.segment, index, scan, remains }),
                Err(Failure::Index(error) | Failure::Journal(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the journal cannot be read on from where the index was saved, and is read from its start"
                ),
            }
        } else {
            tracing::warn!("the journal does not lead to where the index was saved, and is read from its start");
        }
    }
    catalogue.forget().map_err(Failure::Index)?;
    let mut index = Index::default();
    let mut scan = Scan::new(reader, segments, Tail::START);
    let remains = run(&mut scan, &mut index, catalogue)?;
    Ok(Found { saved: 1, index, scan, remains })
}

/// Reads to the journal's end, and hands keys to sled when there are many.
fn run(scan: &mut Scan<'_>, index: &mut Index, catalogue: &Catalogue) -> Result<Option<Remains>, Failure> {
    let mut failed = false;
    let outcome = scan.run(index, |index| {
        if index.keys.len() < KEYS_MAX {
            return Ok(());
        }
        catalogue.add_keys(index.keys.drain()).inspect_err(|_| failed = true)
    });
    outcome.map_err(if failed { Failure::Index } else { Failure::Journal })
}

/// Whether the journal still has the last block before the end of a snapshot: the journal may have been put back to an
/// older state, or lost what a disk said it had.
fn leads_to_its_end(reader: &Reader, end: &Tail, index: &Index) -> Result<bool, LogError> {
    let Some(mark) = index.marks.last() else { return Ok(*end == Tail::START) };
    let mut pass = Pass::new(reader, mark.location);
    let mut last = None;
    while pass.location().pack() < end.location().pack() {
        let Some((_, block)) = pass.block()? else { return Ok(false) };
        last = Some((block.header.checksum, block.header.last()));
    }
    Ok(pass.location() == end.location() && last == Some((end.previous, end.head)))
}

fn drop_rest(reader: &Reader, tail: &Tail, remains: &Remains) -> Result<(), LogError> {
    tracing::warn!(
        head = %tail.head,
        segment = remains.from.segment(),
        offset = remains.from.offset(),
        "dropped the beginning of a write that was cut short and never acknowledged"
    );
    let dropped = drop_remains(reader, remains).map(drop);
    dropped.map_err(|error| unavailable("dropping the beginning of a write".into(), error))
}

/// Makes the store's parts durable by their names, and the store by its own.
fn sync_names(disk: &dyn Disk, path: &Path) -> std::io::Result<()> {
    disk.sync_directory(path)?;
    let absolute = path.canonicalize()?;
    absolute.parent().map_or(Ok(()), |parent| disk.sync_directory(parent))
}

/// Sets the index aside, so that the next opening makes it again.
pub(super) fn set_index_aside(path: &Path) -> Result<(), LogError> {
    let index = Places { store: path }.index();
    if index.exists() {
        set_aside(&index).map_err(|error| unavailable(format!("setting {} aside", index.display()), error))?;
    }
    Ok(())
}
