//! The full pass: every event is read and compared with its columns, its stream, and the keys.

use std::collections::HashMap;

use sqlx::Row as _;

use super::connections::Connections;
use super::failure::{bigint, corrupt, failed, number};
use super::read::{self, key_record};
use super::stored::{Place, first};
use crate::event_log::admission::KeyRecord;
use crate::event_log::{EventRef, LogError, Position, StreamVersion};

/// Events or rows read at a time.
const PAGE_ROWS: i64 = 1_000;

const EVENTS: &str = "SELECT position, stream, version, body FROM bishui.event \
    WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3";
const STREAMS: &str = "SELECT name, id FROM bishui.stream WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3";
const KEYS: &str = "SELECT key, request, first_position, last_position FROM bishui.request_key \
    WHERE ($1::bytea IS NULL OR key > $1) AND last_position <= $2 ORDER BY key LIMIT $3";

const READING: &str = "reading the whole log";

/// What the events say about streams and keys.
#[derive(Default)]
struct Seen {
    streams: HashMap<String, (u64, StreamVersion)>,
    keys: HashMap<String, KeyRecord>,
}

/// Compares the log with itself up to its head.
pub(super) async fn verify(connections: &Connections) -> Result<Position, LogError> {
    let head = read::head(connections).await?;
    let mut seen = Seen::default();
    let mut last = Position(0);
    while last < head {
        let page = || sqlx::query(EVENTS).bind(bigint(last.0)).bind(bigint(head.0)).bind(PAGE_ROWS);
        let rows = connections.rows(READING, page).await?;
        if rows.is_empty() {
            return Err(corrupt(format!("the head is {head}, but the last event is {last}")));
        }
        for row in &rows {
            last = Position(last.0 + 1);
            let read = |error| failed(READING, error);
            let columns: [i64; 3] =
                [row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?, row.try_get(2).map_err(read)?];
            let (event, rest) = first(row.try_get(3).map_err(read)?, Place::Log(last))?;
            if !rest.is_empty() {
                return Err(corrupt(format!("event {last}: something follows it in its row")));
            }
            seen.see(&event, columns)?;
        }
    }
    check_streams(connections, head, &seen).await?;
    check_keys(connections, head, &seen).await?;
    Ok(head)
}

impl Seen {
    fn see(&mut self, event: &EventRef<'_>, columns: [i64; 3]) -> Result<(), LogError> {
        let position = event.position;
        let (id, version) = self.streams.entry(event.stream.to_owned()).or_insert((position.0, StreamVersion(0)));
        version.0 += 1;
        if event.version != *version {
            let what = format!("event {position} is version {} of {}, not {version}", event.version, event.stream);
            return Err(corrupt(what));
        }
        if columns != [bigint(position.0), bigint(*id), bigint(version.0)] {
            return Err(corrupt(format!("event {position}: its columns say it is another event")));
        }
        if let (Some(key), Some(request)) = (event.idempotency_key, event.request) {
            let record = KeyRecord { request, first: position, last: position };
            let record = if event.place == 0 { record } else { self.goes_on(key, record) };
            self.keys.insert(key.to_owned(), record);
        }
        Ok(())
    }

    /// The record of a key whose batch goes on at `record`.
    fn goes_on(&self, key: &str, record: KeyRecord) -> KeyRecord {
        self.keys.get(key).map_or(record, |known| KeyRecord { last: record.last, ..*known })
    }
}

async fn check_streams(connections: &Connections, head: Position, seen: &Seen) -> Result<(), LogError> {
    let (mut after, mut count) = (0_i64, 0_usize);
    loop {
        let page = || sqlx::query(STREAMS).bind(after).bind(bigint(head.0)).bind(PAGE_ROWS);
        let rows = connections.rows(READING, page).await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get(1).map_err(|error| failed(READING, error))?;
        for row in &rows {
            let name: &[u8] = row.try_get(0).map_err(|error| failed(READING, error))?;
            let id = number(row.try_get(1).map_err(|error| failed(READING, error))?)?;
            let known = std::str::from_utf8(name).ok().and_then(|name| seen.streams.get(name));
            if known.is_none_or(|(first, _)| *first != id) {
                return Err(corrupt(format!("stream `{}` does not begin at event {id}", name.escape_ascii())));
            }
        }
        count += rows.len();
    }
    if count == seen.streams.len() {
        return Ok(());
    }
    Err(corrupt(format!("{count} streams are listed, and the events belong to {}", seen.streams.len())))
}

async fn check_keys(connections: &Connections, head: Position, seen: &Seen) -> Result<(), LogError> {
    let (mut after, mut count) = (None::<Vec<u8>>, 0_usize);
    loop {
        let page = || sqlx::query(KEYS).bind(after.as_deref()).bind(bigint(head.0)).bind(PAGE_ROWS);
        let rows = connections.rows(READING, page).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.try_get(0).map_err(|error| failed(READING, error))?);
        for row in &rows {
            let key: &[u8] = row.try_get(0).map_err(|error| failed(READING, error))?;
            let known = std::str::from_utf8(key).ok().and_then(|key| seen.keys.get(key));
            if known != Some(&key_record(row, 1)?) {
                return Err(corrupt(format!("idempotency key `{}` stands for other events", key.escape_ascii())));
            }
        }
        count += rows.len();
    }
    if count == seen.keys.len() {
        return Ok(());
    }
    Err(corrupt(format!("{count} idempotency keys are listed, and the events used {}", seen.keys.len())))
}
