//! Failures of the database as failures of the log.

use sqlx::Error;

use crate::event_log::LogError;

/// Whether the connection cannot be used any more, so that a commit on it may have been made or not.
pub(super) fn is_lost(error: &Error) -> bool {
    if let Error::Database(refusal) = error {
        // Connection exceptions, a server that stops or starts, and a server that became a standby.
        return refusal.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "25006");
    }
    matches!(error, Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed)
}

/// A failure while `what` was done; nothing was recorded by it.
pub(super) fn failed(what: &str, error: Error) -> LogError {
    if let Error::Database(refusal) = &error
        && refusal.code().is_some_and(|code| code.starts_with("XX00"))
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

/// A number of the database, which are all kept from being negative, as one of ours.
pub(super) fn number(value: i64) -> Result<u64, LogError> {
    u64::try_from(value).map_err(|_| corrupt(format!("a place in the log is {value}")))
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
