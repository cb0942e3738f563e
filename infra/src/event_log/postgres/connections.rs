//! Connections to the server that takes writes: kept for the next use, replaced when lost.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Error, PgConnection, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::address::Address;
use super::failure::{failed, is_lost, too_slow};
use super::servers::{CONNECT, Servers};
use crate::event_log::LogError;

/// Longest wait for the answer to one statement.
pub(super) const STATEMENT: Duration = Duration::from_secs(20);
/// Longest wait for the answer to a quick one on a connection that was used before: it may have been cut off since, and
/// a lease that is renewed late is lost.
const QUICK: Duration = Duration::from_secs(3);
/// A connection that lay idle for longer is asked whether it is there before it is used.
pub(super) const IDLE: Duration = Duration::from_millis(50);
/// Connections for reading, leases and checkpoints at a time; further callers queue.
const CONNECTIONS_MAX: usize = 8;

/// The connections of one log.
pub(super) struct Connections {
    servers: Servers,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    permits: Semaphore,
}

/// A connection in use.
struct Lent<'a> {
    connection: PgConnection,
    /// It has been used before, so its server may be gone.
    used: bool,
    _permit: SemaphorePermit<'a>,
}

/// A statement of the log with its values.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

impl Connections {
    pub(super) fn new(address: Address) -> Self {
        Self { servers: Servers::new(address), idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS_MAX) }
    }

    /// The rows that a reading statement gives. A lost connection is replaced once: reading again changes nothing.
    pub(super) async fn rows<'q>(
        &self,
        what: &str,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<Vec<PgRow>, LogError> {
        self.again(what, STATEMENT, statement).await
    }

    /// The same for a statement that takes no time, unless it waits for others.
    pub(super) async fn quick<'q>(
        &self,
        what: &str,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<Vec<PgRow>, LogError> {
        self.again(what, QUICK, statement).await
    }

    /// Asks for `longest` on a connection that was used before, and then on a new one, which has just been answered on.
    async fn again<'q>(
        &self,
        what: &str,
        longest: Duration,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<Vec<PgRow>, LogError> {
        loop {
            let mut lent = self.lend().await?;
            let longest = if lent.used { longest } else { STATEMENT };
            match on(&mut lent, longest, statement()).await {
                Ok(rows) => {
                    self.keep(lent);
                    return Ok(rows);
                }
                Err(error) if is_lost(&error) => {
                    self.forget();
                    if !lent.used {
                        return Err(failed(what, error));
                    }
                }
                Err(error) => return Err(failed(what, error)),
            }
        }
    }

    /// The rows that a writing statement gives, which is sent once.
    pub(super) async fn write(&self, what: &str, statement: Statement<'_>) -> Result<Vec<PgRow>, LogError> {
        let mut lent = self.lend().await?;
        match on(&mut lent, STATEMENT, statement).await {
            Ok(rows) => {
                self.keep(lent);
                Ok(rows)
            }
            Err(error) if is_lost(&error) => {
                self.forget();
                let what = format!("{what}: the connection was lost, and whether it was done is not known");
                Err(LogError::Unavailable { what, source: Some(Box::new(error)) })
            }
            Err(error) => Err(failed(what, error)),
        }
    }

    /// A new connection to the server that takes writes.
    pub(super) async fn connect(&self) -> Result<PgConnection, LogError> {
        self.servers.connect().await.map(|(_, connection)| connection)
    }

    /// How to connect to the server that takes writes, if one does.
    pub(super) async fn primary(&self) -> Option<PgConnectOptions> {
        self.servers.connect().await.ok().map(|(server, _)| server.options.clone())
    }

    async fn lend(&self) -> Result<Lent<'_>, LogError> {
        let permit = self.permits.acquire().await.expect("the connections are never closed");
        while let Some((mut connection, since)) = self.take() {
            if since.elapsed() < IDLE || is_there(&mut connection).await {
                return Ok(Lent { connection, used: true, _permit: permit });
            }
            self.forget();
        }
        Ok(Lent { connection: self.connect().await?, used: false, _permit: permit })
    }

    fn take(&self) -> Option<(PgConnection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, lent: Lent<'_>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((lent.connection, Instant::now()));
    }

    /// Where one connection was lost the others are too, most likely, and another server may take the writes.
    pub(super) fn forget(&self) {
        self.servers.doubt();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn on(lent: &mut Lent<'_>, longest: Duration, statement: Statement<'_>) -> Result<Vec<PgRow>, Error> {
    timeout(longest, statement.fetch_all(&mut lent.connection)).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Whether the server still answers on a connection.
pub(super) async fn is_there(connection: &mut PgConnection) -> bool {
    timeout(CONNECT, connection.ping()).await.is_ok_and(|answer| answer.is_ok())
}
