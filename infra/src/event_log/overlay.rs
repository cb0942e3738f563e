//! A log over another log: what would be recorded, seen and thrown away.
//!
//! The base is read up to a head fixed at the start and is never written; new events continue its positions and
//! versions in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::admission::{check_bounds, check_consumer, check_work, place, place_recorded};
use super::table::Table;
use super::{Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion};

/// A preview over a base log.
///
/// Idempotency keys recorded on the preview are honoured; those of the base are not known here, so an act that the
/// base would answer as a repetition is shown as if it were new. Checkpoints are read from the base and moved on the
/// preview only.
pub struct OverlayLog {
    base: Arc<dyn EventLog>,
    base_head: Position,
    /// Held over the reading of base versions: appends stand in one order.
    top: Mutex<Table>,
    head: watch::Sender<Position>,
}

impl OverlayLog {
    /// A preview over the events of `base` up to `base_head`, which must not be above the head of `base`.
    pub fn over(base: Arc<dyn EventLog>, base_head: Position) -> Self {
        Self { base, base_head, top: Mutex::new(Table::above(base_head)), head: watch::Sender::new(base_head) }
    }

    /// Version of `stream` in the base at the fixed head.
    async fn base_version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        // The stream's length is doubled until it is passed, then halved in: few small reads, however long it is.
        let mut present = 0;
        let mut absent = 1;
        while self.base_holds(stream, absent).await? {
            present = absent;
            absent *= 2;
        }
        while absent - present > 1 {
            let middle = present.midpoint(absent);
            if self.base_holds(stream, middle).await? {
                present = middle;
            } else {
                absent = middle;
            }
        }
        Ok(StreamVersion(present))
    }

    /// Where each of `streams` stands, events of the preview included.
    async fn versions(
        &self,
        top: &Table,
        streams: impl Iterator<Item = &StreamId> + Send,
    ) -> Result<HashMap<StreamId, StreamVersion>, LogError> {
        let mut versions = HashMap::new();
        for stream in streams {
            if versions.contains_key(stream) {
                continue;
            }
            let version = match top.version(stream) {
                Some(version) => version,
                None => self.base_version(stream).await?,
            };
            versions.insert(stream.clone(), version);
        }
        Ok(versions)
    }

    async fn base_holds(&self, stream: &StreamId, version: u64) -> Result<bool, LogError> {
        let found = self.base.read_stream(stream, StreamVersion(version - 1), 1).await?;
        Ok(found.first().is_some_and(|event| event.position <= self.base_head))
    }

    fn in_base(&self, mut events: Vec<Recorded>) -> Vec<Recorded> {
        events.truncate(events.partition_point(|event| event.position <= self.base_head));
        events
    }
}

#[async_trait]
impl EventLog for OverlayLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        check_bounds(&batch)?;
        let mut top = self.top.lock().await;
        if let Some(asked) = &batch.idempotency
            && let Some(known) = top.key(&asked.key)
        {
            return known.answer(asked);
        }
        let versions = self.versions(&top, batch.writes.iter().map(|write| &write.stream)).await?;
        top.leases.check(batch.lease.as_ref())?;
        let placed = place(&batch, top.head(), |stream| Ok(versions.get(stream).copied().unwrap_or_default()))?;
        let appended = top.record(placed);
        self.head.send_if_modified(|head| std::mem::replace(head, top.head()) != top.head());
        Ok(appended)
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        self.top.lock().await.key(&known.key).map(|record| record.answer(known)).transpose()
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        let above = self.top.lock().await.version(stream);
        match above {
            Some(version) => Ok(version),
            None => self.base_version(stream).await,
        }
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        let mut events = self.in_base(self.base.read_stream(stream, after, limit).await?);
        let top = self.top.lock().await.stream_after(stream, after, limit - events.len());
        events.extend(top);
        Ok(events)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        let mut events =
            if after < self.base_head { self.in_base(self.base.read_all(after, limit).await?) } else { Vec::new() };
        let top = self.top.lock().await.after(after, limit - events.len());
        events.extend(top);
        Ok(events)
    }

    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        let mut top = self.top.lock().await;
        let versions = self.versions(&top, events.iter().map(|event| &event.stream)).await?;
        let placed =
            place_recorded(events, top.head(), |stream| Ok(versions.get(stream).copied().unwrap_or_default()))?;
        let appended = top.record(placed);
        self.head.send_if_modified(|head| std::mem::replace(head, top.head()) != top.head());
        Ok(appended.last)
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(self.top.lock().await.head())
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        check_consumer(consumer)?;
        match self.top.lock().await.checkpoint(consumer) {
            Some(position) => Ok(position),
            None => self.base.checkpoint(consumer).await,
        }
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        check_consumer(consumer)?;
        let mut top = self.top.lock().await;
        let actual = match top.checkpoint(consumer) {
            Some(position) => position,
            None => self.base.checkpoint(consumer).await?,
        };
        if actual != expected {
            return Err(LogError::CheckpointMoved { consumer: consumer.to_owned(), expected, actual });
        }
        top.set_checkpoint(consumer, to);
        Ok(())
    }

    async fn take_lease(&self, work: &str, holder: Uuid, time: Duration) -> Result<Option<Lease>, LogError> {
        check_work(work)?;
        Ok(self.top.lock().await.leases.take(work, holder, time, Instant::now()))
    }

    async fn end_lease(&self, lease: &Lease) -> Result<(), LogError> {
        self.top.lock().await.leases.end(lease, Instant::now());
        Ok(())
    }
}
