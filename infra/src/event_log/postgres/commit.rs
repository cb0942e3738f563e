//! The transaction that records a group.
//!
//! A node that is alone with the log needs one statement: it judges on what it remembers and appends only where the
//! head is still the one it remembers. Where that fails, the row of the head is locked first and all is looked up; what
//! was judged before is used if it still holds, so that a large group is packed without holding the others up.

use std::ops::ControlFlow;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, Error, PgConnection, Postgres, Row as _, Transaction};
use tokio::time::timeout;

use super::connections::STATEMENT;
use super::failure::{Failure, corrupt, failed, is_lost, number, too_slow};
use super::ground::Ground;
use super::group::Group;
use super::writer::Request;
use super::writing::{Absent, Writing};
use crate::event_log::{LogError, Position};

/// Locks the head. A node that goes away then holds the others up for $1 milliseconds at most.
const LOCK: &str = "SELECT position, terms, set_config('idle_in_transaction_session_timeout', $1::text, true) \
    FROM bishui.head FOR UPDATE";
/// How many blocks of the digests $2 are there at the ends $1.
const RECORDED: &str = "SELECT count(*) FROM unnest($1::bigint[], $2::bytea[]) AS made (last, digest) \
    JOIN bishui.block USING (last) WHERE sha256(events) = digest";
/// For how long a transaction that holds the lock may be without a statement.
const IDLE_LOCKED: Duration = Duration::from_secs(5);
/// A group that is judged under the lock may take longer, by its payloads: any machine packs more than this.
const PACKED_BYTES_A_MILLISECOND: usize = 4 << 10;

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

/// A group that was judged, and what it writes.
#[derive(Debug)]
pub(super) struct Packed {
    group: Group,
    writing: Writing,
}

impl Packed {
    fn of(group: Group) -> Self {
        Self { writing: Writing::of(&group), group }
    }
}

/// A group whose commit may have been made.
#[derive(Debug)]
pub(super) struct Attempt {
    group: Group,
    /// SHA-256 of its blocks, and the position that each ends with.
    digests: Vec<Vec<u8>>,
    lasts: Vec<i64>,
    cause: Error,
}

impl Attempt {
    fn new(packed: Packed, cause: Error) -> Self {
        let Packed { group, writing } = packed;
        let digests = writing.blocks.iter().map(|block| Sha256::digest(block).to_vec()).collect();
        Self { group, digests, lasts: writing.lasts, cause }
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

/// Tries to record `requests` on what is remembered, with one statement. Where that does not hold any more, or is not
/// enough, it goes on with what was judged: it may hold under the lock.
pub(super) async fn append_at_once(
    connection: &mut PgConnection,
    remembered: &mut Option<Ground>,
    requests: &[Request],
) -> Result<ControlFlow<Outcome, Option<Packed>>, LogError> {
    let tried = try_at_once(connection, remembered, requests).await;
    tried.or_else(|failure| unless_lost(failure).map(|error| ControlFlow::Break(Outcome::Lost(error))))
}

async fn try_at_once(
    connection: &mut PgConnection,
    remembered: &mut Option<Ground>,
    requests: &[Request],
) -> Result<ControlFlow<Outcome, Option<Packed>>, Failure> {
    let ground = match remembered {
        Some(ground) => ground,
        None => remembered.insert(Ground::newest(connection).await?),
    };
    ground.look_up_old(requests, connection).await?;
    let group = Group::judge(requests, ground);
    // Without events nothing would show whether the ground still holds.
    if group.is_empty() {
        return Ok(ControlFlow::Continue(None));
    }
    let mut packed = Packed::of(group);
    let Some(whole) = packed.writing.parts().next().filter(|part| part.end == packed.writing.blocks.len()) else {
        return Ok(ControlFlow::Continue(Some(packed)));
    };
    let absent = Absent {
        keys: requests.iter().filter_map(Request::key).map(str::as_bytes).collect(),
        streams: ground.absent.iter().map(|stream| stream.as_str().as_bytes()).collect(),
    };
    match in_time(packed.writing.append(ground.terms, &absent, whole, connection)).await {
        Ok(done) if done.rows_affected() == 0 => Ok(ControlFlow::Continue(Some(packed))),
        Ok(_) => {
            ground.moved_to(packed.group.last(), std::mem::take(&mut packed.group.streams));
            Ok(ControlFlow::Break(Outcome::Done(packed.group)))
        }
        Err(error) if is_lost(&error) => Ok(ControlFlow::Break(Outcome::Unknown(Attempt::new(packed, error)))),
        Err(error) => Err(error.into()),
    }
}

/// The error of a lost connection; any other is a failure.
fn unless_lost(failure: Failure) -> Result<Error, LogError> {
    match failure {
        Failure::Database(error) if is_lost(&error) => Ok(error),
        Failure::Database(error) => Err(failed(APPENDING, error)),
        Failure::Log(error) => Err(error),
    }
}

/// Records `requests` under the lock of the head, after finding out what became of `before`, an earlier attempt at
/// them. What was judged of them on what is remembered is used where it still holds. Gives the ground it stands on then.
pub(super) async fn append_locked(
    connection: &mut PgConnection,
    remembered: Option<Ground>,
    judged: Option<Packed>,
    requests: &[Request],
    before: &mut Option<Attempt>,
) -> Result<(Outcome, Option<Ground>), LogError> {
    let tried = try_locked(connection, remembered, judged, requests, before).await;
    tried.or_else(|failure| unless_lost(failure).map(|error| (Outcome::Lost(error), None)))
}

async fn try_locked(
    connection: &mut PgConnection,
    remembered: Option<Ground>,
    judged: Option<Packed>,
    requests: &[Request],
    before: &mut Option<Attempt>,
) -> Result<(Outcome, Option<Ground>), Failure> {
    let mut transaction = in_time(connection.begin()).await?;
    let row = in_time(sqlx::query(LOCK).bind(idle_locked(requests)).fetch_one(&mut *transaction)).await?;
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
    let judged = judged.filter(|_| holds.is_some());
    let mut ground = match holds {
        Some(ground) => ground,
        None => Ground::at(head, terms, &mut transaction).await?,
    };
    ground.absent.clear();
    let is_news = ground.look_up_all(requests, &mut transaction).await?;
    let mut packed = match judged.filter(|_| !is_news) {
        Some(packed) => packed,
        None => Packed::of(Group::judge(requests, &ground)),
    };
    if packed.group.is_empty() {
        if packed.group.answers.iter().any(Result::is_ok) {
            confirm(transaction).await?;
        } else {
            in_time(transaction.rollback()).await?;
        }
        ground.keys.clear();
        return Ok((Outcome::Done(packed.group), Some(ground)));
    }
    write(&mut transaction, &packed.writing, terms).await?;
    match in_time(transaction.commit()).await {
        Ok(()) => {
            ground.moved_to(packed.group.last(), std::mem::take(&mut packed.group.streams));
            *before = None;
            Ok((Outcome::Done(packed.group), Some(ground)))
        }
        Err(error) if is_lost(&error) => Ok((Outcome::Unknown(Attempt::new(packed, error)), None)),
        Err(error) => Err(error.into()),
    }
}

/// For how many milliseconds the lock is held without a statement for `requests`, at most.
fn idle_locked(requests: &[Request]) -> String {
    let bytes: usize = requests.iter().map(Request::weight).sum();
    let large = Duration::from_millis(u64::try_from(bytes / PACKED_BYTES_A_MILLISECOND).unwrap_or(u64::MAX));
    IDLE_LOCKED.saturating_add(large).as_millis().to_string()
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
    let made = sqlx::query(RECORDED).bind(&attempt.lasts).bind(&attempt.digests);
    let row = in_time(made.fetch_one(&mut **transaction)).await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?) == Ok(attempt.digests.len()))
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(STATEMENT, answer).await.unwrap_or_else(|_| Err(too_slow()))
}
