//! The store: where it is, and opening it as what the office needs, whichever kind it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui_infra::durable;
use bishui_infra::event_log::postgres::{Address, PostgresLog};
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, LogError, Position};

use crate::config::STORE_DIR;
use crate::error::OfficeError;

mod unfinished;

pub use unfinished::Unfinished;

/// A kind of store and where it is. It is shown without a password.
#[derive(Debug, Clone)]
pub enum Place {
    /// Embedded, in a directory that one process has open at a time.
    Sled(PathBuf),
    /// In a database that several nodes share.
    Postgres(Address),
}

impl Place {
    /// Reads `sled:DIR` or `postgres://…`.
    ///
    /// # Errors
    /// `Input` with what is wrong; the text is not repeated, for it may hold a password.
    pub fn parse(text: &str) -> Result<Self, OfficeError> {
        let input = |what: String| OfficeError::Input { what };
        if Address::is_meant(text) {
            return Address::parse(text).map(Self::Postgres).map_err(|error| match error {
                LogError::Unavailable { what, .. } => input(what),
                LogError::Conflict { .. }
                | LogError::KeyReused { .. }
                | LogError::CheckpointMoved { .. }
                | LogError::Deposed { .. }
                | LogError::TooLarge { .. }
                | LogError::InUse { .. }
                | LogError::Corrupt { .. } => error.into(),
            });
        }
        match text.strip_prefix("sled:") {
            Some(directory) if !directory.is_empty() => Ok(Self::Sled(directory.into())),
            Some(_) | None => Err(input("a store is sled:DIR or postgres://user@host/database".to_owned())),
        }
    }

    /// The store of a data directory: `named` if there is one, else the embedded store in it.
    ///
    /// # Errors
    /// `Input` where the name cannot be read.
    pub fn of(data_dir: &Path, named: Option<&str>) -> Result<Self, OfficeError> {
        named.map_or_else(|| Ok(Self::Sled(data_dir.join(STORE_DIR))), Self::parse)
    }

    /// Makes the directory of an embedded store, or the tables in a database, which is there already.
    ///
    /// # Errors
    /// `Input` where the directory cannot be made, and what the database fails with.
    pub async fn make(&self) -> Result<(), OfficeError> {
        match self {
            Self::Sled(path) => durable::create_dir(path)
                .map_err(|error| OfficeError::Input { what: format!("{}: {error}", path.display()) }),
            Self::Postgres(address) => Ok(PostgresLog::make(address).await?),
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// `NotFound` where no embedded store was made, and what the store fails with, a database without a log too, or one
    /// with a log that is being restored or moved there.
    pub async fn open(&self) -> Result<Store, OfficeError> {
        match self {
            Self::Sled(path) if !path.is_dir() => {
                Err(OfficeError::NotFound { what: format!("a store in {} (`bishui init` makes one)", path.display()) })
            }
            Self::Sled(path) => {
                unfinished::check_is_finished(path)?;
                Ok(Store::Sled(open_sled(path).await?))
            }
            Self::Postgres(address) => Ok(Store::Postgres(PostgresLog::open(address).await?)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(path) => write!(f, "sled:{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// An open store; clones share it.
#[derive(Clone)]
pub enum Store {
    /// The embedded one.
    Sled(SledLog),
    /// The one in a database.
    Postgres(PostgresLog),
}

impl Store {
    /// Its log.
    pub fn log(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Sled(log) => Arc::new(log.clone()),
            Self::Postgres(log) => Arc::new(log.clone()),
        }
    }

    /// Reads the whole store and compares it with itself; gives the head up to which it did.
    ///
    /// # Errors
    /// `Corrupt` with the first difference.
    pub async fn verify(&self) -> Result<Position, LogError> {
        match self {
            Self::Sled(log) => {
                let log = log.clone();
                tokio::task::spawn_blocking(move || log.verify()).await.map_err(stopped)?
            }
            Self::Postgres(log) => log.verify().await,
        }
    }
}

/// Opens an embedded store off the async threads.
async fn open_sled(path: &Path) -> Result<SledLog, LogError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || SledLog::open(path)).await.map_err(stopped)?
}

fn stopped(error: tokio::task::JoinError) -> LogError {
    LogError::Unavailable { what: "working on the store".into(), source: Some(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_shown_without_its_password() {
        let shown = |text: &str| Place::parse(text).map(|place| place.to_string());
        assert_eq!(shown("sled:/var/lib/bishui").unwrap(), "sled:/var/lib/bishui");
        assert_eq!(shown("postgres://bishui:geheim@db1,db2/office").unwrap(), "postgres://bishui@db1,db2/office");
        for wrong in ["", "sled:", "redis://geheim@h", "postgres://bishui:geheim@h:port/office"] {
            let error = shown(wrong).unwrap_err();
            assert!(!error.to_string().contains("geheim"), "{error}");
            assert_eq!(error.code(), "invalid_input");
        }
    }
}
