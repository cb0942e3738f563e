//! A store that a log is being moved into: while it is marked, nobody opens it.
//!
//! Half a log looks whole: whoever opened it would go on from there, and send once more what the whole log says was sent.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui_infra::event_log::postgres;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, LogError, Position};

use super::{Place, open_sled};
use crate::error::OfficeError;

/// The file by which an embedded store is marked.
const MARK_FILE: &str = "unfinished";

/// A store that is being filled. Dropped before it is finished, it stays marked if it was.
pub enum Unfinished {
    /// The embedded one, in its directory.
    Sled(SledLog, PathBuf),
    /// The one in a database.
    Postgres(Box<postgres::Unfinished>),
}

impl Unfinished {
    /// The store at `place` with what is in it; made where there is none.
    ///
    /// # Errors
    /// What the store fails with, and another restore or move into it.
    pub async fn to_move(place: &Place) -> Result<Self, OfficeError> {
        match place {
            Place::Sled(path) => {
                place.make().await?;
                Ok(Self::Sled(open_sled(path).await?, path.clone()))
            }
            Place::Postgres(address) => Ok(Self::Postgres(Box::new(postgres::Unfinished::to_move(address).await?))),
        }
    }

    /// Its log.
    pub fn log(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Sled(log, _) => Arc::new(log.clone()),
            Self::Postgres(target) => Arc::new(target.log().clone()),
        }
    }

    /// Whether it is marked.
    pub fn is_marked(&self) -> bool {
        match self {
            Self::Sled(_, path) => path.join(MARK_FILE).exists(),
            Self::Postgres(target) => target.is_marked(),
        }
    }

    /// Marks it durably; it must still end at `head`, and an embedded one does, for it is locked.
    ///
    /// # Errors
    /// What the store fails with, and that it is in use.
    pub async fn mark(&mut self, head: Position) -> Result<(), OfficeError> {
        match self {
            Self::Sled(_, path) => Ok(at_mark(path, |mark| File::create(mark)?.sync_all())?),
            Self::Postgres(target) => Ok(target.mark(head).await?),
        }
    }

    /// Takes the mark away once the log ends at `head`, as it has to.
    ///
    /// # Errors
    /// What the store fails with.
    pub async fn finish(self, head: Position) -> Result<(), OfficeError> {
        match self {
            Self::Sled(_, path) => Ok(at_mark(&path, |mark| std::fs::remove_file(mark))?),
            Self::Postgres(target) => Ok(target.finish(head).await?),
        }
    }
}

/// Refuses the embedded store at `path` while it is marked.
pub(super) fn check_is_finished(path: &Path) -> Result<(), LogError> {
    if !path.join(MARK_FILE).exists() {
        return Ok(());
    }
    let what = format!("a move into {} is under way, or was cut short: then run it again", path.display());
    Err(LogError::Unavailable { what, source: None })
}

/// Makes or removes the mark of the store at `path`, durably.
fn at_mark(path: &Path, change: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), LogError> {
    let mark = path.join(MARK_FILE);
    let changed = change(&mark).and_then(|()| File::open(path)?.sync_all());
    changed.map_err(|error| LogError::Unavailable { what: mark.display().to_string(), source: Some(Box::new(error)) })
}
