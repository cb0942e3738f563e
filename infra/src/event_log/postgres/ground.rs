//! What a group of requests is judged on: the head, the streams, keys and leases that it names, as of that head.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tokio::time::timeout;

use super::connections::{STATEMENT, Statement};
use super::failure::{failed, number, too_slow};
use super::read::key_record;
use super::writer::Request;
use crate::event_log::admission::KeyRecord;
use crate::event_log::{Expected, LogError, Position, StreamId, StreamVersion};

/// Streams remembered from one group to the next; all are forgotten when there are more.
const STREAMS_MAX: usize = 100_000;

const STREAMS: &str = "SELECT name, \
        (SELECT version + count - 1 FROM bishui.run WHERE stream = name ORDER BY version DESC LIMIT 1) \
    FROM unnest($1::bytea[]) AS asked (name)";
const KEYS: &str =
    "SELECT key, request, first_position, last_position FROM bishui.request_key WHERE key = ANY ($1::bytea[])";
const TERMS: &str = "SELECT work, term FROM bishui.lease";

const READING: &str = "reading what a batch is judged on";

/// What is known of the log as of a head. The head's row tells whether it still holds.
#[derive(Debug)]
pub(super) struct Ground {
    /// The newest event.
    pub(super) head: Position,
    /// Changes of holders of leases so far.
    pub(super) terms: i64,
    /// The versions of the streams that have events, as far as they were looked up.
    streams: HashMap<StreamId, StreamVersion>,
    /// Streams that are taken to have no event; the append checks it.
    pub(super) absent: HashSet<StreamId>,
    /// The keys that were looked up and are known.
    pub(super) keys: HashMap<String, KeyRecord>,
    /// The term of each lease.
    pub(super) leases: HashMap<String, u64>,
}

impl Ground {
    /// What is known of a log by its head only.
    pub(super) async fn at(head: Position, terms: i64, connection: &mut PgConnection) -> Result<Self, LogError> {
        let mut leases = HashMap::new();
        for row in rows(connection, sqlx::query(TERMS)).await? {
            leases.insert(text(&row, 0)?, number(row.try_get(1).map_err(read)?)?);
        }
        let (streams, absent, keys) = (HashMap::new(), HashSet::new(), HashMap::new());
        Ok(Self { head, terms, streams, absent, keys, leases })
    }

    /// Where a stream stands.
    pub(super) fn version(&self, stream: &StreamId) -> StreamVersion {
        self.streams.get(stream).copied().unwrap_or_default()
    }

    /// Looks up the streams that `requests` name and that are neither remembered nor said to be new. The log may have
    /// moved on meanwhile: only an append at the head of this ground shows that it held.
    pub(super) async fn look_up_old(
        &mut self,
        requests: &[Request],
        connection: &mut PgConnection,
    ) -> Result<(), LogError> {
        let mut asked: HashSet<&StreamId> = HashSet::new();
        for (stream, expected) in mentions(requests) {
            if self.streams.contains_key(stream) || self.absent.contains(stream) || asked.contains(stream) {
                continue;
            }
            if expected == Expected::Exactly(StreamVersion(0)) {
                self.absent.insert(stream.clone());
            } else {
                asked.insert(stream);
            }
        }
        let asked: Vec<&StreamId> = asked.into_iter().collect();
        self.absent.extend(asked.iter().map(|stream| (*stream).clone()));
        self.look_up_streams(&asked, connection).await
    }

    /// Looks up all that `requests` name, under the lock of the head.
    pub(super) async fn look_up_all(
        &mut self,
        requests: &[Request],
        connection: &mut PgConnection,
    ) -> Result<(), LogError> {
        let named: HashSet<&StreamId> = mentions(requests).map(|(stream, _)| stream).collect();
        let unknown: Vec<&StreamId> = named.into_iter().filter(|stream| !self.streams.contains_key(*stream)).collect();
        self.look_up_streams(&unknown, connection).await?;
        let keys: Vec<&[u8]> = requests.iter().filter_map(|request| request.key()).map(str::as_bytes).collect();
        if !keys.is_empty() {
            for row in rows(connection, sqlx::query(KEYS).bind(keys)).await? {
                self.keys.insert(text(&row, 0)?, key_record(&row, 1)?);
            }
        }
        Ok(())
    }

    async fn look_up_streams(&mut self, streams: &[&StreamId], connection: &mut PgConnection) -> Result<(), LogError> {
        if streams.is_empty() {
            return Ok(());
        }
        let names: Vec<&[u8]> = streams.iter().map(|stream| stream.as_str().as_bytes()).collect();
        for row in rows(connection, sqlx::query(STREAMS).bind(names)).await? {
            let Some(version) = row.try_get::<Option<i64>, _>(1).map_err(read)? else { continue };
            let name = StreamId(text(&row, 0)?);
            self.absent.remove(&name);
            self.streams.insert(name, StreamVersion(number(version)?));
        }
        Ok(())
    }

    /// What holds after an append: what was assumed of streams and keys for one group is forgotten.
    pub(super) fn moved_to(&mut self, head: Position, moved: impl IntoIterator<Item = (StreamId, StreamVersion)>) {
        self.head = head;
        self.absent.clear();
        self.keys.clear();
        if self.streams.len() > STREAMS_MAX {
            self.streams.clear();
        }
        self.streams.extend(moved);
    }
}

/// The streams that requests name, each with what is first required of it.
fn mentions(requests: &[Request]) -> impl Iterator<Item = (&StreamId, Expected)> {
    requests.iter().flat_map(|request| {
        let (writes, events) = match request {
            Request::Append(batch, _) => (batch.writes.as_slice(), [].as_slice()),
            Request::TakeOver(events, _) => ([].as_slice(), events.as_slice()),
        };
        let first = |version: StreamVersion| Expected::Exactly(StreamVersion(version.0.saturating_sub(1)));
        let taken_over = events.iter().map(move |event| (&event.stream, first(event.version)));
        writes.iter().map(|write| (&write.stream, write.expected)).chain(taken_over)
    })
}

async fn rows(connection: &mut PgConnection, statement: Statement<'_>) -> Result<Vec<PgRow>, LogError> {
    let rows = timeout(STATEMENT, statement.fetch_all(connection)).await;
    rows.unwrap_or_else(|_| Err(too_slow())).map_err(read)
}

fn read(error: sqlx::Error) -> LogError {
    failed(READING, error)
}

fn text(row: &PgRow, column: usize) -> Result<String, LogError> {
    let bytes: Vec<u8> = row.try_get(column).map_err(read)?;
    String::from_utf8(bytes).map_err(|_| LogError::Corrupt { what: "a name in the database is not UTF-8".into() })
}
