//! What sled holds: a snapshot of the index, the places of idempotency keys, and how far the log was acknowledged.
//!
//! All of it can be made again from the journal, so whatever is wrong here costs time, never an event. Values stay
//! below the size at which sled moves them to files of their own.

use std::fs::File;
use std::io;
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::sled::{Batch, Db, Tree};

use super::index::Index;
use super::location::Location;
use super::reader::UNREADABLE;
use super::snapshot;
use super::streams::NameHash;
use super::tail::Tail;
use crate::event_log::{LogError, Position};

/// Bytes of a value.
const VALUE_BYTES: usize = 4_000;
/// Keys written at a time: sled keeps a whole batch in memory until it is complete, some ten times its size.
const BATCH_KEYS: usize = 512;
/// Parts of a snapshot written at a time.
const BATCH_PARTS: u32 = 32;
/// Memory that sled may use for pages, in bytes.
const CACHE_BYTES: u64 = 1 << 20;
/// Times sled is asked to open while its own worker threads still hold the file of the handle before.
const OPEN_ATTEMPTS: u32 = 200;
/// Wait between two such times.
const OPEN_PAUSE: Duration = Duration::from_millis(10);

const CURRENT: &[u8] = b"current";
const ACKNOWLEDGED: &[u8] = b"acknowledged";

/// The open sled directory.
pub(super) struct Catalogue {
    db: Db,
    keys: Tree,
    path: PathBuf,
    /// The position up to which the log is known here to have been acknowledged.
    acknowledged: AtomicU64,
}

impl Catalogue {
    /// Opens or makes the directory. One that is damaged is set aside, and a new one is made.
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        match Self::try_open(path) {
            Err(error @ LogError::Corrupt { .. }) => {
                let aside =
                    set_aside(path).map_err(|cause| super::unavailable("setting the index aside".into(), cause))?;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    aside = %aside.display(),
                    "the index cannot be used; it is made again from the journal"
                );
                Self::try_open(path)
            }
            opened => opened,
        }
    }

    fn try_open(path: &Path) -> Result<Self, LogError> {
        let db = open_sled(path)?;
        let keys = guard(|| db.open_tree("keys"))?;
        let stored = guard(|| db.get(ACKNOWLEDGED))?;
        let acknowledged = stored.and_then(|value| value.as_ref().try_into().ok().map(u64::from_be_bytes));
        Ok(Self { db, keys, path: path.to_owned(), acknowledged: acknowledged.unwrap_or_default().into() })
    }

    /// The newest snapshot; none when there is none that can be read.
    pub(super) fn snapshot(&self) -> Option<(Tail, Index)> {
        let current = match guard(|| self.db.get(CURRENT)) {
            Ok(current) => current?,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the saved index cannot be looked up");
                return None;
            }
        };
        let snapshot = self.read_snapshot(&current);
        if snapshot.is_none() {
            tracing::warn!("the saved index is damaged, and is made again from the journal");
        }
        snapshot
    }

    fn read_snapshot(&self, current: &[u8]) -> Option<(Tail, Index)> {
        let (generation, checksum) = split(current)?;
        let parts = || self.db.scan_prefix(prefix(generation)).values().collect::<Result<Vec<_>, _>>();
        let bytes = guard(parts).ok()?.concat();
        if u64::from(crc32fast::hash(&bytes)) != checksum {
            return None;
        }
        snapshot::decode(&bytes)
    }

    /// The position up to which the log was surely acknowledged.
    pub(super) fn acknowledged(&self) -> Position {
        Position(self.acknowledged.load(Ordering::Acquire))
    }

    /// Keeps that the log was acknowledged up to `position`, unless it is known to have been further; durable.
    pub(super) fn acknowledge(&self, position: Position) -> Result<(), LogError> {
        if position <= self.acknowledged() {
            return Ok(());
        }
        guard(|| self.db.insert(ACKNOWLEDGED, &position.0.to_be_bytes()))?;
        self.sync()?;
        self.acknowledged.store(position.0, Ordering::Release);
        Ok(())
    }

    /// Takes keys, then a snapshot that has them no more.
    pub(super) fn save(&self, tail: &Tail, mut index: Index) -> Result<(), LogError> {
        self.add_keys(std::mem::take(&mut index.keys).into_iter())?;
        let current = guard(|| self.db.get(CURRENT))?;
        let old = current.as_deref().and_then(split).map(|(generation, _)| generation);
        let generation = old.map_or(1, |generation| generation + 1);
        // A saving that was cut short may have left parts under the same number.
        self.remove_parts(prefix(generation)..=prefix(u64::MAX))?;
        let checksum = self.add_parts(generation, snapshot::pieces(tail, index))?;
        // The parts are on the disk before the entry that makes them the snapshot.
        self.sync()?;
        let entry = [generation.to_be_bytes(), checksum.to_be_bytes()].concat();
        guard(|| self.db.insert(CURRENT, entry))?;
        self.sync()?;
        self.acknowledge(tail.head)?;
        self.remove_parts(prefix(0)..prefix(generation))
    }

    /// Adds the parts of a snapshot; gives their checksum.
    fn add_parts(&self, generation: u64, pieces: impl Iterator<Item = Vec<u8>>) -> Result<u64, LogError> {
        let mut checksum = crc32fast::Hasher::new();
        let (mut batch, mut number, mut open) = (Batch::default(), 0_u32, Vec::new());
        let mut put = |batch: &mut Batch, value: &[u8]| {
            checksum.update(value);
            batch.insert([&prefix(generation)[..], &number.to_be_bytes()].concat(), value);
            number += 1;
            if number.is_multiple_of(BATCH_PARTS) { self.write_out(std::mem::take(batch), &self.db) } else { Ok(()) }
        };
        for piece in pieces {
            open.extend(piece);
            let whole = open.len() - open.len() % VALUE_BYTES;
            open[..whole].chunks(VALUE_BYTES).try_for_each(|value| put(&mut batch, value))?;
            open.drain(..whole);
        }
        put(&mut batch, &open)?;
        self.write_out(batch, &self.db)?;
        Ok(u64::from(checksum.finalize()))
    }

    /// Writes a batch out: sled queues writes without bound otherwise.
    fn write_out(&self, batch: Batch, tree: &Tree) -> Result<(), LogError> {
        guard(|| tree.apply_batch(batch))?;
        guard(|| self.db.flush()).map(drop)
    }

    /// Removes the parts of other snapshots.
    fn remove_parts(&self, keys: impl RangeBounds<[u8; 9]>) -> Result<(), LogError> {
        let mut keys = guard(|| Ok(self.db.range(keys).keys()))?;
        loop {
            let some = guard(|| keys.by_ref().take(BATCH_KEYS).collect::<Result<Vec<_>, _>>())?;
            if some.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for key in some {
                batch.remove(key);
            }
            self.write_out(batch, &self.db)?;
        }
    }

    /// Adds places of keys.
    pub(super) fn add_keys(&self, keys: impl Iterator<Item = (NameHash, Location)>) -> Result<(), LogError> {
        let mut keys = keys.peekable();
        while keys.peek().is_some() {
            let mut batch = Batch::default();
            for (key, location) in keys.by_ref().take(BATCH_KEYS) {
                batch.insert(&key.to_be_bytes(), &location.pack().to_be_bytes());
            }
            self.write_out(batch, &self.keys)?;
        }
        Ok(())
    }

    /// Where the first event of the batch with this key stands.
    pub(super) fn key(&self, key: NameHash) -> Result<Option<Location>, LogError> {
        let stored = guard(|| self.keys.get(key.to_be_bytes()))?;
        let number = stored.map(|value| value.as_ref().try_into().map(u64::from_be_bytes));
        let number =
            number.transpose().map_err(|_| LogError::Corrupt { what: "a key of the index has no place".into() })?;
        Ok(number.map(Location::unpack))
    }

    /// Every key here and its place.
    pub(super) fn keys(&self) -> impl Iterator<Item = Result<(NameHash, Location), LogError>> {
        let mut entries = self.keys.iter();
        std::iter::from_fn(move || guard(|| entries.next().transpose()).transpose()).map(|entry| {
            let (key, value) = entry?;
            let key = key.as_ref().try_into().map(u128::from_be_bytes);
            let place = value.as_ref().try_into().map(u64::from_be_bytes);
            match (key, place) {
                (Ok(key), Ok(place)) => Ok((key, Location::unpack(place))),
                (Ok(_) | Err(_), _) => Err(LogError::Corrupt { what: "the index has a key that is none".into() }),
            }
        })
    }

    /// Forgets the snapshot and the keys, which are to be made again.
    pub(super) fn forget(&self) -> Result<(), LogError> {
        guard(|| self.db.remove(CURRENT))?;
        guard(|| self.keys.clear())
    }

    fn sync(&self) -> Result<(), LogError> {
        guard(|| self.db.flush())?;
        // sled's own flush does not reach the disk on Linux; syncing its file through a handle of ours does.
        let synced = File::open(self.path.join("db")).and_then(|file| file.sync_data());
        synced.map_err(|error| super::unavailable("syncing the index".into(), error))
    }
}

fn prefix(generation: u64) -> [u8; 9] {
    let mut prefix = [b's'; 9];
    prefix[1..].copy_from_slice(&generation.to_be_bytes());
    prefix
}

fn split(current: &[u8]) -> Option<(u64, u64)> {
    let (generation, checksum) = current.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*generation), u64::from_be_bytes(checksum.try_into().ok()?)))
}

/// sled asserts in several places instead of returning an error.
fn guard<T>(ask: impl FnOnce() -> Result<T, ::sled::Error>) -> Result<T, LogError> {
    let outcome = catch_unwind(AssertUnwindSafe(ask));
    outcome.map_err(|_| LogError::Corrupt { what: "sled gave up on the index".into() })?.map_err(failed)
}

/// An index that is damaged is to be made again; one that the machine keeps from being used is to be kept.
fn failed(error: ::sled::Error) -> LogError {
    use ::sled::Error::{CollectionNotFound, Corruption, Io, ReportableBug, Unsupported};
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let damaged = match &error {
        Io(error) => {
            let content = matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof);
            content || error.raw_os_error() == Some(UNREADABLE)
        }
        CollectionNotFound(_) | Corruption { .. } | ReportableBug(_) | Unsupported(_) => true,
    };
    if damaged {
        return LogError::Corrupt { what: format!("the index in sled: {error}") };
    }
    LogError::Unavailable { what: "using the index in sled".into(), source: Some(Box::new(error)) }
}

fn open_sled(path: &Path) -> Result<Db, LogError> {
    let config = ::sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let mut attempt = 1;
    loop {
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| LogError::Corrupt { what: format!("sled gave up while opening {}", path.display()) })?;
        match opened {
            Ok(db) => return Ok(db),
            // We hold the lock of the store, so it can only be a worker of a handle closed a moment ago.
            Err(::sled::Error::Io(error)) if error.kind() == io::ErrorKind::Other && attempt < OPEN_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Renames the directory to the first free name after it.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let aside = path.with_extension(format!("damaged-{number}"));
        if !aside.exists() {
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
        number += 1;
    }
}
