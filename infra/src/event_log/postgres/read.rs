//! Reading: a page is one value, blocks in a row, so that the database and the network handle one row where there are
//! thousands of events.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::block::unpack;
use super::connections::Connections;
use super::failure::{bigint, corrupt, failed, number};
use super::stored::{Place, first, seek};
use crate::event_log::admission::KeyRecord;
use crate::event_log::{EventRef, LogError, Position, Recorded, StreamId, StreamVersion, Visitor};

/// Events that a page reaches over at most.
const PAGE_EVENTS_MAX: usize = 4_096;
/// Bytes after which a page takes no further block.
const PAGE_BYTES_MAX: i64 = 1 << 20;
/// Blocks that are weighed for a page of a stream, which may have one event in each.
const PAGE_BLOCKS_MAX: i64 = 1_024;
/// Pages read ahead of the visitor of a replay.
const PAGES_AHEAD: usize = 2;

/// The blocks with the positions after $1 and up to $2, and the head.
const LOG_PAGE: &str = "SELECT max(last), string_agg(events, ''::bytea), (SELECT position FROM bishui.head) FROM (\
    SELECT last, events FROM (\
        SELECT last, events, sum(octet_length(events)) OVER (ORDER BY last ROWS UNBOUNDED PRECEDING) AS upto \
        FROM bishui.block WHERE last > $1 \
            AND last <= coalesce((SELECT min(last) FROM bishui.block WHERE last >= $2), $2)) AS weighed \
    WHERE upto - octet_length(events) < $3 ORDER BY last) AS page";
/// The blocks with the versions of stream $1 from $2 and up to $3, and its newest version.
const STREAM_PAGE: &str = "SELECT string_agg(events, ''::bytea), \
    (SELECT version + count - 1 FROM bishui.run WHERE stream = $1 ORDER BY version DESC LIMIT 1) FROM (\
    SELECT events FROM (\
        SELECT last, events, sum(octet_length(events)) OVER (ORDER BY last ROWS UNBOUNDED PRECEDING) AS upto FROM (\
            SELECT block FROM bishui.run WHERE stream = $1 AND version <= $3 \
                AND version >= (SELECT max(version) FROM bishui.run WHERE stream = $1 AND version <= $2) \
                AND version + count > $2 ORDER BY version LIMIT $5) AS run \
        JOIN bishui.block ON last = block) AS weighed \
    WHERE upto - octet_length(events) < $4 ORDER BY last) AS page";
const VERSION: &str = "SELECT version + count - 1 FROM bishui.run WHERE stream = $1 ORDER BY version DESC LIMIT 1";
/// It locks what it finds, as an append does: an answer that rests on it waits for a synchronous standby too.
const KEY: &str = "SELECT request, first_position, last_position FROM bishui.request_key WHERE key = $1 FOR SHARE";

const READING: &str = "reading from the database";

/// Position of the newest event.
pub(super) async fn head(connections: &Connections) -> Result<Position, LogError> {
    let rows = connections.quick(READING, || sqlx::query("SELECT position FROM bishui.head")).await?;
    let row = rows.first().ok_or_else(headless)?;
    Ok(Position(number(row.try_get(0).map_err(read)?, "the position of the head")?))
}

/// The version of `stream`.
pub(super) async fn version(connections: &Connections, stream: &StreamId) -> Result<StreamVersion, LogError> {
    let name = stream.as_str().as_bytes();
    let rows = connections.quick(READING, || sqlx::query(VERSION).bind(name)).await?;
    let newest = rows.first().map(|row| row.try_get(0)).transpose().map_err(read)?;
    newest_of(stream, newest)
}

/// What is kept of an idempotency key.
pub(super) async fn key(connections: &Connections, key: &str) -> Result<Option<KeyRecord>, LogError> {
    let rows = connections.quick(READING, || sqlx::query(KEY).bind(key.as_bytes())).await?;
    rows.first().map(|row| key_record(row, key, 0)).transpose()
}

/// The record of `key` in three columns from `column` on.
pub(super) fn key_record(row: &PgRow, key: &str, column: usize) -> Result<KeyRecord, LogError> {
    let position = |column| {
        let position = row.try_get(column).map_err(read)?;
        number(position, format_args!("a position of idempotency key `{key}`")).map(Position)
    };
    let request = row.try_get(column).map_err(read)?;
    Ok(KeyRecord { request, first: position(column + 1)?, last: position(column + 2)? })
}

/// The version of `stream` by its newest run.
fn newest_of(stream: &StreamId, version: Option<i64>) -> Result<StreamVersion, LogError> {
    let version = version.map(|version| number(version, format_args!("the version of stream `{stream}`"))).transpose();
    Ok(StreamVersion(version?.unwrap_or_default()))
}

/// Events of `stream` above `after`, at most `limit`.
pub(super) async fn stream(
    connections: &Connections,
    stream: &StreamId,
    after: StreamVersion,
    limit: usize,
) -> Result<Vec<Recorded>, LogError> {
    let (mut events, mut last, mut room) = (Vec::new(), after, Vec::new());
    while events.len() < limit {
        let name = stream.as_str();
        let from = bigint(last.0).saturating_add(1);
        let until = bigint(last.0).saturating_add(page_events(limit - events.len()));
        let page = || {
            let page = sqlx::query(STREAM_PAGE).bind(name.as_bytes()).bind(from).bind(until);
            page.bind(PAGE_BYTES_MAX).bind(PAGE_BLOCKS_MAX)
        };
        let Some(row) = connections.rows(READING, page).await?.pop() else { break };
        let newest = newest_of(stream, row.try_get(1).map_err(read)?)?;
        let (mut blocks, before) = (blocks(&row, 0)?, last);
        while !blocks.is_empty() && events.len() < limit {
            let next = |last: StreamVersion| Place::Stream(name, StreamVersion(last.0 + 1));
            blocks = unpack(blocks, next(last), &mut room)?;
            let mut rest = found(seek(&room, next(last)), next(last))?;
            while !rest.is_empty() && events.len() < limit {
                let (event, after) = first(rest, next(last))?;
                events.push(event.to_recorded());
                last = event.version;
                rest = seek(after, next(last));
            }
        }
        if last >= newest {
            break;
        }
        if last == before {
            return Err(missing(Place::Stream(name, StreamVersion(last.0 + 1))));
        }
    }
    Ok(events)
}

/// Events of the log above `after`, at most `limit`.
pub(super) async fn log(connections: &Connections, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
    let (mut events, mut reader) = (Vec::new(), Reader { last: after, room: Vec::new() });
    while events.len() < limit {
        let until = bigint(reader.last.0).saturating_add(page_events(limit - events.len()));
        let Some(page) = log_page(connections, reader.last, until).await? else { break };
        let mut collect = |event: EventRef<'_>| {
            events.push(event.to_recorded());
            if events.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        if reader.lend(&page, &mut collect)?.is_break() || page.is_newest {
            break;
        }
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
    let mut reader = Reader { last: after, room: Vec::new() };
    let mut within = |event: EventRef<'_>| if event.position > until { ControlFlow::Break(()) } else { visit(event) };
    while let Some(page) = ahead.recv().await {
        if reader.lend(&page?, &mut within)?.is_break() {
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
    pages: mpsc::Sender<Result<Page, LogError>>,
) {
    let mut last = after;
    while last < until {
        let upto = bigint(until.0).min(bigint(last.0).saturating_add(page_events(PAGE_EVENTS_MAX)));
        let page = log_page(&connections, last, upto).await.transpose();
        let Some(page) = page else { return };
        let goes_on = page.as_ref().ok().filter(|page| !page.is_newest).map(|page| page.last);
        if pages.send(page).await.is_err() {
            return;
        }
        let Some(end) = goes_on else { return };
        last = end;
    }
}

/// Blocks that follow one another.
struct Page {
    row: PgRow,
    /// Position of the last event, as the database says.
    last: Position,
    /// Whether that is the newest event of the log.
    is_newest: bool,
}

/// The blocks with the positions above `after` and up to `until`, or the first of them; none when there is no event.
async fn log_page(connections: &Connections, after: Position, until: i64) -> Result<Option<Page>, LogError> {
    let page = || sqlx::query(LOG_PAGE).bind(bigint(after.0)).bind(until).bind(PAGE_BYTES_MAX);
    let Some(row) = connections.rows(READING, page).await?.pop() else { return Ok(None) };
    let last: Option<i64> = row.try_get(0).map_err(read)?;
    let head: Option<i64> = row.try_get(2).map_err(read)?;
    let head = head.ok_or_else(headless)?;
    match last {
        Some(last) => {
            Ok(Some(Page { row, last: Position(number(last, "the end of a block")?), is_newest: last >= head }))
        }
        None if bigint(after.0) < head => Err(missing(Place::Log(Position(after.0 + 1)))),
        None => Ok(None),
    }
}

fn page_events(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_EVENTS_MAX)).unwrap_or(i64::MAX)
}

/// The blocks of a page; empty when there is no event.
fn blocks(row: &PgRow, column: usize) -> Result<&[u8], LogError> {
    row.try_get::<Option<&[u8]>, _>(column).map(Option::unwrap_or_default).map_err(read)
}

/// Reads pages of the log one after the other.
struct Reader {
    /// Position of the last event that was lent.
    last: Position,
    room: Vec<u8>,
}

impl Reader {
    /// Lends the events of `page` after the last one.
    fn lend(&mut self, page: &Page, visit: &mut Visitor<'_>) -> Result<ControlFlow<()>, LogError> {
        let mut blocks = blocks(&page.row, 1)?;
        while !blocks.is_empty() {
            let next = |last: Position| Place::Log(Position(last.0 + 1));
            blocks = unpack(blocks, next(self.last), &mut self.room)?;
            let mut rest = found(seek(&self.room, next(self.last)), next(self.last))?;
            while !rest.is_empty() {
                let (event, after) = first(rest, next(self.last))?;
                self.last = event.position;
                if visit(event).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                rest = after;
            }
        }
        if self.last < page.last {
            return Err(missing(Place::Log(Position(self.last.0 + 1))));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The events from `place` on of a block in which it must be.
fn found<'a>(events: &'a [u8], place: Place<'_>) -> Result<&'a [u8], LogError> {
    if events.is_empty() { Err(corrupt(format!("{place} is not in its block"))) } else { Ok(events) }
}

fn missing(place: Place<'_>) -> LogError {
    corrupt(format!("{place} is missing"))
}

/// What is wrong where the head has no row.
pub(super) fn headless() -> LogError {
    corrupt("the row of the head is missing".into())
}

fn read(error: sqlx::Error) -> LogError {
    failed(READING, error)
}
