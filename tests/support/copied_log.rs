//! The events of a log, taken out to be altered and read again.

use std::time::Duration;

use async_trait::async_trait;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion,
};
use tokio::sync::watch;
use uuid::Uuid;

/// A log that can only be read.
pub struct CopiedLog(pub Vec<Recorded>);

#[async_trait]
impl EventLog for CopiedLog {
    async fn append(&self, _: Batch) -> Result<Appended, LogError> {
        unreachable!("a reader writes nothing")
    }
    async fn recall(&self, _: &Idempotency) -> Result<Option<Appended>, LogError> {
        unreachable!("a reader repeats no request")
    }
    async fn version(&self, _: &StreamId) -> Result<StreamVersion, LogError> {
        unreachable!("a reader reads the whole log")
    }
    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        let wanted = |event: &&Recorded| event.stream == *stream && event.version > after;
        Ok(self.0.iter().filter(wanted).take(limit).cloned().collect())
    }
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        Ok(self.0.iter().filter(|recorded| recorded.position > after).take(limit).cloned().collect())
    }
    async fn take_over(&self, _: Vec<Recorded>) -> Result<Position, LogError> {
        unreachable!("a reader writes nothing")
    }
    async fn head(&self) -> Result<Position, LogError> {
        Ok(self.0.last().map_or(Position(0), |last| last.position))
    }
    fn watch(&self) -> watch::Receiver<Position> {
        unreachable!("a reader does not wait")
    }
    async fn checkpoint(&self, _: &str) -> Result<Position, LogError> {
        unreachable!("a reader keeps no checkpoint")
    }
    async fn move_checkpoint(&self, _: &str, _: Position, _: Position) -> Result<(), LogError> {
        unreachable!("a reader keeps no checkpoint")
    }

    async fn take_lease(&self, _: &str, _: Uuid, _: Duration) -> Result<Option<Lease>, LogError> {
        unreachable!("a reader writes nothing")
    }

    async fn end_lease(&self, _: &Lease) -> Result<(), LogError> {
        unreachable!("a reader writes nothing")
    }
}
