//! The leases of this node: which background work it may do, and the terms that its batches carry.
//!
//! A service keeps its leases: it renews each well before its time is over, and takes any that is free. Everyone else
//! (the command line, a drill) takes a lease for one turn and ends it after. Whoever lost a lease is refused at its
//! next append, however late that comes, and stops quietly.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bishui_infra::event_log::{EventLog, Lease, LogError};
use strum::{Display, EnumIter, IntoEnumIterator};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// Shares of a lease's time after which it is renewed.
const RENEWALS: u32 = 3;

/// Background work that one node does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter, Display)]
#[strum(serialize_all = "snake_case")]
pub enum Work {
    /// All process managers: they feed each other, and none is long.
    Processes,
    /// Sending mail.
    Mail,
    /// Firing reminders.
    Deadlines,
}

/// A lease held here.
#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    renewed: Instant,
}

/// The leases of one node.
#[derive(Debug)]
pub struct Leases {
    holder: Uuid,
    time: Duration,
    /// Work that is left to other nodes.
    left: Option<Work>,
    /// Whether this node renews its leases between turns.
    kept: AtomicBool,
    held: Mutex<BTreeMap<Work, Held>>,
    /// Wakes when a lease was taken that was not held.
    taken: watch::Sender<u64>,
}

impl Leases {
    /// The leases of `holder`, each taken for `time`; that of work which is `left` to others never.
    pub fn new(holder: Uuid, time: Duration, left: Option<Work>) -> Self {
        let (kept, held, taken) = (AtomicBool::new(false), Mutex::default(), watch::Sender::new(0));
        Self { holder, time, left, kept, held, taken }
    }

    /// Time between two renewals.
    pub fn renewal(&self) -> Duration {
        self.time / RENEWALS
    }

    /// A receiver that wakes when this node has taken work that it did not have.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.taken.subscribe()
    }

    /// The lease for a turn of `work`; none while another node has it. A lease that was renewed lately is not asked for
    /// again: if it is lost all the same, the log refuses what is appended under it.
    pub(crate) async fn turn(&self, log: &dyn EventLog, work: Work) -> Result<Option<Lease>, LogError> {
        let fresh = self.held(work).filter(|held| held.renewed.elapsed() < self.renewal());
        match fresh {
            Some(held) => Ok(Some(held.lease)),
            None => self.take(log, work).await,
        }
    }

    /// Whether a term is still held: surely so while the time since its last renewal is not over, else the log is asked.
    /// For what cannot be refused afterwards; a program that was stopped for a while does not know of it.
    pub(crate) async fn still(&self, log: &dyn EventLog, work: Work, lease: &Lease) -> Result<bool, LogError> {
        let held = self.held(work).filter(|held| held.renewed.elapsed() < self.time).map(|held| held.lease);
        Ok(held.as_ref() == Some(lease) || self.take(log, work).await?.as_ref() == Some(lease))
    }

    /// Ends a turn: the lease is given back unless this node keeps its leases.
    pub(crate) async fn done(&self, log: &dyn EventLog, work: Work, lease: &Lease) -> Result<(), LogError> {
        if self.kept.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lost(work);
        log.end_lease(lease).await
    }

    /// Forgets a lease that another node has taken.
    pub(crate) fn lost(&self, work: Work) {
        if let Some(held) = self.table().remove(&work) {
            tracing::info!(%work, term = held.lease.term, "a lease is given up");
        }
    }

    /// Renews what is held and takes what is free, until it is dropped; then the leases run out unless
    /// [`Leases::end_all`] is called. A failure is logged and tried again at the next renewal.
    pub async fn keep(&self, log: &dyn EventLog) -> Infallible {
        self.kept.store(true, Ordering::Release);
        loop {
            for work in Work::iter() {
                if let Err(error) = self.take(log, work).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, %work, "a lease cannot be taken now");
                }
            }
            tokio::time::sleep(self.renewal()).await;
        }
    }

    /// Ends every lease held here, so that another node goes on at once.
    pub async fn end_all(&self, log: &dyn EventLog) {
        self.kept.store(false, Ordering::Release);
        let held = std::mem::take(&mut *self.table());
        for (work, held) in held {
            if let Err(error) = log.end_lease(&held.lease).await {
                tracing::warn!(error = &error as &dyn std::error::Error, %work, "a lease runs out by itself");
            }
        }
    }

    /// The work whose lease this node holds, as far as it knows.
    pub fn working(&self) -> Vec<Work> {
        let running = |held: &Held| held.renewed.elapsed() < self.time;
        self.table().iter().filter(|(_, held)| running(held)).map(|(work, _)| *work).collect()
    }

    async fn take(&self, log: &dyn EventLog, work: Work) -> Result<Option<Lease>, LogError> {
        if self.left == Some(work) {
            return Ok(None);
        }
        // Counted from before the question: the store's time ends no sooner than ours.
        let renewed = Instant::now();
        let Some(lease) = log.take_lease(&work.to_string(), self.holder, self.time).await? else {
            self.lost(work);
            return Ok(None);
        };
        let before = self.table().insert(work, Held { lease: lease.clone(), renewed });
        if before.is_none_or(|before| before.lease != lease) {
            tracing::debug!(%work, term = lease.term, "a lease is taken");
            self.taken.send_modify(|count| *count += 1);
        }
        Ok(Some(lease))
    }

    fn held(&self, work: Work) -> Option<Held> {
        self.table().get(&work).cloned()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<Work, Held>> {
        self.held.lock().expect("leases are never left half noted")
    }
}
