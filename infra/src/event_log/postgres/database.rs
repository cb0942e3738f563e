//! Whole databases, for measurements: made, weighed and removed.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Row as _};

use super::address::Address;
use super::connections::Connections;
use super::failure::{failed, number};
use crate::event_log::LogError;

/// Makes the database of `made` on the servers of `server` if it is not there.
///
/// # Errors
/// `Unavailable` where no server takes writes, or the user may not make databases.
pub async fn make(server: &Address, made: &Address) -> Result<(), LogError> {
    let connections = Connections::new(server.clone());
    let find = || sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name(made));
    if connections.rows("looking for a database", find).await?.is_empty() {
        execute(&connections, "making a database", &format!("CREATE DATABASE {}", quoted(made))).await?;
    }
    Ok(())
}

/// Removes the database of `removed` if it is there.
///
/// # Errors
/// `Unavailable` where no server takes writes, or it is still in use.
pub async fn remove(server: &Address, removed: &Address) -> Result<(), LogError> {
    let sql = format!("DROP DATABASE IF EXISTS {}", quoted(removed));
    execute(&Connections::new(server.clone()), "removing a database", &sql).await
}

/// Bytes of a database on the disk.
///
/// # Errors
/// `Unavailable` where it cannot be asked.
pub async fn bytes(address: &Address) -> Result<u64, LogError> {
    const WEIGHING: &str = "weighing a database";
    let connections = Connections::new(address.clone());
    let weigh = || sqlx::query("SELECT pg_database_size(current_database())");
    let rows = connections.rows(WEIGHING, weigh).await?;
    let size = rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| failed(WEIGHING, error))?;
    number(size.unwrap_or_default(), "the size of the database")
}

/// Whether the server syncs its disk before it acknowledges a commit.
///
/// # Errors
/// `Unavailable` where it cannot be asked.
pub async fn syncs(server: &Address) -> Result<bool, LogError> {
    const ASKING: &str = "asking for a setting";
    let ask = || sqlx::query("SELECT current_setting('fsync') = 'on'");
    let rows = Connections::new(server.clone()).rows(ASKING, ask).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|error| failed(ASKING, error))
}

async fn execute(connections: &Connections, what: &str, sql: &str) -> Result<(), LogError> {
    let mut connection = connections.connect().await?;
    let done = sqlx::raw_sql(sql).execute(&mut connection).await;
    // A farewell; the server notices by itself too.
    drop(connection.close().await);
    done.map(drop).map_err(|error| failed(what, error))
}

fn name(address: &Address) -> String {
    let options = address.servers().first().map(|server| &server.options);
    options.and_then(PgConnectOptions::get_database).unwrap_or_default().to_owned()
}

/// The name as SQL takes it.
fn quoted(address: &Address) -> String {
    format!("\"{}\"", name(address).replace('"', "\"\""))
}
