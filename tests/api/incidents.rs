//! Incidents: what fails in the background is shown, tried again, and over when it works again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bishui::accounts::Role;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Idempotency, LogError, Position, Recorded, StreamId, StreamVersion,
};
use serde_json::json;
use tokio::sync::watch;

use crate::town::{PLAN, Town, eventually};

/// A log whose checkpoints cannot be moved while it is broken.
#[derive(Default)]
struct FragileLog {
    inner: MemoryLog,
    broken: AtomicBool,
}

#[async_trait]
impl EventLog for FragileLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        self.inner.append(batch).await
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        self.inner.recall(known).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        self.inner.read_stream(stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        self.inner.read_all(after, limit).await
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        self.inner.version(stream).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.inner.head().await
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.inner.watch()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        self.inner.checkpoint(consumer).await
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable { what: "the disk of gaotang is full".to_owned(), source: None });
        }
        self.inner.move_checkpoint(consumer, expected, to).await
    }
}

#[test]
fn a_failing_store_is_an_incident_until_it_works_again() {
    let log = Arc::new(FragileLog::default());
    let town = Town::on(log.clone());
    assert_eq!(town.send("GET", "/readyz", &[], "").ok()["ready"], true);
    log.broken.store(true, Ordering::SeqCst);
    let reply = town.act("administrator", "/api/v1/plans", ("application/toml", PLAN));
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert!(!reply.body.contains("gaotang"), "the store's own words stay in the log: {}", reply.body);
    assert_eq!(reply.problem(), (503, "store_unavailable".to_owned(), "存储暂不可用".to_owned()));
    let ready = eventually(|| Some(town.send("GET", "/readyz", &[], "")).filter(|ready| ready.status == 503));
    let incident = ready.json()["incidents"].clone();
    assert!(incident.as_object().unwrap().values().all(|code| *code == json!("store_unavailable")), "{incident}");
    log.broken.store(false, Ordering::SeqCst);
    let receipt = town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    assert_eq!(receipt["events"], json!([]), "the plan was recorded although its answer failed");
    eventually(|| Some(town.send("GET", "/readyz", &[], "")).filter(|ready| ready.status == 200));
    assert_eq!(town.get(&town.token(Role::Auditor), "/api/v1/plan").ok()["revision"], 1);
}
