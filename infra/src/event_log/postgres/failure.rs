//! Failures of the database as failures of the log.

use std::fmt::Display;

use sqlx::Error;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::event_log::LogError;

/// A failure on the way to a commit: of the database, whose connection may have been lost, or of what it holds.
#[derive(Debug)]
pub(super) enum Failure {
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

/// Whether the connection cannot be used any more, so that a commit on it may have been made or not.
pub(super) fn is_lost(error: &Error) -> bool {
    if let Error::Database(refusal) = error {
        // The session has ended; a server whose disk failed at a commit may still find that commit when it starts again.
        let has_ended = refusal
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|refusal| matches!(refusal.severity(), PgSeverity::Fatal | PgSeverity::Panic));
        // Connection exceptions, a server that stops or starts, and a server that became a standby.
        let says_so = |code: &str| code.starts_with("08") || code.starts_with("57P") || code == "25006";
        return has_ended || refusal.code().is_some_and(|code| says_so(&code));
    }
    matches!(error, Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed)
}

/// A failure while `what` was done; nothing was recorded by it.
pub(super) fn failed(what: &str, error: Error) -> LogError {
    // Damaged rows and damaged indexes; XX000 is any failure within the server.
    if let Error::Database(refusal) = &error
        && refusal.code().is_some_and(|code| code == "XX001" || code == "XX002")
    {
        return LogError::Corrupt { what: format!("{what}: {refusal}") };
    }
    LogError::Unavailable { what: what.to_owned(), source: Some(Box::new(error)) }
}

/// A statement that was given up: as if its connection had been lost.
pub(super) fn too_slow() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer in time"))
}

pub(super) fn corrupt(what: String) -> LogError {
    LogError::Corrupt { what }
}

/// A number of the database, which has no unsigned ones, as one of ours; `what` it is.
pub(super) fn number(value: i64, what: impl Display) -> Result<u64, LogError> {
    u64::try_from(value).map_err(|_| corrupt(format!("{what} is {value}")))
}

/// A name of the database, which holds bytes; `what` it names.
pub(super) fn name<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, LogError> {
    let wrong = |_| corrupt(format!("the name of {what} is not UTF-8: `{}`", bytes.escape_ascii()));
    std::str::from_utf8(bytes).map_err(wrong)
}

/// A number of ours as one of the database; what is above its range is above every place too.
pub(super) fn bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A failure with its causes in one line.
pub(super) fn with_causes(failure: &LogError) -> String {
    let mut text = if let LogError::Unavailable { what, .. } = failure { what.clone() } else { failure.to_string() };
    let mut source = std::error::Error::source(failure);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
