//! A log that answers `Ok` and does nothing: the measure of the suite's teeth.

use std::time::Duration;

use async_trait::async_trait;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion,
};
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) struct DoNothingLog;

#[async_trait]
impl EventLog for DoNothingLog {
    async fn append(&self, _: Batch) -> Result<Appended, LogError> {
        Ok(Appended { first: Position(0), last: Position(0), duplicate: false })
    }

    async fn recall(&self, _: &Idempotency) -> Result<Option<Appended>, LogError> {
        Ok(None)
    }

    async fn version(&self, _: &StreamId) -> Result<StreamVersion, LogError> {
        Ok(StreamVersion(0))
    }

    async fn read_stream(&self, _: &StreamId, _: StreamVersion, _: usize) -> Result<Vec<Recorded>, LogError> {
        Ok(Vec::new())
    }

    async fn read_all(&self, _: Position, _: usize) -> Result<Vec<Recorded>, LogError> {
        Ok(Vec::new())
    }

    async fn take_over(&self, _: Vec<Recorded>) -> Result<Position, LogError> {
        Ok(Position(0))
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(Position(0))
    }

    fn watch(&self) -> watch::Receiver<Position> {
        watch::channel(Position(0)).1
    }

    async fn checkpoint(&self, _: &str) -> Result<Position, LogError> {
        Ok(Position(0))
    }

    async fn move_checkpoint(&self, _: &str, _: Position, _: Position) -> Result<(), LogError> {
        Ok(())
    }

    async fn take_lease(&self, _: &str, _: Uuid, _: Duration) -> Result<Option<Lease>, LogError> {
        Ok(None)
    }

    async fn end_lease(&self, _: &Lease) -> Result<(), LogError> {
        Ok(())
    }
}
