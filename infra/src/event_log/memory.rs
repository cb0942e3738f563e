//! A log in memory: the same promises and refusals as the durable stores, for as long as the process lives.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::admission::{check_bounds, check_consumer, check_work, place, place_recorded};
use super::table::Table;
use super::{Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion};

/// A handle to a log in memory; clones share the log.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    table: Arc<Mutex<Table>>,
    head: watch::Sender<Position>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        let start = Position::default();
        Self { table: Arc::new(Mutex::new(Table::above(start))), head: watch::Sender::new(start) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no holder of the table panics")
    }

    /// Published under the lock of the table: the head never goes back.
    fn publish(&self, table: &Table) {
        self.head.send_if_modified(|head| std::mem::replace(head, table.head()) != table.head());
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        check_bounds(&batch)?;
        let mut table = self.table();
        if let Some(asked) = &batch.idempotency
            && let Some(known) = table.key(&asked.key)
        {
            return known.answer(asked);
        }
        table.leases.check(batch.lease.as_ref())?;
        let placed = place(&batch, table.head(), |stream| Ok(table.version(stream).unwrap_or_default()))?;
        let appended = table.record(placed);
        self.publish(&table);
        Ok(appended)
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        self.table().key(&known.key).map(|record| record.answer(known)).transpose()
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        Ok(self.table().version(stream).unwrap_or_default())
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        Ok(self.table().stream_after(stream, after, limit))
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        Ok(self.table().after(after, limit))
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        let mut table = self.table();
        let placed = place_recorded(events, table.head(), |stream| Ok(table.version(stream).unwrap_or_default()))?;
        let appended = table.record(placed);
        self.publish(&table);
        Ok(appended.last)
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(self.table().head())
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        check_consumer(consumer)?;
        Ok(self.table().checkpoint(consumer).unwrap_or_default())
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        check_consumer(consumer)?;
        let mut table = self.table();
        let actual = table.checkpoint(consumer).unwrap_or_default();
        if actual != expected {
            return Err(LogError::CheckpointMoved { consumer: consumer.to_owned(), expected, actual });
        }
        table.set_checkpoint(consumer, to);
        Ok(())
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        check_work(work)?;
        Ok(self.table().leases.take(work, holder, time, Instant::now().into_std()))
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        self.table().leases.end(lease, Instant::now().into_std());
        Ok(())
    }
}
