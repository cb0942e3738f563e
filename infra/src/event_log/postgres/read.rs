//! Reading: a page is one value, the stored forms of its events in a row, so that the database and the network handle
//! one row where there are thousands of events.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::connections::Connections;
use super::failure::{bigint, failed, number};
use super::stored::{Place, first};
use crate::event_log::admission::KeyRecord;
use crate::event_log::{LogError, Position, Recorded, StreamId, StreamVersion, Visitor};

/// Most events in a page.
const PAGE_EVENTS_MAX: usize = 4_096;
/// Most events in the first page of a replay.
const PAGE_EVENTS_FIRST: usize = 1_024;
/// Bytes after which a page takes no further event.
const PAGE_BYTES_MAX: i64 = 1 << 20;
/// Pages read ahead of the visitor of a replay.
const PAGES_AHEAD: usize = 2;

const LOG_PAGE: &str = "SELECT string_agg(body, ''::bytea) FROM (\
    SELECT body FROM (\
        SELECT place, body, sum(octet_length(body)) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) AS upto FROM (\
            SELECT position AS place, body FROM bishui.event WHERE position > $1 AND position <= $2 \
            ORDER BY position LIMIT $3) AS run) AS weighed \
    WHERE upto - octet_length(body) < $4 ORDER BY place) AS page";
const STREAM_PAGE: &str = "SELECT string_agg(body, ''::bytea) FROM (\
    SELECT body FROM (\
        SELECT place, body, sum(octet_length(body)) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) AS upto FROM (\
            SELECT version AS place, body FROM bishui.event \
            WHERE stream = (SELECT id FROM bishui.stream WHERE name = $1) AND version > $2 \
            ORDER BY version LIMIT $3) AS run) AS weighed \
    WHERE upto - octet_length(body) < $4 ORDER BY place) AS page";
const VERSION: &str = "SELECT max(version) FROM bishui.event \
    WHERE stream = (SELECT id FROM bishui.stream WHERE name = $1)";
const KEY: &str = "SELECT request, first_position, last_position FROM bishui.request_key WHERE key = $1";

const READING: &str = "reading from the database";

/// Position of the newest event.
pub(super) async fn head(connections: &Connections) -> Result<Position, LogError> {
    let rows = connections.rows(READING, || sqlx::query("SELECT position FROM bishui.head")).await?;
    let row = rows.first().ok_or_else(|| super::failure::corrupt("the row of the head is missing".into()))?;
    Ok(Position(number(row.try_get(0).map_err(|error| failed(READING, error))?)?))
}

/// The version of `stream`.
pub(super) async fn version(connections: &Connections, stream: &StreamId) -> Result<StreamVersion, LogError> {
    let name = stream.as_str().as_bytes();
    let rows = connections.rows(READING, || sqlx::query(VERSION).bind(name)).await?;
    let newest = rows.first().map(|row| row.try_get::<Option<i64>, _>(0)).transpose();
    let newest = newest.map_err(|error| failed(READING, error))?.flatten();
    Ok(StreamVersion(number(newest.unwrap_or_default())?))
}

/// What is kept of an idempotency key.
pub(super) async fn key(connections: &Connections, key: &str) -> Result<Option<KeyRecord>, LogError> {
    let rows = connections.rows(READING, || sqlx::query(KEY).bind(key.as_bytes())).await?;
    rows.first().map(|row| key_record(row, 0)).transpose()
}

/// The record of a key in three columns from `column` on.
pub(super) fn key_record(row: &PgRow, column: usize) -> Result<KeyRecord, LogError> {
    let read = |error| failed(READING, error);
    Ok(KeyRecord {
        request: row.try_get(column).map_err(read)?,
        first: Position(number(row.try_get(column + 1).map_err(read)?)?),
        last: Position(number(row.try_get(column + 2).map_err(read)?)?),
    })
}

/// Events of `stream` above `after`, at most `limit`.
pub(super) async fn stream(
    connections: &Connections,
    stream: &StreamId,
    after: StreamVersion,
    limit: usize,
) -> Result<Vec<Recorded>, LogError> {
    let (mut events, mut last) = (Vec::new(), after);
    while events.len() < limit {
        let count = page_events(limit - events.len());
        let name = stream.as_str().as_bytes();
        let page = || sqlx::query(STREAM_PAGE).bind(name).bind(bigint(last.0)).bind(count).bind(PAGE_BYTES_MAX);
        let rows = connections.rows(READING, page).await?;
        let Some(mut rest) = bodies(&rows)? else { break };
        while !rest.is_empty() {
            last = StreamVersion(last.0 + 1);
            let (event, after) = first(rest, Place::Stream(stream.as_str(), last))?;
            events.push(event.to_recorded());
            rest = after;
        }
    }
    Ok(events)
}

/// Events of the log above `after`, at most `limit`.
pub(super) async fn log(connections: &Connections, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
    let (mut events, mut last) = (Vec::new(), after);
    while events.len() < limit {
        let rows = log_page(connections, last, Position(u64::MAX), limit - events.len()).await?;
        let Some(page) = bodies(&rows)? else { break };
        let mut collect = |event: crate::event_log::EventRef<'_>| {
            events.push(event.to_recorded());
            ControlFlow::Continue(())
        };
        let _all_lent = lend(page, &mut last, &mut collect)?;
    }
    Ok(events)
}

/// Lends the events above `after` and up to `until`, reading ahead of the visitor.
pub(super) async fn replay(
    connections: &Arc<Connections>,
    after: Position,
    until: Position,
    visit: &mut Visitor<'_>,
) -> Result<(), LogError> {
    let (pages, mut ahead) = mpsc::channel(PAGES_AHEAD);
    let reading = tokio::spawn(read_ahead(Arc::clone(connections), after, until, pages));
    // Stops the reading when the visitor has enough, or the caller goes away.
    let mut reading = StopOnDrop(reading);
    let mut last = after;
    while let Some(rows) = ahead.recv().await {
        let rows: Vec<PgRow> = rows?;
        if let Some(page) = bodies(&rows)?
            && lend(page, &mut last, visit)?.is_break()
        {
            return Ok(());
        }
    }
    (&mut reading.0)
        .await
        .map_err(|error| LogError::Unavailable { what: READING.into(), source: Some(Box::new(error)) })
}

struct StopOnDrop(JoinHandle<()>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends the pages above `after` and up to `until`; ends when nobody takes them any more.
async fn read_ahead(
    connections: Arc<Connections>,
    after: Position,
    until: Position,
    pages: mpsc::Sender<Result<Vec<PgRow>, LogError>>,
) {
    let (mut last, mut count) = (after, PAGE_EVENTS_FIRST);
    while last < until {
        let page = log_page(&connections, last, until, count).await.and_then(|rows| {
            let more = bodies(&rows)?.map(|page| last_position(page, last).map(|end| (end, page.len())));
            let more = more.transpose()?;
            Ok((rows, more))
        });
        let (page, ends) = match page {
            Ok((_, None)) => return,
            Ok((rows, Some((position, bytes)))) => {
                count = count_like(position.0 - last.0, bytes);
                last = position;
                (Ok(rows), false)
            }
            Err(error) => (Err(error), true),
        };
        if pages.send(page).await.is_err() || ends {
            return;
        }
    }
}

/// Position of the last event of a page whose first follows `after`. Only the lengths are looked at.
fn last_position(page: &[u8], after: Position) -> Result<Position, LogError> {
    let (mut rest, mut last) = (page, after);
    while !rest.is_empty() {
        last = Position(last.0 + 1);
        rest = super::stored::skip(rest, Place::Log(last))?;
    }
    Ok(last)
}

async fn log_page(
    connections: &Connections,
    after: Position,
    until: Position,
    limit: usize,
) -> Result<Vec<PgRow>, LogError> {
    let count = page_events(limit);
    let page = || sqlx::query(LOG_PAGE).bind(bigint(after.0)).bind(bigint(until.0)).bind(count).bind(PAGE_BYTES_MAX);
    connections.rows(READING, page).await
}

/// How many events fill the next page, if they are like the `events` that took `bytes`: the database weighs every event
/// of a count, so a count that is not used costs time.
fn count_like(events: u64, bytes: usize) -> usize {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(1);
    let fit = events.saturating_mul(PAGE_BYTES_MAX.unsigned_abs()) / bytes + 1;
    usize::try_from(fit).unwrap_or(usize::MAX).min(PAGE_EVENTS_MAX)
}

fn page_events(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_EVENTS_MAX)).unwrap_or(i64::MAX)
}

/// The stored events of a page in a row; none when there is no event.
fn bodies(rows: &[PgRow]) -> Result<Option<&[u8]>, LogError> {
    let bodies = rows.first().map(|row| row.try_get::<Option<&[u8]>, _>(0)).transpose();
    Ok(bodies.map_err(|error| failed(READING, error))?.flatten())
}

/// Lends the events of `page`, which follow `last`.
fn lend(page: &[u8], last: &mut Position, visit: &mut Visitor<'_>) -> Result<ControlFlow<()>, LogError> {
    let mut rest = page;
    while !rest.is_empty() {
        *last = Position(last.0 + 1);
        let (event, after) = first(rest, Place::Log(*last))?;
        if visit(event).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        rest = after;
    }
    Ok(ControlFlow::Continue(()))
}
