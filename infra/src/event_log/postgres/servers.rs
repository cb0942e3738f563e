//! Which server of an address takes writes, and what every connection to it begins with.
//!
//! A primary that others have left behind takes writes too when it comes back. So all servers are asked when one is
//! looked for and whenever a connection was lost, and of those that take writes the one that was promoted last is used:
//! each promotion begins a new timeline.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::{ConnectOptions as _, Error, PgConnection, Row as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::{Address, Server};
use super::failure::too_slow;
use crate::event_log::LogError;

/// Longest wait for one server to take a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// What every connection begins with. A node that goes away in the middle of a transaction must not hold the others
/// up, and no setting of the server, the database or the user may make an acknowledgement mean less than the disk, or a
/// statement fail that would succeed elsewhere. Statements are planned once, while the tables may still be empty: a plan
/// that reads a whole table would be kept when it has grown.
const BEGIN: &str = "SELECT pg_is_in_recovery(), current_setting('fsync') = 'on', \
     set_config('idle_in_transaction_session_timeout', '5s', false), \
     set_config('idle_session_timeout', '0', false), \
     set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false), \
     set_config('default_transaction_isolation', 'read committed', false), \
     set_config('default_transaction_read_only', 'off', false), \
     set_config('tcp_keepalives_idle', '10s', false), set_config('tcp_keepalives_interval', '5s', false), \
     set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '25s', false), \
     set_config('plan_cache_mode', 'force_generic_plan', false), \
     set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false), \
     CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') \
     THEN set_config('synchronous_commit', 'on', false) END, \
     CASE WHEN current_setting('server_version_num')::int >= 170000 \
     THEN set_config('transaction_timeout', '0', false) END";
/// The timeline that a server writes, and when it was started.
const STANDING: &str = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int, \
     pg_postmaster_start_time()::text";

/// The servers of an address.
pub(super) struct Servers {
    address: Address,
    known: Mutex<Known>,
}

/// What was found out about them.
#[derive(Default)]
struct Known {
    /// The one that took writes when all were asked.
    primary: Option<usize>,
    /// The newest timeline that was written here.
    timeline: i32,
}

/// Where a server that takes writes stands.
struct Standing {
    timeline: i32,
    /// When it was started: tells two servers from one that has two names.
    started: String,
}

impl Servers {
    pub(super) fn new(address: Address) -> Self {
        address.warn_of_plain_text();
        Self { address, known: Mutex::default() }
    }

    /// The server that takes writes, and a new connection to it.
    pub(super) async fn connect(&self) -> Result<(&Server, PgConnection), LogError> {
        let all = self.address.servers();
        let known = self.with_known(|known| known.primary).and_then(|place| all.get(place));
        if let Some(server) = known
            && let Ok(Some(connection)) = in_time(open(server)).await
        {
            return Ok((server, connection));
        }
        self.ask_all().await
    }

    /// A connection was lost: another server may have been promoted.
    pub(super) fn doubt(&self) {
        self.with_known(|known| known.primary = None);
    }

    /// Asks all at once, and waits for all: one that is late may have been promoted last.
    async fn ask_all(&self) -> Result<(&Server, PgConnection), LogError> {
        let all = self.address.servers();
        let mut asking = JoinSet::new();
        for (place, server) in all.iter().cloned().enumerate() {
            asking.spawn(async move { (place, in_time(ask(&server)).await) });
        }
        let mut answers = asking.join_all().await;
        answers.sort_by_key(|(place, _)| *place);
        let (mut connections, mut standings, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for (place, answer) in answers {
            let name = &all[place].name;
            match answer {
                Ok(Some((connection, standing))) => {
                    told.push(format!("{name} takes writes on timeline {}", standing.timeline));
                    connections.push((place, connection));
                    standings.push(standing);
                }
                Ok(None) => told.push(format!("{name} is a standby")),
                Err(error) => told.push(format!("{name}: {error}")),
            }
        }
        let told = told.join("; ");
        let Some(chosen) = newest(&standings, self.with_known(|known| known.timeline)) else {
            let none = if standings.is_empty() { "" } else { "; none of them is the only one on the newest timeline" };
            let what = format!("connecting to {}: {told}{none}", self.address);
            return Err(LogError::Unavailable { what, source: None });
        };
        let (place, connection) = connections.swap_remove(chosen);
        let timeline = standings[chosen].timeline;
        if standings.iter().any(|standing| standing.timeline < timeline) {
            tracing::warn!(used = all[place].name, told, "a server that was left behind takes writes: stop it");
        }
        self.with_known(|known| {
            *known = Known { primary: Some(place), timeline: known.timeline.max(timeline) };
        });
        Ok((&all[place], connection))
    }

    fn with_known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Which of `standings` is on the newest timeline, where `used` has been written already; none where several servers are.
fn newest(standings: &[Standing], used: i32) -> Option<usize> {
    let timeline = standings.iter().map(|standing| standing.timeline).fold(used, i32::max);
    let mut newest = standings.iter().enumerate().filter(|(_, standing)| standing.timeline == timeline);
    let (chosen, standing) = newest.next()?;
    newest.all(|(_, other)| other.started == standing.started).then_some(chosen)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(CONNECT, answer).await.unwrap_or_else(|_| Err(too_slow()))
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

/// The same, with where it stands.
async fn ask(server: &Server) -> Result<Option<(PgConnection, Standing)>, Error> {
    let Some(mut connection) = open(server).await? else { return Ok(None) };
    let row = sqlx::query(STANDING).fetch_one(&mut connection).await?;
    let standing = Standing { timeline: row.try_get(0)?, started: row.try_get(1)? };
    Ok(Some((connection, standing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_servers_that_take_writes_the_one_that_was_promoted_last_is_used() {
        let newest = |standings: &[(i32, &str)], used| {
            let standing = |&(timeline, started): &(i32, &str)| Standing { timeline, started: started.to_owned() };
            newest(&standings.iter().map(standing).collect::<Vec<_>>(), used)
        };
        assert_eq!(newest(&[], 0), None);
        assert_eq!(newest(&[(1, "a"), (2, "b")], 0), Some(1));
        assert_eq!(newest(&[(2, "b"), (1, "a")], 2), Some(0));
        // One server that has two names, and two servers that went apart.
        assert_eq!(newest(&[(2, "b"), (2, "b")], 0), Some(0));
        assert_eq!(newest(&[(2, "b"), (2, "c")], 0), None);
        // What was left behind is not gone back to while its successor is away.
        assert_eq!(newest(&[(1, "a")], 2), None);
    }
}
