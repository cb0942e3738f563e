//! Waking: a node says on a channel that the head has moved, the others then look. Nothing rests on it: everyone also
//! looks once a second.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Error, Row as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connections::Connections;
use crate::event_log::Position;

/// Tells that the head has moved.
pub(super) const NOTIFY: &str = "SELECT pg_notify('bishui', '')";
const CHANNEL: &str = "bishui";
/// A standby has no say: the row is missing there.
const HEAD: &str = "SELECT position FROM bishui.head WHERE NOT pg_is_in_recovery()";

/// Time between two notices of one node: under load one stands for many commits.
const BETWEEN: Duration = Duration::from_millis(10);
/// Time after which a node looks without having been woken.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The first wait before a lost connection is replaced; it doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_LONGEST: Duration = Duration::from_secs(2);

/// When the other nodes are to be woken.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: bool,
    last: Option<Instant>,
}

impl Notices {
    /// The head has moved.
    pub(super) fn note(&mut self) {
        self.waiting = true;
    }

    /// The others were told.
    pub(super) fn sent(&mut self) {
        *self = Self { waiting: false, last: Some(Instant::now()) };
    }

    /// Whether they are to be told.
    pub(super) fn are_due(&self) -> bool {
        self.waiting && self.last.is_none_or(|last| last.elapsed() >= BETWEEN)
    }

    /// Waits until they are.
    pub(super) async fn due(&self) {
        match self.last {
            _ if !self.waiting => std::future::pending().await,
            Some(last) => sleep_until(last + BETWEEN).await,
            None => {}
        }
    }
}

/// Publishes a head; an older one changes nothing.
pub(super) fn publish(head: &watch::Sender<Position>, newest: Position) {
    head.send_if_modified(|head| {
        let moved = newest > *head;
        *head = newest.max(*head);
        moved
    });
}

/// Publishes the head whenever it has moved, for as long as this runs.
pub(super) async fn follow(connections: Arc<Connections>, head: watch::Sender<Position>) {
    let mut wait = WAIT_FIRST;
    loop {
        if let Some(server) = connections.primary().await {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER);
            match listen(PgListener::connect_with(&pool.connect_lazy_with(server)).await, &head, &mut wait).await {
                Ok(()) => tracing::debug!("the database that woke this node takes no more writes"),
                Err(error) => tracing::debug!(%error, "the connection that wakes this node was lost"),
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAIT_LONGEST);
    }
}

/// Listens until the connection fails or its server takes no more writes.
async fn listen(
    listener: Result<PgListener, Error>,
    head: &watch::Sender<Position>,
    wait: &mut Duration,
) -> Result<(), Error> {
    let mut listener = listener?;
    listener.eager_reconnect(false);
    timeout(ANSWER, listener.listen(CHANNEL)).await.map_err(|_| super::failure::too_slow())??;
    loop {
        let answer = timeout(ANSWER, sqlx::query(HEAD).fetch_optional(&mut listener)).await;
        let Some(row) = answer.map_err(|_| super::failure::too_slow())?? else { return Ok(()) };
        let position = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
        publish(head, Position(position));
        *wait = WAIT_FIRST;
        // What was said while the head was read is waiting already.
        if let Ok(woken) = timeout(LOOK, listener.try_recv()).await
            && woken?.is_none()
        {
            return Ok(());
        }
    }
}
