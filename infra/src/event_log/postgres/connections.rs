//! Connections to the server that takes writes: found among several, kept for the next use, replaced when lost.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _, Error, PgConnection, Postgres, Row as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::address::{Address, Server};
use super::failure::{failed, is_lost, too_slow};
use crate::event_log::LogError;

/// Longest wait for one server to take a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for the answer to one statement.
pub(super) const STATEMENT: Duration = Duration::from_secs(20);
/// A connection that lay idle for longer is asked whether it is there before it is used.
pub(super) const IDLE: Duration = Duration::from_millis(50);
/// Connections for reading, leases and checkpoints at a time; further callers queue.
const CONNECTIONS_MAX: usize = 8;

/// What every connection begins with. A node that goes away in the middle of a transaction must not hold the others
/// up, and no setting of the server may make an acknowledgement mean less than the disk. Statements are planned once,
/// while the tables may still be empty: a plan that reads a whole table would be kept when it has grown.
const BEGIN: &str = "SELECT pg_is_in_recovery(), current_setting('fsync') = 'on', \
     set_config('idle_in_transaction_session_timeout', '5s', false), \
     set_config('plan_cache_mode', 'force_generic_plan', false), \
     set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false), \
     CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') \
     THEN set_config('synchronous_commit', 'on', false) END";

/// The connections of one log.
pub(super) struct Connections {
    address: Address,
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
        Self { address, idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS_MAX) }
    }

    /// The rows that a reading statement gives. A lost connection is replaced once: reading again changes nothing.
    pub(super) async fn rows<'q>(
        &self,
        what: &str,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<Vec<PgRow>, LogError> {
        loop {
            let mut lent = self.lend().await?;
            match self.on(&mut lent, statement()).await {
                Ok(rows) => {
                    self.keep(lent);
                    return Ok(rows);
                }
                Err(error) if is_lost(&error) && lent.used => self.forget(),
                Err(error) => return Err(failed(what, error)),
            }
        }
    }

    /// The rows that a writing statement gives, which is sent once.
    pub(super) async fn write(&self, what: &str, statement: Statement<'_>) -> Result<Vec<PgRow>, LogError> {
        let mut lent = self.lend().await?;
        match self.on(&mut lent, statement).await {
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
        self.find().await.map(|(_, connection)| connection)
    }

    /// How to connect to the server that takes writes, if one does.
    pub(super) async fn primary(&self) -> Option<PgConnectOptions> {
        self.find().await.ok().map(|(server, _)| server.options.clone())
    }

    async fn find(&self) -> Result<(&Server, PgConnection), LogError> {
        let mut found = Vec::new();
        for server in self.address.servers() {
            match timeout(CONNECT, open(server)).await.unwrap_or_else(|_| Err(too_slow())) {
                Ok(Some(connection)) => return Ok((server, connection)),
                Ok(None) => found.push(format!("{} is a standby", server.name)),
                Err(error) => found.push(format!("{}: {error}", server.name)),
            }
        }
        let what = format!("connecting to {}: {}", self.address, found.join("; "));
        Err(LogError::Unavailable { what, source: None })
    }

    async fn on(&self, lent: &mut Lent<'_>, statement: Statement<'_>) -> Result<Vec<PgRow>, Error> {
        timeout(STATEMENT, statement.fetch_all(&mut lent.connection)).await.unwrap_or_else(|_| Err(too_slow()))
    }

    async fn lend(&self) -> Result<Lent<'_>, LogError> {
        let permit = self.permits.acquire().await.expect("the connections are never closed");
        while let Some((mut connection, since)) = self.take() {
            if since.elapsed() < IDLE || is_there(&mut connection).await {
                return Ok(Lent { connection, used: true, _permit: permit });
            }
        }
        Ok(Lent { connection: self.connect().await?, used: false, _permit: permit })
    }

    fn take(&self) -> Option<(PgConnection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, lent: Lent<'_>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((lent.connection, Instant::now()));
    }

    /// Where one connection was lost the others are too, most likely.
    fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Whether the server still answers on a connection.
pub(super) async fn is_there(connection: &mut PgConnection) -> bool {
    timeout(CONNECT, connection.ping()).await.is_ok_and(|answer| answer.is_ok())
}

/// Connects to a server; none when it does not take writes.
async fn open(server: &Server) -> Result<Option<PgConnection>, Error> {
    let mut connection = server.options.connect().await?;
    let row = sqlx::query(BEGIN).fetch_one(&mut connection).await?;
    if !row.try_get::<bool, _>(1)? {
        tracing::warn!(server = server.name, "the database runs with fsync = off: what it acknowledges can be lost");
    }
    Ok(if row.try_get::<bool, _>(0)? { None } else { Some(connection) })
}
