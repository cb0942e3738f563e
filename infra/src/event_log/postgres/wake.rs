//! Waking: a node says on a channel that the head has moved, the others then look. Nothing rests on it: everyone also
//! looks once a second.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use sqlx::{Error, Row as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connections::Connections;
use crate::event_log::Position;

/// Tells that the head has moved to $1.
const NOTIFY: &str = "SELECT pg_notify('bishui', $1)";
const CHANNEL: &str = "bishui";
/// A standby has no say: the row is missing there.
const HEAD: &str = "SELECT position FROM bishui.head WHERE NOT pg_is_in_recovery()";

/// Time between two notices of one node: under load one stands for many commits, for each wakes three processes here.
const BETWEEN: Duration = Duration::from_millis(50);
/// Time after which a node looks without having been woken.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The first wait before a lost connection is replaced; it doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_LONGEST: Duration = Duration::from_secs(2);

/// Tells the other nodes how far this one has moved the head, until it moves it no more. They look by themselves too, so
/// a failure only makes them later.
pub(super) async fn tell(connections: Arc<Connections>, mut moved: watch::Receiver<Position>) {
    while moved.changed().await.is_ok() {
        let head = moved.borrow_and_update().to_string();
        if let Err(error) = connections.quick("waking the other nodes", || sqlx::query(NOTIFY).bind(&head)).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "other nodes were not woken");
        }
        sleep(BETWEEN).await;
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
            connections.forget();
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
        let look = Instant::now() + LOOK;
        loop {
            let Ok(woken) = timeout_at(look, listener.try_recv()).await else { break };
            let Some(notice) = woken? else { return Ok(()) };
            if names_more(&notice, *head.borrow()) {
                break;
            }
        }
    }
}

/// Whether a notice is of a head above the known one, as those of this node itself are not.
fn names_more(notice: &PgNotification, known: Position) -> bool {
    notice.payload().parse().is_ok_and(|named: u64| named > known.0)
}
