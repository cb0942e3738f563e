//! Leases and checkpoints, kept in the database and counted by its clock.
//!
//! A change of holder also changes the row of the head: it waits for the append that is being committed, and an
//! append that was judged before it finds that the terms have moved on.

use std::time::Duration;

use sqlx::Row as _;
use uuid::Uuid;

use super::connections::Connections;
use super::failure::{bigint, failed, number};
use crate::event_log::{Lease, LogError, Position};

/// Renews the lease $1 of $2; a row without a term where another holder's time runs. That is only read: who looks often
/// for work that another node does must not write each time, nor wait for a lock or a standby.
const RENEW: &str = "WITH renewed AS (\
        UPDATE bishui.lease SET held_until = clock_timestamp() + $3 * interval '1 millisecond' \
        WHERE work = $1 AND holder = $2 RETURNING term\
    ) \
    SELECT term FROM renewed UNION ALL \
    SELECT NULL FROM bishui.lease WHERE work = $1 AND holder <> $2 AND held_until > clock_timestamp()";
const TAKE: &str = "WITH taken AS (\
        INSERT INTO bishui.lease AS held (work, holder, term, held_until) \
        VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond') \
        ON CONFLICT (work) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until, \
            term = held.term + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END \
        WHERE held.holder = excluded.holder OR held.held_until <= clock_timestamp() RETURNING term\
    ), moved AS (UPDATE bishui.head SET terms = terms + 1 WHERE EXISTS (SELECT FROM taken)) \
    SELECT term FROM taken";
const END: &str = "UPDATE bishui.lease SET held_until = clock_timestamp() WHERE work = $1 AND term = $2";

const CHECKPOINT: &str = "SELECT position FROM bishui.checkpoint WHERE consumer = $1";
const MOVE: &str =
    "UPDATE bishui.checkpoint SET position = $3 WHERE consumer = $1 AND position = $2 RETURNING position";
const MOVE_FIRST: &str = "INSERT INTO bishui.checkpoint AS kept (consumer, position) VALUES ($1, $3) \
    ON CONFLICT (consumer) DO UPDATE SET position = $3 WHERE kept.position = $2 RETURNING position";

/// Longest time of a lease; more is as good as for ever, and more than the database can add to its clock.
const TIME_MAX: Duration = Duration::from_hours(24 * 365);

/// Takes or renews the lease of `work`; none while another holder's time runs.
pub(super) async fn take(
    connections: &Connections,
    work: &str,
    holder: Uuid,
    time: Duration,
) -> Result<Option<Lease>, LogError> {
    const TAKING: &str = "taking a lease";
    let milliseconds = bigint(time.min(TIME_MAX).as_secs()) * 1_000 + i64::from(time.min(TIME_MAX).subsec_millis());
    // To take it once more changes nothing but its time: a lost connection is replaced.
    for statement in [RENEW, TAKE] {
        let rows = connections
            .quick(TAKING, || sqlx::query(statement).bind(work.as_bytes()).bind(holder).bind(milliseconds))
            .await?;
        if let Some(row) = rows.first() {
            let term = row.try_get(0).map_err(|error| failed(TAKING, error))?;
            let Some(term) = term else { return Ok(None) };
            let term = number(term, format_args!("the term of lease `{work}`"))?;
            return Ok(Some(Lease { work: work.to_owned(), term }));
        }
    }
    Ok(None)
}

/// Ends the time of a lease at once.
pub(super) async fn end(connections: &Connections, lease: &Lease) -> Result<(), LogError> {
    let end = || sqlx::query(END).bind(lease.work.as_bytes()).bind(bigint(lease.term));
    connections.quick("ending a lease", end).await.map(drop)
}

/// Checkpoint of `consumer`; 0 when it never stored one.
pub(super) async fn checkpoint(connections: &Connections, consumer: &str) -> Result<Position, LogError> {
    const READING: &str = "reading a checkpoint";
    let rows = connections.quick(READING, || sqlx::query(CHECKPOINT).bind(consumer.as_bytes())).await?;
    let stored = rows.first().map(|row| row.try_get::<i64, _>(0)).transpose();
    let stored = stored.map_err(|error| failed(READING, error))?.unwrap_or_default();
    number(stored, format_args!("the checkpoint of {consumer}")).map(Position)
}

/// Moves the checkpoint of `consumer` from `expected` to `to`.
pub(super) async fn move_checkpoint(
    connections: &Connections,
    consumer: &str,
    expected: Position,
    to: Position,
) -> Result<(), LogError> {
    let statement = if expected == Position(0) { MOVE_FIRST } else { MOVE };
    let statement = sqlx::query(statement).bind(consumer.as_bytes()).bind(bigint(expected.0)).bind(bigint(to.0));
    if !connections.write("moving a checkpoint", statement).await?.is_empty() {
        return Ok(());
    }
    let actual = checkpoint(connections, consumer).await?;
    Err(LogError::CheckpointMoved { consumer: consumer.to_owned(), expected, actual })
}
