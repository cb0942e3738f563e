//! A log that is being restored or moved into a database: while it is marked, nobody opens it.
//!
//! A store that holds the beginning of a log looks whole. Whoever opened it would go on from there, and send once more
//! what the whole log says was sent. The mark is a row of `schema_step` above every step, so that programs that know
//! nothing of it refuse the database too.

use sqlx::{Connection as _, PgConnection, Row as _};

use super::connections::Connections;
use super::failure::{corrupt, failed, number};
use super::schema::UNFINISHED;
use super::{Address, PostgresLog, schema};
use crate::event_log::{LogError, Position};

/// Takes the lock that one restore or move holds on the database until its end. It waits a moment, for the server may
/// have yet to notice that another one was killed.
const TAKE: &str =
    "SET lock_timeout = '3s'; SELECT pg_advisory_lock(x'6269736875697265'::bigint); SET lock_timeout = 0";
/// What the server calls a wait for a lock that was too long.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const IS_MARKED: &str = "SELECT EXISTS (SELECT FROM bishui.schema_step WHERE step = $1)";
/// Locks the head: whoever appends waits, and finds it moved on or the end of his own log.
const HEAD: &str = "SELECT position FROM bishui.head FOR UPDATE";
const IS_WORKED_ON: &str = "SELECT EXISTS (SELECT FROM bishui.lease WHERE held_until > clock_timestamp())";
const IS_USED: &str = "SELECT EXISTS (SELECT FROM bishui.lease) OR EXISTS (SELECT FROM bishui.checkpoint)";
const MARK: &str = "INSERT INTO bishui.schema_step (step) VALUES ($1) ON CONFLICT DO NOTHING";
const UNMARK: &str = "DELETE FROM bishui.schema_step WHERE step = $1";
/// The tables stay, for the role may not be allowed to make the schema again; so every one of them is named here.
const EMPTY: &str = "TRUNCATE bishui.block, bishui.run, bishui.request_key, bishui.checkpoint, bishui.lease; \
    UPDATE bishui.head SET position = 0, terms = 0";

const FILLING: &str = "restoring or moving a log into the database";

/// A log in a database that is being filled. Dropped before it is finished, it stays marked if it was.
pub struct Unfinished {
    log: PostgresLog,
    /// Holds the lock.
    holder: PgConnection,
    is_marked: bool,
}

impl Unfinished {
    /// The database at `address` to restore a log into, marked and empty; none where it has a log that was used. What an
    /// earlier restore or move left half done is taken away: nobody has opened it since.
    ///
    /// # Errors
    /// `Unavailable` when no server of the address takes writes, or another restore or move is under way.
    pub async fn to_restore(address: &Address) -> Result<Option<Self>, LogError> {
        let mut holder = hold(address).await?;
        if !clear(&mut holder).await.map_err(filling)? {
            return Ok(None);
        }
        let log = PostgresLog::begin(Connections::new(address.clone())).await?;
        Ok(Some(Self { log, holder, is_marked: true }))
    }

    /// The database at `address` to move a log into, with what is in it.
    ///
    /// # Errors
    /// As [`Unfinished::to_restore`].
    pub async fn to_move(address: &Address) -> Result<Self, LogError> {
        let mut holder = hold(address).await?;
        let is_marked = is_marked(&mut holder).await.map_err(filling)?;
        let log = PostgresLog::begin(Connections::new(address.clone())).await?;
        Ok(Self { log, holder, is_marked })
    }

    /// Its log.
    pub fn log(&self) -> &PostgresLog {
        &self.log
    }

    /// Whether it is marked.
    pub fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Marks it, which must still end at `head`.
    ///
    /// # Errors
    /// `Unavailable` when it does not, or a node works on it.
    pub async fn mark(&mut self, head: Position) -> Result<(), LogError> {
        let in_use = |why: &str| LogError::Unavailable { what: format!("{why}: stop what works on it"), source: None };
        let mut transaction = self.holder.begin().await.map_err(filling)?;
        if self::head(&mut transaction).await? != head {
            return Err(in_use("the log in the database has grown"));
        }
        let is_worked_on = sqlx::query(IS_WORKED_ON).fetch_one(&mut *transaction).await.map_err(filling)?;
        if is_worked_on.try_get(0).map_err(filling)? {
            return Err(in_use("the log in the database is in use by a node"));
        }
        sqlx::query(MARK).bind(UNFINISHED).execute(&mut *transaction).await.map_err(filling)?;
        transaction.commit().await.map_err(filling)?;
        self.is_marked = true;
        Ok(())
    }

    /// Takes the mark away once the log ends at `head`, as it has to.
    ///
    /// # Errors
    /// `Corrupt` when it ends elsewhere.
    pub async fn finish(mut self, head: Position) -> Result<(), LogError> {
        let mut transaction = self.holder.begin().await.map_err(filling)?;
        let found = self::head(&mut transaction).await?;
        if found != head {
            return Err(corrupt(format!("the log ends with position {found}, and was filled up to {head}")));
        }
        sqlx::query(UNMARK).bind(UNFINISHED).execute(&mut *transaction).await.map_err(filling)?;
        transaction.commit().await.map_err(filling)?;
        self.holder.close().await.map_err(filling)
    }
}

/// Takes the lock of the database, whose tables are made or brought forward.
async fn hold(address: &Address) -> Result<PgConnection, LogError> {
    let mut holder = Connections::new(address.clone()).connect().await?;
    if let Err(error) = sqlx::raw_sql(TAKE).execute(&mut holder).await {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.is_none_or(|code| code != LOCK_NOT_AVAILABLE) {
            return Err(filling(error));
        }
        let what = "another restore or move into this database is under way".into();
        return Err(LogError::Unavailable { what, source: None });
    }
    schema::make_marked_too(&mut holder).await?;
    Ok(holder)
}

/// Marks and empties the log of a database; false where it was used.
async fn clear(holder: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let mut transaction = holder.begin().await?;
    let head: i64 = sqlx::query(HEAD).fetch_one(&mut *transaction).await?.try_get(0)?;
    let is_used: bool = sqlx::query(IS_USED).fetch_one(&mut *transaction).await?.try_get(0)?;
    if !is_marked(&mut transaction).await? && (head > 0 || is_used) {
        return Ok(false);
    }
    sqlx::query(MARK).bind(UNFINISHED).execute(&mut *transaction).await?;
    sqlx::raw_sql(EMPTY).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn is_marked(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query(IS_MARKED).bind(UNFINISHED).fetch_one(connection).await?.try_get(0)
}

/// The head, locked.
async fn head(connection: &mut PgConnection) -> Result<Position, LogError> {
    let row = sqlx::query(HEAD).fetch_one(connection).await.map_err(filling)?;
    number(row.try_get(0).map_err(filling)?, "the position of the head").map(Position)
}

fn filling(error: sqlx::Error) -> LogError {
    failed(FILLING, error)
}
