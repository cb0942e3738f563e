//! The transaction that records a group.
//!
//! A node that is alone with the log needs one statement: it judges on what it remembers and appends only where the
//! head is still the one it remembers. Where that fails, the row of the head is locked first and all is looked up.

use std::ops::Range;

use sqlx::{Connection as _, Error, PgConnection, Postgres, Row as _, Transaction};
use tokio::time::timeout;

use super::connections::{STATEMENT, Statement};
use super::failure::{bigint, corrupt, failed, is_lost, number, too_slow};
use super::ground::Ground;
use super::group::{Group, Writing};
use super::writer::Request;
use crate::event_log::{LogError, Position};

/// Bytes of events after which a statement takes no further event.
const STATEMENT_BYTES_MAX: usize = 8 << 20;

/// Moves the head from $1 to $2 under the terms $3 if none of the keys $4 and streams $5 is there, and with it inserts
/// the streams $6 $7, the keys $8 to $11 and the events $12 to $14, which follow position $1.
const APPEND: &str = "WITH moved AS (\
        UPDATE bishui.head SET position = $2 WHERE position = $1 AND terms = $3 \
        AND NOT EXISTS (SELECT FROM bishui.request_key WHERE key = ANY ($4::bytea[])) \
        AND NOT EXISTS (SELECT FROM bishui.stream WHERE name = ANY ($5::bytea[])) RETURNING position\
    ), streams AS (\
        INSERT INTO bishui.stream (name, id) \
        SELECT name, id FROM unnest($6::bytea[], $7::bigint[]) AS new (name, id) WHERE EXISTS (SELECT FROM moved)\
    ), keys AS (\
        INSERT INTO bishui.request_key (key, request, first_position, last_position) \
        SELECT key, request, first, last FROM unnest($8::bytea[], $9::uuid[], $10::bigint[], $11::bigint[]) \
            AS new (key, request, first, last) WHERE EXISTS (SELECT FROM moved) \
        ON CONFLICT (key) DO UPDATE SET request = excluded.request, first_position = excluded.first_position, \
            last_position = excluded.last_position\
    ) \
    INSERT INTO bishui.event (position, stream, version, body) \
    SELECT $1 + place, stream, version, body FROM unnest($12::bigint[], $13::bigint[], $14::bytea[]) \
        WITH ORDINALITY AS new (stream, version, body, place) WHERE EXISTS (SELECT FROM moved)";
/// Inserts the events $2 to $4, which follow position $1.
const CONTINUE: &str = "INSERT INTO bishui.event (position, stream, version, body) \
    SELECT $1 + place, stream, version, body FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) \
        WITH ORDINALITY AS new (stream, version, body, place)";
const LOCK: &str = "SELECT position, terms FROM bishui.head FOR UPDATE";
const BODIES: &str = "SELECT position, body FROM bishui.event WHERE position = $1 OR position = $2 ORDER BY position";

pub(super) const APPENDING: &str = "appending to the database";

/// How an attempt to record a group ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is recorded, or needed no recording; the answers hold.
    Done(Group),
    /// The connection was lost before the commit: nothing was recorded.
    Lost(Error),
    /// The connection was lost while the commit was on its way: it is recorded or not.
    Unknown(Attempt),
}

/// A group whose commit may have been made.
#[derive(Debug)]
pub(super) struct Attempt {
    group: Group,
    first: Position,
    last: Position,
    /// The stored forms of its first and last event.
    ends: [Vec<u8>; 2],
    cause: Error,
}

impl Attempt {
    fn new(group: Group, mut writing: Writing, cause: Error) -> Self {
        let first = writing.bodies.first().cloned().unwrap_or_default();
        let last = writing.bodies.pop().unwrap_or_default();
        let position = |event: Option<&crate::event_log::Recorded>| event.map_or(Position(0), |event| event.position);
        let (from, to) = (position(group.events.first()), position(group.events.last()));
        Self { group, first: from, last: to, ends: [first, last], cause }
    }

    /// What its writers are told when it cannot be found out.
    pub(super) fn unresolved(self) -> LogError {
        LogError::Unavailable {
            what: "the connection was lost during the commit, and whether the batch was recorded is not known: \
                   repeat the request under its key, or look"
                .into(),
            source: Some(Box::new(self.cause)),
        }
    }
}

/// Tries to record `requests` on what is remembered, with one statement; none when that does not hold any more, or is
/// not enough.
pub(super) async fn append_at_once(
    connection: &mut PgConnection,
    ground: &mut Ground,
    requests: &[Request],
) -> Result<Option<Outcome>, LogError> {
    ground.look_up_old(requests, connection).await?;
    let group = Group::judge(requests, ground);
    // Without events nothing would show whether the ground still holds.
    if group.events.is_empty() {
        return Ok(None);
    }
    let streams = group.streams(ground);
    let writing = group.writing(ground, &streams);
    let Some(whole) = parts(&writing.bodies).next().filter(|part| part.end == writing.bodies.len()) else {
        return Ok(None);
    };
    let absent: Vec<&[u8]> = ground.absent.iter().map(|stream| stream.as_str().as_bytes()).collect();
    let keys: Vec<&[u8]> = requests.iter().filter_map(Request::key).map(str::as_bytes).collect();
    let statement = append(&writing, ground.terms, keys, absent, whole);
    match timeout(STATEMENT, statement.execute(connection)).await.unwrap_or_else(|_| Err(too_slow())) {
        Ok(done) if done.rows_affected() == 0 => Ok(None),
        Ok(_) => {
            ground.moved_to(group.last(ground), streams);
            Ok(Some(Outcome::Done(group)))
        }
        Err(error) if is_lost(&error) => Ok(Some(Outcome::Unknown(Attempt::new(group, writing, error)))),
        Err(error) => Err(failed(APPENDING, error)),
    }
}

/// Records `requests` under the lock of the head, after finding out what became of `before`, an earlier attempt at
/// them. Gives the ground it stands on then.
pub(super) async fn append_locked(
    connection: &mut PgConnection,
    remembered: Option<Ground>,
    requests: &[Request],
    before: &mut Option<Attempt>,
) -> Result<(Outcome, Option<Ground>), LogError> {
    match try_locked(connection, remembered, requests, before).await {
        Ok(done) => Ok(done),
        Err(Failure::Database(error)) if is_lost(&error) => Ok((Outcome::Lost(error), None)),
        Err(Failure::Database(error)) => Err(failed(APPENDING, error)),
        Err(Failure::Log(error)) => Err(error),
    }
}

/// A failure before the commit.
enum Failure {
    Database(Error),
    Log(LogError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

async fn try_locked(
    connection: &mut PgConnection,
    remembered: Option<Ground>,
    requests: &[Request],
    before: &mut Option<Attempt>,
) -> Result<(Outcome, Option<Ground>), Failure> {
    let mut transaction = in_time(connection.begin()).await?;
    let row = in_time(sqlx::query(LOCK).fetch_one(&mut *transaction)).await?;
    let (head, terms) = (Position(number(row.try_get(0)?)?), row.try_get::<i64, _>(1)?);
    let recorded = match before {
        Some(attempt) => is_recorded(&mut transaction, attempt, head).await?,
        None => false,
    };
    if recorded && let Some(attempt) = before.take() {
        in_time(transaction.rollback()).await?;
        return Ok((Outcome::Done(attempt.group), None));
    }
    // Under the lock it cannot be recorded later either: an append at an old head, or of an old term, changes nothing.
    let holds = remembered.filter(|ground| ground.head == head && ground.terms == terms);
    let mut ground = match holds {
        Some(ground) => ground,
        None => Ground::at(head, terms, &mut transaction).await?,
    };
    ground.absent.clear();
    ground.look_up_all(requests, &mut transaction).await?;
    let group = Group::judge(requests, &ground);
    if group.events.is_empty() {
        in_time(transaction.rollback()).await?;
        ground.keys.clear();
        return Ok((Outcome::Done(group), Some(ground)));
    }
    let streams = group.streams(&ground);
    let writing = group.writing(&ground, &streams);
    write(&mut transaction, &writing, terms).await?;
    match in_time(transaction.commit()).await {
        Ok(()) => {
            ground.moved_to(group.last(&ground), streams);
            *before = None;
            Ok((Outcome::Done(group), Some(ground)))
        }
        Err(error) if is_lost(&error) => Ok((Outcome::Unknown(Attempt::new(group, writing, error)), None)),
        Err(error) => Err(error.into()),
    }
}

/// Writes the group in statements of bounded size.
async fn write(transaction: &mut Transaction<'_, Postgres>, writing: &Writing, terms: i64) -> Result<(), Failure> {
    for part in parts(&writing.bodies) {
        let count = part.len();
        let statement = if part.start == 0 {
            append(writing, terms, Vec::new(), Vec::new(), part)
        } else {
            let before = writing.head + bigint(u64::try_from(part.start).unwrap_or(u64::MAX));
            let (streams, versions) = (&writing.streams[part.clone()], &writing.versions[part.clone()]);
            sqlx::query(CONTINUE).bind(before).bind(streams).bind(versions).bind(&writing.bodies[part])
        };
        let done = in_time(statement.execute(&mut **transaction)).await?;
        if usize::try_from(done.rows_affected()) != Ok(count) {
            return Err(
                corrupt(format!("{} of {count} events were taken by the database", done.rows_affected())).into()
            );
        }
    }
    Ok(())
}

/// The statement that moves the head over all of `writing` and inserts the first `part` of its events.
fn append<'q>(
    writing: &'q Writing,
    terms: i64,
    new_keys: Vec<&'q [u8]>,
    absent: Vec<&'q [u8]>,
    part: Range<usize>,
) -> Statement<'q> {
    let last = writing.head + bigint(u64::try_from(writing.bodies.len()).unwrap_or(u64::MAX));
    sqlx::query(APPEND)
        .bind(writing.head)
        .bind(last)
        .bind(terms)
        .bind(new_keys)
        .bind(absent)
        .bind(&writing.new_names)
        .bind(&writing.new_ids)
        .bind(&writing.keys)
        .bind(&writing.requests)
        .bind(&writing.firsts)
        .bind(&writing.lasts)
        .bind(&writing.streams[part.clone()])
        .bind(&writing.versions[part.clone()])
        .bind(&writing.bodies[part])
}

/// Whether the first and the last event of `attempt` are in its places.
async fn is_recorded(
    transaction: &mut Transaction<'_, Postgres>,
    attempt: &Attempt,
    head: Position,
) -> Result<bool, Error> {
    if head < attempt.last {
        return Ok(false);
    }
    let places = sqlx::query(BODIES).bind(bigint(attempt.first.0)).bind(bigint(attempt.last.0));
    let rows = in_time(places.fetch_all(&mut **transaction)).await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(false) };
    Ok(first.try_get::<&[u8], _>(1)? == attempt.ends[0] && last.try_get::<&[u8], _>(1)? == attempt.ends[1])
}

/// Runs of bodies that one statement takes: at least one body each.
fn parts(bodies: &[Vec<u8>]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |body: &&Vec<u8>| {
            let room = bytes < STATEMENT_BYTES_MAX;
            bytes += body.len();
            room
        };
        let length = bodies.get(start..)?.iter().take_while(fits).count();
        let part = start..start + length;
        start = part.end;
        (length > 0).then_some(part)
    })
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(STATEMENT, answer).await.unwrap_or_else(|_| Err(too_slow()))
}
