//! What a group of requests is judged on: the head, the streams, keys and leases that it names, as of that head.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tokio::time::timeout;

use super::connections::{STATEMENT, Statement};
use super::failure::{Failure, name, number, too_slow};
use super::read::{headless, key_record};
use super::writer::Request;
use crate::event_log::admission::KeyRecord;
use crate::event_log::{Expected, Position, StreamId, StreamVersion};

/// Streams remembered from one group to the next; all are forgotten when there are more.
const STREAMS_MAX: usize = 100_000;
/// Names that one statement looks up.
const NAMES_MAX: usize = 50_000;

const STREAMS: &str = "SELECT name, \
        (SELECT version + count - 1 FROM bishui.run WHERE stream = name ORDER BY version DESC LIMIT 1) \
    FROM unnest($1::bytea[]) AS asked (name)";
const KEYS: &str =
    "SELECT key, request, first_position, last_position FROM bishui.request_key WHERE key = ANY ($1::bytea[])";
const HEAD: &str = "SELECT position, terms FROM bishui.head";
const TERMS: &str = "SELECT work, term FROM bishui.lease";

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
    /// What is known of a log at first, without a lock: as with [`Self::look_up_old`], only an append shows that it held.
    pub(super) async fn newest(connection: &mut PgConnection) -> Result<Self, Failure> {
        let head = rows(connection, sqlx::query(HEAD)).await?;
        let head = head.first().ok_or_else(headless)?;
        let (head, terms) = (number(head.try_get(0)?, "the position of the head")?, head.try_get(1)?);
        // A lease that changes hands from here on moves the terms of the head.
        Self::at(Position(head), terms, connection).await
    }

    /// What is known of a log by its head only.
    pub(super) async fn at(head: Position, terms: i64, connection: &mut PgConnection) -> Result<Self, Failure> {
        let mut leases = HashMap::new();
        for row in rows(connection, sqlx::query(TERMS)).await? {
            let work = name(row.try_get(0)?, "a lease")?;
            leases.insert(work.to_owned(), number(row.try_get(1)?, format_args!("the term of lease `{work}`"))?);
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
    ) -> Result<(), Failure> {
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

    /// Looks up all that `requests` name, under the lock of the head; true when there is anything that was not known.
    pub(super) async fn look_up_all(
        &mut self,
        requests: &[Request],
        connection: &mut PgConnection,
    ) -> Result<bool, Failure> {
        let known = (self.streams.len(), self.keys.len());
        let named: HashSet<&StreamId> = mentions(requests).map(|(stream, _)| stream).collect();
        let unknown: Vec<&StreamId> = named.into_iter().filter(|stream| !self.streams.contains_key(*stream)).collect();
        self.look_up_streams(&unknown, connection).await?;
        let keys: Vec<&[u8]> = requests.iter().filter_map(|request| request.key()).map(str::as_bytes).collect();
        for some in keys.chunks(NAMES_MAX) {
            for row in rows(connection, sqlx::query(KEYS).bind(some)).await? {
                let key = name(row.try_get(0)?, "an idempotency key")?;
                self.keys.insert(key.to_owned(), key_record(&row, key, 1)?);
            }
        }
        Ok(known != (self.streams.len(), self.keys.len()))
    }

    async fn look_up_streams(&mut self, streams: &[&StreamId], connection: &mut PgConnection) -> Result<(), Failure> {
        for some in streams.chunks(NAMES_MAX) {
            let names: Vec<&[u8]> = some.iter().map(|stream| stream.as_str().as_bytes()).collect();
            for row in rows(connection, sqlx::query(STREAMS).bind(names)).await? {
                let Some(version) = row.try_get::<Option<i64>, _>(1)? else { continue };
                let stream = StreamId(name(row.try_get(0)?, "a stream")?.to_owned());
                let version = number(version, format_args!("the version of stream `{stream}`"))?;
                self.absent.remove(&stream);
                self.streams.insert(stream, StreamVersion(version));
            }
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

async fn rows(connection: &mut PgConnection, statement: Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
    timeout(STATEMENT, statement.fetch_all(connection)).await.unwrap_or_else(|_| Err(too_slow()))
}
