//! The log on PostgreSQL: several nodes on one database, positions dense in commit order, an acknowledgement only after
//! the commit.
//!
//! The row of the head orders all appends: it is changed by every one of them, whichever node makes it. A node's
//! writer records what is queued with it in one transaction. When a connection is lost during a commit, the writer
//! looks for its events at their places before it answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
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
mod servers;
mod stored;
mod unfinished;
mod wake;
mod writer;
mod writing;

pub use address::Address;
pub use unfinished::Unfinished;

/// Requests that may wait for the writer; further callers wait to queue.
const QUEUE_REQUESTS_MAX: usize = 4_096;

/// A handle to the log in a database; clones share it. Its writer is a task of the runtime that opens it, so that no
/// thread has to wake another for a commit. When the last handle is dropped it finishes what is queued, as long as the
/// runtime is there.
#[derive(Clone)]
pub struct PostgresLog {
    connections: Arc<Connections>,
    head: watch::Sender<Position>,
    queue: mpsc::Sender<Request>,
}

impl PostgresLog {
    /// Makes the tables of a log in the database at `address`; those that are there stay.
    ///
    /// # Errors
    /// `Unavailable` when no server of the address takes writes, or the tables belong to a newer program.
    pub async fn make(address: &Address) -> Result<(), LogError> {
        schema::make(&Connections::new(address.clone())).await
    }

    /// Opens the log in the database at `address`, bringing its tables forward.
    ///
    /// # Errors
    /// `Unavailable` when no server of the address takes writes, no log was made there, or the tables belong to a newer
    /// program or to a log that is being restored or moved there.
    pub async fn open(address: &Address) -> Result<Self, LogError> {
        let connections = Connections::new(address.clone());
        schema::bring_forward(&connections).await?;
        Self::begin(connections).await
    }

    /// Begins to work on tables that are at the newest step.
    async fn begin(connections: Connections) -> Result<Self, LogError> {
        let connections = Arc::new(connections);
        let head = watch::Sender::new(read::head(&connections).await?);
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        tokio::spawn(write(Arc::clone(&connections), head.clone(), requests));
        Ok(Self { connections, head, queue })
    }

    /// Reads the whole log and compares it with itself; gives the head up to which it did. It may run beside writers.
    ///
    /// # Errors
    /// `Corrupt` with the first difference.
    pub async fn verify(&self) -> Result<Position, LogError> {
        check::verify(&self.connections).await
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Appended, LogError>>) -> Request,
    ) -> Result<Appended, LogError> {
        let stopped = || LogError::Unavailable { what: "the writer has stopped".into(), source: None };
        let (answer, answered) = oneshot::channel();
        self.queue.send(request(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// Runs the writer until the last handle is dropped, and what wakes this node and the others.
async fn write(connections: Arc<Connections>, head: watch::Sender<Position>, requests: mpsc::Receiver<Request>) {
    let (moved, moves) = watch::channel(Position(0));
    // It ends by itself, when the last move is told.
    tokio::spawn(wake::tell(Arc::clone(&connections), moves));
    // It ends with this task, whatever ends that.
    let mut following = JoinSet::new();
    following.spawn(wake::follow(Arc::clone(&connections), head.clone()));
    Writer::new(connections, head, moved).run(requests).await;
}

#[async_trait]
impl EventLog for PostgresLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        check_bounds(&batch)?;
        self.ask(|answer| Request::Append(batch, answer)).await
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        read::key(&self.connections, &known.key).await?.map(|record| record.answer(known)).transpose()
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        read::version(&self.connections, stream).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        read::stream(&self.connections, stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        read::log(&self.connections, after, limit).await
    }

    async fn replay(&self, after: Position, until: Position, visit: &mut Visitor<'_>) -> Result<(), LogError> {
        read::replay(&self.connections, after, until, visit).await
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        Ok(self.ask(|answer| Request::TakeOver(events, answer)).await?.last)
    }

    async fn head(&self) -> Result<Position, LogError> {
        read::head(&self.connections).await
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        check_consumer(consumer)?;
        leases::checkpoint(&self.connections, consumer).await
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        check_consumer(consumer)?;
        leases::move_checkpoint(&self.connections, consumer, expected, to).await
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        check_work(work)?;
        leases::take(&self.connections, work, holder, time).await
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        leases::end(&self.connections, lease).await
    }
}
