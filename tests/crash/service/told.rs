//! A log's watcher and a mailer that say what they are about to do and what they have done, so that a kill can fall between.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bishui_infra::event_log::LogError;
use bishui_infra::mail::{Mailer, OutgoingMail, RecipientOutcome};
use bishui_tests::watched_log::{Watcher, Write};
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

impl Watcher for Teller {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        match write {
            Write::Append(actor) => self.tell(&format!("append {actor}")),
            Write::Checkpoint(consumer) => self.tell(&format!("move {consumer}")),
        }
        Ok(())
    }

    fn after(&self, write: Write<'_>) {
        match write {
            Write::Append(_) => self.tell("appended"),
            Write::Checkpoint(_) => self.tell("moved"),
        }
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
