//! The log on PostgreSQL: several nodes on one database, positions dense in commit order, an acknowledgement only after
//! the commit.
//!
//! The row of the head orders all appends: it is changed by every one of them, whichever node makes it. A node's
//! writer records what is queued with it in one transaction. When a connection is lost during a commit, the writer
//! looks for its events at their places before it answers.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use self::connections::Connections;
use self::writer::{Request, Writer};
use super::admission::{check_bounds, check_consumer, check_work};
use super::{
    Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion, Visitor,
};

mod address;
mod block;
mod check;
mod commit;
mod connections;
pub mod database;
mod failure;
mod ground;
mod group;
mod leases;
mod read;
mod schema;
mod stored;
mod wake;
mod writer;
mod writing;

pub use address::Address;

/// Requests that may wait for the writer; further callers wait to queue.
const QUEUE_REQUESTS_MAX: usize = 4_096;

/// A handle to the log in a database; clones share it. When the last is dropped, the drop waits until the writer has
/// finished what is queued.
#[derive(Clone)]
pub struct PostgresLog {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Arc<Connections>,
    head: watch::Sender<Position>,
    /// Both are there until the log is closed.
    queue: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl PostgresLog {
    /// Opens the log in the database at `address`, making or bringing forward its tables.
    ///
    /// # Errors
    /// `Unavailable` when no server of the address takes writes, or the tables belong to a newer program.
    pub async fn open(address: &Address) -> Result<Self, LogError> {
        let connections = Arc::new(Connections::new(address.clone()));
        let mut connection = connections.connect().await?;
        schema::bring_forward(&mut connection).await?;
        // A farewell; the server notices by itself too.
        drop(connection.close().await);
        let head = watch::Sender::new(read::head(&connections).await?);
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let writer = start_writer(Arc::clone(&connections), head.clone(), requests)?;
        Ok(Self { inner: Arc::new(Inner { connections, head, queue: Some(queue), writer: Some(writer) }) })
    }

    /// Reads the whole log and compares it with itself; gives the head up to which it did. It may run beside writers.
    ///
    /// # Errors
    /// `Corrupt` with the first difference.
    pub async fn verify(&self) -> Result<Position, LogError> {
        check::verify(&self.inner.connections).await
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Appended, LogError>>) -> Request,
    ) -> Result<Appended, LogError> {
        let stopped = || LogError::Unavailable { what: "the writer has stopped".into(), source: None };
        let (answer, answered) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or_else(stopped)?;
        queue.send(request(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// Starts the writer and what wakes it, on a thread of their own: a commit never waits for other work of the process.
fn start_writer(
    connections: Arc<Connections>,
    head: watch::Sender<Position>,
    requests: mpsc::Receiver<Request>,
) -> Result<JoinHandle<()>, LogError> {
    let failed = |error| LogError::Unavailable {
        what: "starting the writer".into(),
        source: Some(Box::<std::io::Error>::new(error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let run = move || {
        runtime.block_on(async {
            let following = tokio::spawn(wake::follow(Arc::clone(&connections), head.clone()));
            Writer::new(connections, head).run(requests).await;
            following.abort();
        });
    };
    std::thread::Builder::new().name("event-log".into()).spawn(run).map_err(failed)
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
impl EventLog for PostgresLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        check_bounds(&batch)?;
        self.ask(|answer| Request::Append(batch, answer)).await
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        read::key(&self.inner.connections, &known.key).await?.map(|record| record.answer(known)).transpose()
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        read::version(&self.inner.connections, stream).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        read::stream(&self.inner.connections, stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        read::log(&self.inner.connections, after, limit).await
    }

    async fn replay(&self, after: Position, until: Position, visit: &mut Visitor<'_>) -> Result<(), LogError> {
        read::replay(&self.inner.connections, after, until, visit).await
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        Ok(self.ask(|answer| Request::TakeOver(events, answer)).await?.last)
    }

    async fn head(&self) -> Result<Position, LogError> {
        read::head(&self.inner.connections).await
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.inner.head.subscribe()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        check_consumer(consumer)?;
        leases::checkpoint(&self.inner.connections, consumer).await
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        check_consumer(consumer)?;
        leases::move_checkpoint(&self.inner.connections, consumer, expected, to).await
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        check_work(work)?;
        leases::take(&self.inner.connections, work, holder, time).await
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        leases::end(&self.inner.connections, lease).await
    }
}
