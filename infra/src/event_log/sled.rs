//! The embedded durable log, on sled: an acknowledged batch is on the disk, whole, and survives a loss of power.
//!
//! One writer commits what is queued as one group and answers afterwards. sled's own flush does not reach the disk on
//! Linux, so its file is synced through a handle of ours. A failed write stops all further writing.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use self::store::Store;
use self::writer::{Move, Request, Writer};
use super::admission::{check_bounds, check_consumer, check_work};
use super::lease::Leases;
use super::{Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion};

mod check;
mod envelope;
mod heads;
mod keys;
mod store;
mod writer;

/// Requests that may wait for the writer; further callers wait to queue.
const QUEUE_REQUESTS_MAX: usize = 4_096;

/// A handle to an open store; clones share it. When the last is dropped, the drop waits until the writer has finished
/// what is queued; the store is closed then, or when the last read that is still running ends.
#[derive(Clone)]
pub struct SledLog {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    head: watch::Sender<Position>,
    leases: Arc<Mutex<Leases>>,
    /// Both are there until the store is closed.
    queue: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl SledLog {
    /// Opens the store in directory `path`, creating it when there is none, and checks its head and tail. It blocks:
    /// call it off the async threads.
    ///
    /// # Errors
    /// `InUse` when the directory is open elsewhere; `Corrupt` when the checks find a difference; `Unavailable` when
    /// it cannot be opened or has a newer format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LogError> {
        let store = Arc::new(Store::open(path.as_ref())?);
        let head = watch::Sender::new(check::start(&store)?);
        let leases = Arc::<Mutex<Leases>>::default();
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let writer = Writer::new(Arc::clone(&store), Arc::clone(&leases), head.clone());
        let writer = std::thread::Builder::new().name("event-log".into()).spawn(move || writer.run(requests));
        let writer = writer.map_err(|error| LogError::Unavailable {
            what: "starting the writer".into(),
            source: Some(Box::new(error)),
        })?;
        Ok(Self { inner: Arc::new(Inner { store, head, leases, queue: Some(queue), writer: Some(writer) }) })
    }

    /// Reads the whole store and compares it with itself; gives the head up to which it did. It blocks, for as long
    /// as reading everything takes, and may run beside writers.
    ///
    /// # Errors
    /// `Corrupt` with the first difference.
    pub fn verify(&self) -> Result<Position, LogError> {
        let head = *self.inner.head.borrow();
        check::verify(&self.inner.store, head)?;
        Ok(head)
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Request,
    ) -> Result<T, LogError> {
        let stopped = || LogError::Unavailable { what: "the writer has stopped".into(), source: None };
        let (answer, answered) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or_else(stopped)?;
        queue.send(request(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Runs `read` off the async threads, with the acknowledged head.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store, Position) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let store = Arc::clone(&self.inner.store);
        let head = *self.inner.head.borrow();
        let outcome = tokio::task::spawn_blocking(move || read(&store, head)).await;
        outcome.unwrap_or_else(|error| {
            Err(LogError::Unavailable { what: "reading from sled".into(), source: Some(Box::new(error)) })
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the event log had stopped with a panic");
        }
    }
}

#[async_trait]
impl EventLog for SledLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        check_bounds(&batch)?;
        self.ask(|answer| Request::Append(batch, answer)).await
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        let known = known.clone();
        self.read(move |store, head| match store.key(&known.key)? {
            Some(record) if record.last <= head => record.answer(&known).map(Some),
            Some(_) | None => Ok(None),
        })
        .await
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        let stream = stream.clone();
        self.read(move |store, head| store.version_at(&stream, head)).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        let stream = stream.clone();
        self.read(move |store, head| store.stream(&stream, after, limit, head)).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        self.read(move |store, head| store.events(after.0.saturating_add(1)..=head.0, limit)).await
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        Ok(self.ask(|answer| Request::TakeOver(events, answer)).await?.last)
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(*self.inner.head.borrow())
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.inner.head.subscribe()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        check_consumer(consumer)?;
        let consumer = consumer.to_owned();
        self.read(move |store, _| store.checkpoint(&consumer)).await
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        check_consumer(consumer)?;
        let step = Move { consumer: consumer.to_owned(), expected, to };
        self.ask(|answer| Request::Checkpoint(step, answer)).await
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        check_work(work)?;
        let mut leases = self.inner.leases.lock().expect("no holder of the leases panics");
        Ok(leases.take(work, holder, time, Instant::now()))
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        self.inner.leases.lock().expect("no holder of the leases panics").end(lease, Instant::now());
        Ok(())
    }
}
