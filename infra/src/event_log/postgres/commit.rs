//! The transaction that records a group.
//!
//! A node that is alone with the log needs one statement: it judges on what it remembers and appends only where the
//! head is still the one it remembers. Where that fails, the row of the head is locked first and all is looked up.

use sqlx::{Connection as _, Error, PgConnection, Postgres, Row as _, Transaction};
use tokio::time::timeout;

use super::connections::STATEMENT;
use super::failure::{Failure, corrupt, failed, is_lost, number, too_slow};
use super::ground::Ground;
use super::group::Group;
use super::writer::Request;
use super::writing::{Absent, Writing};
use crate::event_log::{LogError, Position};

const LOCK: &str = "SELECT position, terms FROM bishui.head FOR UPDATE";
/// How many of the blocks $1 and $2 are there.
const RECORDED: &str = "SELECT count(*) FROM unnest($1::bigint[], $2::bytea[]) AS made (last, events) \
    JOIN bishui.block USING (last, events)";

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
    /// Its blocks, and the position that each ends with.
    blocks: Vec<Vec<u8>>,
    lasts: Vec<i64>,
    cause: Error,
}

impl Attempt {
    fn new(group: Group, writing: Writing, cause: Error) -> Self {
        Self { group, blocks: writing.blocks, lasts: writing.lasts, cause }
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
    match ground.look_up_old(requests, connection).await {
        Ok(()) => {}
        Err(Failure::Database(error)) if is_lost(&error) => return Ok(Some(Outcome::Lost(error))),
        Err(Failure::Database(error)) => return Err(failed(APPENDING, error)),
        Err(Failure::Log(error)) => return Err(error),
    }
    let mut group = Group::judge(requests, ground);
    // Without events nothing would show whether the ground still holds.
    if group.is_empty() {
        return Ok(None);
    }
    let writing = Writing::of(&group);
    let Some(whole) = writing.parts().next().filter(|part| part.end == writing.blocks.len()) else {
        return Ok(None);
    };
    let absent = Absent {
        keys: requests.iter().filter_map(Request::key).map(str::as_bytes).collect(),
        streams: ground.absent.iter().map(|stream| stream.as_str().as_bytes()).collect(),
    };
    match in_time(writing.append(ground.terms, &absent, whole, connection)).await {
        Ok(done) if done.rows_affected() == 0 => Ok(None),
        Ok(_) => {
            ground.moved_to(group.last(), std::mem::take(&mut group.streams));
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

async fn try_locked(
    connection: &mut PgConnection,
    remembered: Option<Ground>,
    requests: &[Request],
    before: &mut Option<Attempt>,
) -> Result<(Outcome, Option<Ground>), Failure> {
    let mut transaction = in_time(connection.begin()).await?;
    let row = in_time(sqlx::query(LOCK).fetch_one(&mut *transaction)).await?;
    let (head, terms) = (Position(number(row.try_get(0)?, "the position of the head")?), row.try_get::<i64, _>(1)?);
    let recorded = match before {
        Some(attempt) => is_recorded(&mut transaction, attempt, head).await?,
        None => false,
    };
    if let Some(attempt) = before.take_if(|_| recorded) {
        if let Err(error) = confirm(transaction).await {
            // Until that has succeeded too it stays in doubt.
            *before = Some(attempt);
            return Err(error.into());
        }
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
    let mut group = Group::judge(requests, &ground);
    if group.is_empty() {
        if group.answers.iter().any(Result::is_ok) {
            confirm(transaction).await?;
        } else {
            in_time(transaction.rollback()).await?;
        }
        ground.keys.clear();
        return Ok((Outcome::Done(group), Some(ground)));
    }
    let writing = Writing::of(&group);
    write(&mut transaction, &writing, terms).await?;
    match in_time(transaction.commit()).await {
        Ok(()) => {
            ground.moved_to(group.last(), std::mem::take(&mut group.streams));
            *before = None;
            Ok((Outcome::Done(group), Some(ground)))
        }
        Err(error) if is_lost(&error) => Ok((Outcome::Unknown(Attempt::new(group, writing, error)), None)),
        Err(error) => Err(error.into()),
    }
}

/// Ends a transaction that has written nothing but its lock of the head, for answers that rest on what others wrote.
///
/// A synchronous standby may still lack that, where a server was stopped while a commit waited for the standby. The lock
/// is in the server's journal after it, so this commit waits for both.
async fn confirm(transaction: Transaction<'_, Postgres>) -> Result<(), Error> {
    in_time(transaction.commit()).await
}

/// Writes the group in statements of bounded size.
async fn write(transaction: &mut Transaction<'_, Postgres>, writing: &Writing, terms: i64) -> Result<(), Failure> {
    for part in writing.parts() {
        let count = part.len();
        let done = if part.start == 0 {
            in_time(writing.append(terms, &Absent::default(), part, transaction)).await?
        } else {
            in_time(writing.go_on(part, transaction)).await?
        };
        if usize::try_from(done.rows_affected()) != Ok(count) {
            return Err(
                corrupt(format!("{} of {count} blocks were taken by the database", done.rows_affected())).into()
            );
        }
    }
    Ok(())
}

/// Whether all that `attempt` wrote is in its place.
async fn is_recorded(
    transaction: &mut Transaction<'_, Postgres>,
    attempt: &Attempt,
    head: Position,
) -> Result<bool, Error> {
    if head < attempt.group.last() {
        return Ok(false);
    }
    let made = sqlx::query(RECORDED).bind(&attempt.lasts).bind(&attempt.blocks);
    let row = in_time(made.fetch_one(&mut **transaction)).await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?) == Ok(attempt.blocks.len()))
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(STATEMENT, answer).await.unwrap_or_else(|_| Err(too_slow()))
}
