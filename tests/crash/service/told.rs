//! A log and a mailer that say what they are about to do and what they have done, so that a kill can fall between.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Idempotency, LogError, Position, Recorded, StreamId, StreamVersion,
};
use bishui_infra::mail::{Mailer, OutgoingMail, RecipientOutcome};
use tokio::sync::watch;
use uuid::Uuid;

use crate::victim::{Sabotage, Stop};

/// Prints lines, and stops the process in its tracks at the line it was told.
#[derive(Debug)]
pub(crate) struct Teller {
    halt: Option<Stop>,
    met: AtomicU64,
}

impl Teller {
    /// A teller that goes no further than `halt`.
    pub(crate) fn halting_at(halt: Option<Stop>) -> Arc<Self> {
        Arc::new(Self { halt, met: AtomicU64::new(0) })
    }

    /// Prints a line; does not come back from the last one.
    pub(crate) fn tell(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads to the end");
        drop(out);
        let Some(halt) = self.halt.as_ref().filter(|halt| halt.concerns(line)) else { return };
        if self.met.fetch_add(1, Ordering::Relaxed) + 1 >= halt.nth {
            // Nothing of this process goes on but what was handed to the store: the kill comes next.
            loop {
                std::thread::park();
            }
        }
    }
}

/// A log that tells of everything it writes.
pub(crate) struct ToldLog {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) teller: Arc<Teller>,
}

#[async_trait]
impl EventLog for ToldLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        self.teller.tell(&format!("append {}", batch.actor));
        let appended = self.log.append(batch).await;
        self.teller.tell("appended");
        appended
    }

    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        self.log.recall(known).await
    }

    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        self.log.version(stream).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        self.log.read_stream(stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        self.log.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.log.head().await
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.log.watch()
    }

    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        self.log.checkpoint(consumer).await
    }

    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        self.teller.tell(&format!("move {consumer}"));
        let moved = self.log.move_checkpoint(consumer, expected, to).await;
        self.teller.tell("moved");
        moved
    }
}

/// A mailer that tells of every message, and is broken where a control wants it.
pub(crate) struct ToldMailer {
    pub(crate) mailer: Box<dyn Mailer>,
    pub(crate) teller: Arc<Teller>,
    pub(crate) sabotage: Option<Sabotage>,
}

#[async_trait]
impl Mailer for ToldMailer {
    async fn send(&self, mail: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        let mut mail = mail.clone();
        if self.sabotage == Some(Sabotage::NewMessageIds) {
            mail.message_id = format!("<{}@elsewhere.example>", Uuid::now_v7());
        }
        self.teller.tell("send");
        let outcomes = self.mailer.send(&mail, recipients).await;
        self.teller.tell("sent");
        outcomes
    }

    fn idempotent(&self) -> bool {
        self.sabotage == Some(Sabotage::RetryUnknown) || self.mailer.idempotent()
    }

    fn describe(&self) -> String {
        self.mailer.describe()
    }
}
