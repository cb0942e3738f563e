//! The tables, made and brought forward in steps when a log is opened.

use std::time::Duration;

use sqlx::{Connection as _, Error, PgConnection, Row as _};
use tokio::time::timeout;

use super::connections::Connections;
use super::failure::{failed, too_slow};
use crate::event_log::LogError;

/// The steps in order. A step that was released is never edited; a change of the tables is a new one.
const STEPS: &[&str] = &[include_str!("schema/0001_log.sql")];
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

async fn at_newest(connections: &Connections, may_make: bool) -> Result<(), LogError> {
    let mut connection = connections.connect().await?;
    let applied = timeout(LONGEST, apply(&mut connection, may_make)).await.unwrap_or_else(|_| Err(too_slow()));
    let applied = applied.map_err(|error| failed("preparing the tables", error))?;
    // A farewell; the server notices by itself too.
    drop(connection.close().await);
    let refused = |what: String| Err(LogError::Unavailable { what, source: None });
    match applied {
        None => refused("no log was made in this database (`bishui init` makes one)".into()),
        Some(step) if step > STEPS.len() => refused(format!(
            "the tables of the database are at step {step}, and this program knows {}: use the program they belong to",
            STEPS.len()
        )),
        Some(_) => Ok(()),
    }
}

/// Applies what is missing; gives the step that the tables are at, or none where there are none and none may be made.
async fn apply(connection: &mut PgConnection, may_make: bool) -> Result<Option<usize>, Error> {
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
    let newest = sqlx::query("SELECT coalesce(max(step), 0) FROM bishui.schema_step").fetch_one(&mut *transaction);
    let newest = usize::try_from(newest.await?.try_get::<i32, _>(0)?).unwrap_or_default();
    for (step, sql) in (1_i32..).zip(STEPS).skip(newest) {
        sqlx::raw_sql(sql).execute(&mut *transaction).await?;
        let note = sqlx::query("INSERT INTO bishui.schema_step (step) VALUES ($1)").bind(step);
        note.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(Some(newest.max(STEPS.len())))
}
