//! A log whose writes are watched: the watcher sees each before and after it is made, and may refuse it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion,
};
use tokio::sync::watch;
use uuid::Uuid;

/// A write to a log.
#[derive(Debug, Clone, Copy)]
pub enum Write<'a> {
    /// A batch of this actor.
    Append(&'a str),
    /// The checkpoint of this consumer.
    Checkpoint(&'a str),
}

/// Sees every write.
pub trait Watcher: Send + Sync {
    /// The write is about to be made.
    ///
    /// # Errors
    /// What the writer is told instead; the write is then not made.
    fn before(&self, write: Write<'_>) -> Result<(), LogError>;

    /// The write was made or has failed; the writer does not know yet.
    fn after(&self, write: Write<'_>);

    /// What the writer is told of a write that was made, where its answer is lost.
    fn lost(&self, _write: Write<'_>) -> Option<LogError> {
        None
    }

    /// The log that answers: `log`, unless another has taken its place.
    ///
    /// # Errors
    /// What everyone is told while none answers.
    fn answering(&self, log: &Arc<dyn EventLog>) -> Result<Arc<dyn EventLog>, LogError> {
        Ok(Arc::clone(log))
    }

    /// A page of the whole log was read; it is told to the reader as it is left here.
    fn read(&self, _page: &mut Vec<Recorded>) {}
}

/// A log with a watcher.
pub struct WatchedLog {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Its watcher.
    pub watcher: Arc<dyn Watcher>,
}

impl WatchedLog {
    fn log(&self) -> Result<Arc<dyn EventLog>, LogError> {
        self.watcher.answering(&self.log)
    }
}

#[async_trait]
impl EventLog for WatchedLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        let actor = batch.actor.clone();
        self.watcher.before(Write::Append(&actor))?;
        let appended = self.log()?.append(batch).await;
        self.watcher.after(Write::Append(&actor));
        let lost = appended.as_ref().ok().and_then(|_| self.watcher.lost(Write::Append(&actor)));
        lost.map_or(appended, Err)
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        self.log()?.recall(known).await
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        self.log()?.version(stream).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        self.log()?.read_stream(stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        let mut page = self.log()?.read_all(after, limit).await?;
        self.watcher.read(&mut page);
        Ok(page)
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        self.log()?.take_over(events).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.log()?.head().await
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.log.watch()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        self.log()?.checkpoint(consumer).await
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        self.watcher.before(Write::Checkpoint(consumer))?;
        let moved = self.log()?.move_checkpoint(consumer, expected, to).await;
        self.watcher.after(Write::Checkpoint(consumer));
        moved
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        self.log()?.take_lease(work, holder, time).await
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        self.log()?.end_lease(lease).await
    }
}
