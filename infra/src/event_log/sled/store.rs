//! The open tree: what can be read from it, and the durable commit.
//!
//! Reads take the head they are bounded by, so what is not acknowledged is not seen.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use ::sled::{Batch, Db, IVec};
use uuid::Uuid;

use super::{envelope, keys};
use crate::event_log::admission::KeyRecord;
use crate::event_log::{LogError, Position, Recorded, StreamId, StreamVersion};

/// Most bytes in one stored value. sled moves larger leaves to blob files, which it never syncs.
pub(super) const CHUNK_BYTES: usize = 4_000;
/// Memory that sled may use for pages, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// Times sled is asked to open while its own worker threads still hold the file of the handle before.
const OPEN_ATTEMPTS: u32 = 200;
/// Wait between two such times.
const OPEN_PAUSE: Duration = Duration::from_millis(10);

/// The open store. Fields are dropped in order: the lock is released last.
pub(super) struct Store {
    pub(super) db: Db,
    /// Our own handle of sled's file: its flush on Linux does not reach the disk, `sync_data` here does.
    data: File,
    _lock: File,
}

impl Store {
    /// Opens or creates the directory and sled in it; nothing is judged yet.
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let name = path.display();
        std::fs::create_dir_all(path).map_err(|error| io_failed(format!("creating the store at {name}"), error))?;
        let lock = lock(path)?;
        let db = open_sled(path)?;
        let data =
            File::open(path.join("db")).map_err(|error| io_failed(format!("opening the file of {name}"), error))?;
        sync_directory(path).map_err(|error| io_failed(format!("syncing the directory {name}"), error))?;
        Ok(Self { db, data, _lock: lock })
    }

    /// Writes `batch`, whole or not at all; on the disk after [`Store::sync`] only.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), ::sled::Error> {
        self.db.apply_batch(batch)
    }

    /// Hands what was written to the operating system. Without it sled queues writes without bound.
    pub(super) fn flush(&self) -> Result<(), ::sled::Error> {
        self.db.flush().map(drop)
    }

    /// Returns when everything written is on the disk.
    pub(super) fn sync(&self) -> Result<(), ::sled::Error> {
        self.flush()?;
        Ok(self.data.sync_data()?)
    }

    /// Puts another file in the place of sled's, and gives that: a disk that fails, for a test.
    #[cfg(test)]
    pub(super) fn replace_data(&mut self, data: File) -> File {
        std::mem::replace(&mut self.data, data)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, LogError> {
        self.db.get(key).map_err(failed)
    }

    /// The eight-byte number under `key`.
    pub(super) fn number(&self, key: &[u8]) -> Result<Option<u64>, LogError> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        match keys::number(&value) {
            Some(number) => Ok(Some(number)),
            None => Err(LogError::Corrupt { what: format!("`{}` is not a number", key.escape_ascii()) }),
        }
    }

    /// The committed head as stored.
    pub(super) fn head(&self) -> Result<Position, LogError> {
        let head = self.number(keys::HEAD)?;
        head.map(Position).ok_or_else(|| LogError::Corrupt { what: "it has no head".into() })
    }

    pub(super) fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        Ok(Position(self.number(&keys::checkpoint(consumer))?.unwrap_or_default()))
    }

    /// Version of `stream` by its last index entry.
    pub(super) fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        let Some(entry) = self.db.scan_prefix(keys::stream(stream)).next_back() else {
            return Ok(StreamVersion::default());
        };
        let (key, _) = entry.map_err(failed)?;
        keys::parse_version(&key)
            .ok_or_else(|| LogError::Corrupt { what: format!("the index of {stream} has a key without a version") })
    }

    /// Version of `stream` by its last index entry at or below `head`.
    pub(super) fn version_at(&self, stream: &StreamId, head: Position) -> Result<StreamVersion, LogError> {
        for entry in self.db.scan_prefix(keys::stream(stream)).rev() {
            let (key, value) = entry.map_err(failed)?;
            if keys::number(&value).is_some_and(|position| position <= head.0) {
                let corrupt =
                    || LogError::Corrupt { what: format!("the index of {stream} has a key without a version") };
                return keys::parse_version(&key).ok_or_else(corrupt);
            }
        }
        Ok(StreamVersion::default())
    }

    pub(super) fn key(&self, key: &str) -> Result<Option<KeyRecord>, LogError> {
        let Some(value) = self.get(&keys::idempotency(key))? else { return Ok(None) };
        let record = decode_key(&value);
        record.map(Some).ok_or_else(|| LogError::Corrupt { what: format!("idempotency key `{key}` cannot be read") })
    }

    /// The event at `position`, which must be at or below the head.
    pub(super) fn event(&self, position: Position) -> Result<Recorded, LogError> {
        let mut bytes = Vec::new();
        for chunk in 0..=u16::MAX {
            let Some(value) = self.get(&keys::event(position, chunk))? else { break };
            bytes.extend_from_slice(&value);
            if value.len() < CHUNK_BYTES {
                break;
            }
        }
        envelope::decode(position, &bytes)
    }

    /// The events at `positions`, at most `limit`; every one of them must be there.
    pub(super) fn events(&self, positions: RangeInclusive<u64>, limit: usize) -> Result<Vec<Recorded>, LogError> {
        let (start, end) = positions.into_inner();
        if start > end || limit == 0 {
            return Ok(Vec::new());
        }
        let mut scan = self.db.range(keys::event(Position(start), 0)..=keys::event(Position(end), u16::MAX)).peekable();
        let mut events = Vec::new();
        for position in (start..=end).take(limit).map(Position) {
            let mut bytes = Vec::new();
            while let Some(entry) = scan.next_if(|entry| is_part_of(position, entry)) {
                bytes.extend_from_slice(&entry.map_err(failed)?.1);
            }
            if bytes.is_empty() {
                return Err(LogError::Corrupt { what: format!("event {position} is missing") });
            }
            events.push(envelope::decode(position, &bytes)?);
        }
        Ok(events)
    }

    /// Events of `stream` with a version above `after` and a position up to `head`, at most `limit`.
    pub(super) fn stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
        head: Position,
    ) -> Result<Vec<Recorded>, LogError> {
        let Some(first) = after.0.checked_add(1) else { return Ok(Vec::new()) };
        let start = keys::stream_version(stream, StreamVersion(first));
        let end = keys::stream_version(stream, StreamVersion(u64::MAX));
        let mut events = Vec::new();
        for entry in self.db.range(start..=end).take(limit) {
            let (key, value) = entry.map_err(failed)?;
            let position = keys::number(&value).map(Position);
            let Some(position) = position else {
                return Err(LogError::Corrupt { what: format!("the index of {stream} holds no position") });
            };
            if position > head {
                break;
            }
            let event = self.event(position)?;
            if event.stream != *stream || Some(event.version) != keys::parse_version(&key) {
                return Err(LogError::Corrupt {
                    what: format!("the index of {stream} leads to {position}, not its event"),
                });
            }
            events.push(event);
        }
        Ok(events)
    }
}

/// Whether a scanned entry is a piece of the event at `position`; an error is, so that it is met there.
fn is_part_of(position: Position, entry: &Result<(IVec, IVec), ::sled::Error>) -> bool {
    entry.as_ref().map_or(true, |(key, _)| keys::parse_event(key).is_some_and(|(at, _)| at == position))
}

/// Adds the stored form of `event` and its index entry to `batch`.
pub(super) fn put_event(batch: &mut Batch, event: &Recorded) {
    for (chunk, bytes) in envelope::encode(event).chunks(CHUNK_BYTES).enumerate() {
        let chunk = u16::try_from(chunk).expect("payload and names are bounded below 65,536 chunks");
        batch.insert(&keys::event(event.position, chunk), bytes);
    }
    batch.insert(keys::stream_version(&event.stream, event.version), &event.position.0.to_be_bytes());
}

/// Adds what is kept of an idempotency key to `batch`.
pub(super) fn put_key(batch: &mut Batch, key: &str, record: KeyRecord) {
    let mut value = record.request.as_bytes().to_vec();
    value.extend_from_slice(&record.first.0.to_be_bytes());
    value.extend_from_slice(&record.last.0.to_be_bytes());
    batch.insert(keys::idempotency(key), value);
}

/// What is kept of an idempotency key; none when `value` is not of that form.
pub(super) fn decode_key(value: &[u8]) -> Option<KeyRecord> {
    let (request, places) = value.split_first_chunk::<16>()?;
    let (first, last) = places.split_at_checked(8)?;
    Some(KeyRecord {
        request: Uuid::from_bytes(*request),
        first: Position(keys::number(first)?),
        last: Position(keys::number(last)?),
    })
}

/// A failure of sled as one of the log's.
pub(super) fn failed(error: ::sled::Error) -> LogError {
    match error {
        ::sled::Error::Corruption { .. } => LogError::Corrupt { what: "a page of sled cannot be read".into() },
        ::sled::Error::CollectionNotFound(_)
        | ::sled::Error::Unsupported(_)
        | ::sled::Error::ReportableBug(_)
        | ::sled::Error::Io(_) => {
            LogError::Unavailable { what: "reading from sled".into(), source: Some(Box::new(error)) }
        }
    }
}

fn io_failed(what: String, error: io::Error) -> LogError {
    LogError::Unavailable { what, source: Some(Box::new(error)) }
}

/// Takes our own lock beside sled's: whether the store is in use must not be guessed from the text of an error.
fn lock(path: &Path) -> Result<File, LogError> {
    let file = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
    let file = file.map_err(|error| io_failed(format!("creating the lock of {}", path.display()), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(io_failed(format!("locking {}", path.display()), error)),
    }
}

fn open_sled(path: &Path) -> Result<Db, LogError> {
    let config = ::sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let mut attempt = 1;
    loop {
        // sled asserts in several places of its recovery instead of returning an error.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| LogError::Corrupt { what: format!("sled gave up while opening {}", path.display()) })?;
        match opened {
            Ok(db) => return Ok(db),
            // We hold the lock of the directory, so it can only be a worker of a handle closed a moment ago.
            Err(::sled::Error::Io(error)) if error.kind() == io::ErrorKind::Other && attempt < OPEN_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Makes new files durable: their names are in the directory, and the directory's in its parent.
fn sync_directory(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(path)?.sync_all()?;
    let absolute = path.canonicalize()?;
    absolute.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
