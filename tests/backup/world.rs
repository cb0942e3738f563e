//! A log with attachments, and directories for its backups.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui_infra::attachments::Attachments;
use bishui_infra::backup::manifest::Manifest;
use bishui_infra::backup::{
    ATTACHMENTS_DIR, BackupError, Loss, Reader, Restored, Until, Writer, Written, restore, write,
};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use bishui_tests::letters;
use tempfile::TempDir;

/// Parts are small, so that there are several.
pub(crate) const PART_BYTES: u64 = 12_000;

/// A log, its attachments, and a place for files.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) originals: Attachments,
}

impl World {
    /// An empty log in memory.
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryLog::new()))
    }

    /// A log that is there already.
    pub(crate) fn on(log: Arc<dyn EventLog>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let originals = Attachments::at(dir.path().join("originals"));
        Self { dir, log, originals }
    }

    /// A log in memory with the batches 1 to `last`.
    pub(crate) async fn with_batches(last: u64) -> Self {
        let world = Self::new();
        world.append(1, last).await;
        world
    }

    /// Appends the batches `first` to `last`.
    pub(crate) async fn append(&self, first: u64, last: u64) {
        letters::append(self.log.as_ref(), &self.originals, first..=last).await.unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Brings the backup of this name level.
    pub(crate) async fn back_up(&self, name: &str) -> Result<Written, BackupError> {
        write(self.log.as_ref(), self.writer(name)?).await
    }

    /// Goes on with the backup of this name.
    pub(crate) fn writer(&self, name: &str) -> Result<Writer, BackupError> {
        Writer::open(&self.path(name), self.originals.clone(), PART_BYTES)
    }

    /// Exports the log into a directory of this name.
    pub(crate) async fn export(&self, name: &str) -> Result<Written, BackupError> {
        write(self.log.as_ref(), Writer::create(&self.path(name), self.originals.clone(), PART_BYTES)?).await
    }

    /// All events.
    pub(crate) async fn events(&self) -> Vec<Recorded> {
        all(self.log.as_ref()).await
    }
}

/// All events of a log.
pub(crate) async fn all(log: &dyn EventLog) -> Vec<Recorded> {
    log.read_all(Position(0), usize::MAX).await.unwrap()
}

/// The manifest of a backup.
pub(crate) fn manifest(dir: &Path) -> Manifest {
    Manifest::read(dir).unwrap().unwrap()
}

/// The parts of a backup, one after the other.
pub(crate) fn content(dir: &Path) -> Vec<u8> {
    manifest(dir).parts.iter().flat_map(|part| std::fs::read(dir.join(&part.file)).unwrap()).collect()
}

/// The attachments in a backup, in order.
pub(crate) fn attachments(dir: &Path) -> Vec<PathBuf> {
    attachments_in(&dir.join(ATTACHMENTS_DIR))
}

/// The attachments in a directory of them, in order.
pub(crate) fn attachments_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in std::fs::read_dir(dir).unwrap() {
        let files = std::fs::read_dir(dir.unwrap().path()).unwrap();
        found.extend(files.map(|file| file.unwrap().path()));
    }
    found.sort();
    found
}

/// Restores a backup into a new log in memory.
pub(crate) async fn restored(dir: &Path, until: Until) -> Result<(MemoryLog, Restored), BackupError> {
    let log = MemoryLog::new();
    let copies = tempfile::tempdir().unwrap();
    let restored = restore(Reader::open(dir)?, until, Loss::Refused, &log, &Attachments::at(copies.path())).await?;
    Ok((log, restored))
}
