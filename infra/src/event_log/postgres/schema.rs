//! The tables, made and brought forward in steps when a log is opened.

use std::time::Duration;

use sqlx::{Connection as _, Error, PgConnection, Row as _};
use tokio::time::timeout;

use super::connections::Connections;
use super::failure::{failed, too_slow};
use crate::event_log::LogError;

/// The steps in order. A step that was released is never edited; a change of the tables is a new one.
const STEPS: &[&str] = &[include_str!("schema/0001_log.sql")];
/// A row of `schema_step` beside the steps: a log is being restored or moved here, and is not to be opened.
pub(super) const UNFINISHED: i32 = i32::MAX;
/// Key of the advisory lock under which one node at a time brings the tables forward.
const LOCK: i64 = 0x6269_7368_7569;
/// Longest time for all of it, the wait for other nodes at it included.
const LONGEST: Duration = Duration::from_mins(1);

/// Makes the tables, or brings those that are there forward.
pub(super) async fn make(connections: &Connections) -> Result<(), LogError> {
    at_newest(connections, true).await
}

/// Brings the tables up to the newest step. A database without any is left as it is: it may be the wrong one.
pub(super) async fn bring_forward(connections: &Connections) -> Result<(), LogError> {
    at_newest(connections, false).await
}

/// Makes the tables, or brings those that are there forward, also of a log that is being restored or moved.
pub(super) async fn make_marked_too(connection: &mut PgConnection) -> Result<(), LogError> {
    match apply_in_time(connection, true).await? {
        None => Err(unmade()),
        Some(Tables { step, is_marked: _ }) => check_known(step),
    }
}

async fn at_newest(connections: &Connections, may_make: bool) -> Result<(), LogError> {
    let mut connection = connections.connect().await?;
    let applied = apply_in_time(&mut connection, may_make).await?;
    // A farewell; the server notices by itself too.
    drop(connection.close().await);
    match applied {
        None => Err(unmade()),
        Some(Tables { is_marked: true, .. }) => Err(refused(
            "a restore or a move into this database is under way, or was cut short: then run it again".into(),
        )),
        Some(Tables { step, is_marked: false }) => check_known(step),
    }
}

fn check_known(step: usize) -> Result<(), LogError> {
    let known = STEPS.len();
    if step <= known {
        return Ok(());
    }
    Err(refused(format!(
        "the tables of the database are at step {step}, and this program knows {known}: use the program they belong to"
    )))
}

fn unmade() -> LogError {
    refused("no log was made in this database (`bishui init` makes one)".into())
}

fn refused(what: String) -> LogError {
    LogError::Unavailable { what, source: None }
}

/// What was found of the tables, once what was missing is applied.
struct Tables {
    /// The step that they are at.
    step: usize,
    is_marked: bool,
}

async fn apply_in_time(connection: &mut PgConnection, may_make: bool) -> Result<Option<Tables>, LogError> {
    let applied = timeout(LONGEST, apply(connection, may_make)).await.unwrap_or_else(|_| Err(too_slow()));
    applied.map_err(|error| failed("preparing the tables", error))
}

/// Applies what is missing; gives what the tables are at, or none where there are none and none may be made.
async fn apply(connection: &mut PgConnection, may_make: bool) -> Result<Option<Tables>, Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let look = "SELECT to_regclass('bishui.schema_step') IS NOT NULL, to_regnamespace('bishui') IS NOT NULL";
    let found = sqlx::query(look).fetch_one(&mut *transaction).await?;
    let (is_made, has_schema) = (found.try_get::<bool, _>(0)?, found.try_get::<bool, _>(1)?);
    if !is_made && !may_make {
        return Ok(None);
    }
    if !has_schema {
        sqlx::raw_sql("CREATE SCHEMA bishui").execute(&mut *transaction).await?;
    }
    if !is_made {
        let make = "CREATE TABLE bishui.schema_step (step int PRIMARY KEY, \
                    applied_at timestamptz NOT NULL DEFAULT now())";
        sqlx::raw_sql(make).execute(&mut *transaction).await?;
    }
    let newest = "SELECT coalesce(max(step) FILTER (WHERE step <> $1), 0), \
                  count(*) FILTER (WHERE step = $1) > 0 FROM bishui.schema_step";
    let found = sqlx::query(newest).bind(UNFINISHED).fetch_one(&mut *transaction).await?;
    let newest = usize::try_from(found.try_get::<i32, _>(0)?).unwrap_or_default();
    for (step, sql) in (1_i32..).zip(STEPS).skip(newest) {
        sqlx::raw_sql(sql).execute(&mut *transaction).await?;
        let note = sqlx::query("INSERT INTO bishui.schema_step (step) VALUES ($1)").bind(step);
        note.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(Some(Tables { step: newest.max(STEPS.len()), is_marked: found.try_get(1)? }))
}
