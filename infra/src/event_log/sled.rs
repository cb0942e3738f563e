//! The embedded durable log: an acknowledged batch is on the disk, whole, and survives a loss of power.
//!
//! The record is an append-only journal of segment files, synced once for each group of batches; sled holds what is
//! looked up and can be made again from the journal. A caller that finds the writer idle writes by itself; what comes
//! meanwhile is queued and written as one group. A failed write stops all further writing.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use std::sync::atomic::AtomicBool;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError as Busy, mpsc,
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use uuid::Uuid;

use self::catalogue::Catalogue;
use self::index::Index;
use self::queue::Queue;
use self::reader::Reader;
use self::room::Room;
use self::streams::name_hash;
use self::tail::Journal;
use self::writer::{Move, Work, Writer, recorded_key};
use super::admission::{check_bounds, check_consumer, check_work};
use super::lease::Leases;
use super::{
    Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion, Visitor,
};
use crate::disk::{Disk, RealDisk};

mod block;
mod catalogue;
mod chain;
mod check;
mod dropped;
mod entries;
mod index;
mod location;
mod open;
mod queue;
mod read;
mod reader;
mod recovery;
mod repair;
mod room;
mod segment;
mod snapshot;
mod streams;
mod tail;
mod torn;
mod upkeep;
mod wire;
mod writer;

pub use repair::{Repaired, repair, repair_on};

/// Times the lock is asked for before the store counts as in use, and the pause between them.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The open store: what its writer and its readers share.
struct Store {
    reader: Arc<Reader>,
    catalogue: Catalogue,
    index: RwLock<Index>,
    leases: Mutex<Leases>,
    head: watch::Sender<Position>,
    room: Arc<Room>,
    /// Whether the upkeep has yet to save the index.
    saving: AtomicBool,
    /// Released last.
    _lock: File,
}

impl Store {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().expect("no holder of the index panics")
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().expect("no holder of the index panics")
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().expect("no holder of the leases panics")
    }

    fn head(&self) -> Position {
        *self.head.borrow()
    }
}

/// A handle to an open store; clones share it. When the last is dropped, the drop waits until what is queued is
/// written and the index is saved.
#[derive(Clone)]
pub struct SledLog {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    writer: Arc<Mutex<Writer>>,
    queue: Queue,
    /// Ends when the writer is gone.
    upkeep: Option<JoinHandle<()>>,
}

impl SledLog {
    /// Opens the store in directory `path`, creating it when there is none. What a crash left of a batch that was not
    /// acknowledged is dropped, and kept in `dropped`; an index that is damaged, stale or gone is made again. It blocks:
    /// call it off the async threads.
    ///
    /// # Errors
    /// `InUse` when the directory is open elsewhere; `Corrupt` when something that was acknowledged is damaged;
    /// `Unavailable` when it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LogError> {
        Self::open_on(&(Arc::new(RealDisk) as Arc<dyn Disk>), path)
    }

    /// Opens the store with its journal on a disk of the caller's: one that fails or forgets, for a test. The lock and
    /// the index are on the real one.
    ///
    /// # Errors
    /// Those of [`SledLog::open`].
    pub fn open_on(disk: &Arc<dyn Disk>, path: impl AsRef<Path>) -> Result<Self, LogError> {
        let opened = open::open(disk, path.as_ref())?;
        let store = Arc::new(opened.store);
        let (to_upkeep, work) = mpsc::channel();
        let for_upkeep = Arc::clone(&store);
        let upkeep = spawn("event-log-upkeep", move || upkeep::run(&for_upkeep, &work))?;
        let file = store.reader.file(opened.tail.segment)?;
        let journal = Journal::new(opened.tail, file, Arc::clone(&store.room))?;
        let writer = Writer::new(Arc::clone(&store), journal, opened.saved, to_upkeep);
        let writer = Arc::new(Mutex::new(writer));
        let queue = Queue::start(Arc::clone(&writer))?;
        Ok(Self { inner: Arc::new(Inner { store, writer, queue, upkeep: Some(upkeep) }) })
    }

    /// Reads the whole journal and compares it with itself and the index; gives the head up to which it did. It blocks,
    /// for as long as reading everything takes, and may run beside writers.
    ///
    /// # Errors
    /// `Corrupt` with the first difference.
    pub fn verify(&self) -> Result<Position, LogError> {
        match check::verify(&self.inner.store) {
            // What is being written while it is read may look wrong: it is read again while nothing is.
            Err(LogError::Corrupt { .. }) => {
                let _still = self.inner.writer.lock().map_err(|_| queue::stopped())?;
                check::verify(&self.inner.store)
            }
            done => done,
        }
    }

    async fn ask(&self, work: Work) -> Result<Appended, LogError> {
        let inner = &*self.inner;
        if inner.queue.is_idle() {
            match inner.writer.try_lock() {
                Ok(mut writer) => {
                    let answered = blocking(|| writer.serve(std::iter::once(&work)).pop());
                    return answered.expect("one answer to one piece of work");
                }
                Err(Busy::WouldBlock) => {}
                Err(Busy::Poisoned(_)) => return Err(queue::stopped()),
            }
        }
        inner.queue.ask(work).await
    }
}

/// Does what blocks where the runtime has other threads for the rest.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.stop();
        let writer = self.writer.lock();
        let sound = writer.is_ok();
        let mut writer = writer.unwrap_or_else(PoisonError::into_inner);
        writer.retire();
        if let Some(upkeep) = self.upkeep.take()
            && upkeep.join().is_err()
        {
            tracing::error!("the upkeep of the event log had stopped with a panic");
        }
        if sound {
            writer.save_last();
        } else {
            tracing::error!("the writer of the event log had stopped with a panic");
        }
    }
}

#[async_trait]
impl EventLog for SledLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        check_bounds(&batch)?;
        self.ask(Work::Append(batch)).await
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        let store = &*self.inner.store;
        let record = blocking(|| recorded_key(store, &store.index(), &known.key))?;
        record.map(|record| record.answer(known)).transpose()
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        let head = self.inner.store.index().streams.head(name_hash(stream.as_str()));
        Ok(StreamVersion(head.unwrap_or_default().version))
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let Some(first) = after.0.checked_add(1).filter(|_| limit > 0) else { return Ok(Vec::new()) };
        let last = first.saturating_add(limit - 1);
        blocking(|| read::stream(&self.inner.store, stream, first, last))
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let until = Position(after.0.saturating_add(limit).min(self.inner.store.head().0));
        let mut events = Vec::new();
        blocking(|| {
            read::visit(&self.inner.store, after, until, &mut |event| {
                events.push(event.to_recorded());
                std::ops::ControlFlow::Continue(())
            })
        })?;
        Ok(events)
    }

    async fn replay(&self, after: Position, until: Position, visit: &mut Visitor<'_>) -> Result<(), LogError> {
        let until = until.min(self.inner.store.head());
        blocking(|| read::visit(&self.inner.store, after, until, visit))
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        Ok(self.ask(Work::TakeOver(events)).await?.last)
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(self.inner.store.head())
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.inner.store.head.subscribe()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        check_consumer(consumer)?;
        Ok(self.inner.store.index().checkpoints.get(consumer).copied().unwrap_or_default())
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        check_consumer(consumer)?;
        let step = Move { consumer: consumer.to_owned(), expected, to };
        self.ask(Work::Checkpoint(step)).await.map(drop)
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        check_work(work)?;
        Ok(self.inner.store.leases().take(work, holder, time, Instant::now()))
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        self.inner.store.leases().end(lease, Instant::now());
        Ok(())
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(run);
    spawned.map_err(|error| unavailable("starting a thread of the event log".into(), error))
}

fn unavailable(what: String, error: io::Error) -> LogError {
    LogError::Unavailable { what, source: Some(Box::new(error)) }
}

/// Takes our own lock beside sled's: whether the store is in use must not be guessed from the text of an error. A program
/// that is being started by another thread holds what is open here until it runs its own code, so the lock is asked for
/// a few times.
fn lock(path: &Path) -> Result<File, LogError> {
    let file = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
    let file = file.map_err(|error| unavailable(format!("creating the lock of {}", path.display()), error))?;
    let mut attempt = 1;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if attempt < LOCK_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Err(LogError::InUse { path: path.display().to_string() }),
            Err(TryLockError::Error(error)) => return Err(unavailable(format!("locking {}", path.display()), error)),
        }
    }
}
