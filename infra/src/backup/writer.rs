//! Writing a backup: what it has is compared with the log, what the log has more is added in parts.

use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bishui_domain::sha256::Sha256;

use super::line::Line;
use super::manifest::{Manifest, file_of};
use super::part::OpenPart;
use super::{ATTACHMENTS_DIR, BackupError, EVENTS_DIR, failed};
use crate::attachments::Attachments;
use crate::durable;
use crate::event_log::{EventLog, EventRef, LogError, Position};
use crate::transparency::tree::Frontier;

/// The file by which a second writer is kept away.
const LOCK_FILE: &str = "lock";

/// A backup that is being written. Every part is durable and in the manifest before the next begins.
pub struct Writer {
    dir: PathBuf,
    _lock: File,
    part_bytes: u64,
    copies: Attachments,
    originals: Attachments,
    manifest: Manifest,
    frontier: Frontier,
    last_leaf: Option<Sha256>,
    /// Whether the log was seen to have the last event of the backup.
    is_same_log: bool,
    part: Option<OpenPart>,
    written: Written,
}

/// What a backup has come to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Events in the backup.
    pub events: u64,
    /// Events added to it.
    pub events_added: u64,
    /// Parts added to it.
    pub parts_added: u64,
    /// Attachments copied, or found to be there.
    pub attachments: u64,
    /// Root of the tree over all its events.
    pub root: Sha256,
}

impl Writer {
    /// Goes on with the backup in `dir`, or begins one; parts end with the first batch that brings them to
    /// `part_bytes`. Attachments are copied from `originals`.
    ///
    /// # Errors
    /// The directory holds something else, a damaged backup, or is being written into.
    pub fn open(dir: &Path, originals: Attachments, part_bytes: u64) -> Result<Self, BackupError> {
        let known = Manifest::read(dir)?;
        if known.is_none() {
            check_is_free(dir)?;
        }
        let events_dir = dir.join(EVENTS_DIR);
        durable::create_dir(&events_dir).map_err(failed(&events_dir))?;
        let lock = lock(dir)?;
        // Read again under the lock: the manifest may have been replaced before.
        let manifest = Manifest::read(dir)?.unwrap_or_else(Manifest::empty);
        clear(dir, &manifest)?;
        let (frontier, root) = (manifest.frontier(), manifest.root);
        let written = Written { events: manifest.events, events_added: 0, parts_added: 0, attachments: 0, root };
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
            part_bytes,
            copies: Attachments::at(dir.join(ATTACHMENTS_DIR)),
            originals,
            is_same_log: manifest.events == 0,
            last_leaf: manifest.last_leaf,
            frontier,
            manifest,
            part: None,
            written,
        })
    }

    /// As [`Writer::open`], for a directory that has no backup yet.
    ///
    /// # Errors
    /// As there, and `Exists`.
    pub fn create(dir: &Path, originals: Attachments, part_bytes: u64) -> Result<Self, BackupError> {
        if Manifest::read(dir)?.is_some() {
            return Err(BackupError::Exists { dir: dir.to_owned() });
        }
        Self::open(dir, originals, part_bytes)
    }

    /// The position after which events are to be given: the backup's last event comes first, to be compared.
    pub fn reads_after(&self) -> Position {
        Position(self.manifest.events.saturating_sub(1))
    }

    /// Takes the next event of the log.
    ///
    /// # Errors
    /// The log is another one, its events do not follow each other, or a file cannot be written.
    pub fn take(&mut self, event: &EventRef<'_>) -> Result<(), BackupError> {
        let line = Line::of(event.to_recorded());
        if !self.is_same_log {
            self.is_same_log = event.position.0 == self.manifest.events && Some(line.leaf) == self.last_leaf;
            return if self.is_same_log { Ok(()) } else { Err(self.other_log()) };
        }
        if event.position.0 != self.frontier.size() + 1 {
            let what = format!("position {} follows {}", event.position, self.frontier.size());
            return Err(LogError::Corrupt { what }.into());
        }
        if event.place == 0 && self.part.as_ref().is_some_and(|part| part.bytes() >= self.part_bytes) {
            self.close_part()?;
        }
        let mut part = match self.part.take() {
            Some(part) => part,
            None => OpenPart::begin(&self.dir, event.position.0)?,
        };
        part.add(&line)?;
        self.part = Some(part);
        self.frontier.push(line.leaf.0);
        self.last_leaf = Some(line.leaf);
        Ok(())
    }

    /// Ends the backup behind the last event given, which must be the last of its batch.
    ///
    /// # Errors
    /// The log does not have the last event of the backup, or a file cannot be written.
    pub fn finish(mut self) -> Result<Written, BackupError> {
        if !self.is_same_log {
            return Err(self.other_log());
        }
        self.close_part()?;
        if self.manifest.events == 0 {
            self.manifest.write(&self.dir)?;
        }
        Ok(self.written)
    }

    /// Copies the part's attachments, then names the part, then lists it: nothing is listed before it is there.
    fn close_part(&mut self) -> Result<(), BackupError> {
        let Some(part) = self.part.take() else { return Ok(()) };
        for sha256 in part.attachments() {
            self.copies.copy_from(&self.originals, *sha256)?;
            self.written.attachments += 1;
        }
        let part = part.close(&self.dir, Sha256(self.frontier.root()))?;
        self.written.events_added += part.events;
        self.written.parts_added += 1;
        self.manifest.events = part.last;
        self.manifest.root = part.root;
        self.manifest.parts.push(part);
        self.manifest.peaks = self.frontier.peaks().iter().copied().map(Sha256).collect();
        self.manifest.last_leaf = self.last_leaf;
        self.manifest.write(&self.dir)?;
        (self.written.events, self.written.root) = (self.manifest.events, self.manifest.root);
        Ok(())
    }

    fn other_log(&self) -> BackupError {
        BackupError::OtherLog { dir: self.dir.clone(), position: Position(self.manifest.events) }
    }
}

/// Writes what `log` holds at this moment; others may append meanwhile.
///
/// # Errors
/// As [`Writer::take`] and [`Writer::finish`], and the failures of reading the log.
pub async fn write(log: &dyn EventLog, mut writer: Writer) -> Result<Written, BackupError> {
    // The head is always the end of a batch.
    let head = log.head().await?;
    let mut outcome = Ok(());
    log.replay(writer.reads_after(), head, &mut |event| {
        outcome = writer.take(&event);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await?;
    outcome?;
    writer.finish()
}

/// Refuses a directory without a backup that is used for something else. What a backup that was cut short before its
/// first part left is no obstacle.
fn check_is_free(dir: &Path) -> Result<(), BackupError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed(dir))?.file_name();
        let name = name.to_string_lossy();
        if ![LOCK_FILE, EVENTS_DIR, ATTACHMENTS_DIR].contains(&&*name) && !is_temporary(&name) {
            return Err(BackupError::Occupied { dir: dir.to_owned() });
        }
    }
    Ok(())
}

/// Whether a name is one of the files that are given their own name when they are whole.
fn is_temporary(name: &str) -> bool {
    name.starts_with(".tmp")
}

/// Whether a name is that of a part.
fn is_part(name: &str) -> bool {
    name.strip_suffix(".ndjson")
        .and_then(|first| first.parse().ok())
        .is_some_and(|first| file_of(first).ends_with(name))
}

fn lock(dir: &Path) -> Result<File, BackupError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

/// Removes what a backup that was cut short has left: parts that no manifest lists, files without a name. Sees that the
/// listed parts are there in their size; what they hold is compared by a verification.
fn clear(dir: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    for part in &manifest.parts {
        let path = dir.join(&part.file);
        let bytes = std::fs::metadata(&path).map_err(failed(&path))?.len();
        if bytes != part.bytes {
            let what = format!("it has {bytes} bytes, the manifest says {}", part.bytes);
            return Err(BackupError::Damaged { path, line: None, what });
        }
    }
    let listed = |path: &Path| manifest.parts.iter().any(|part| dir.join(&part.file) == path);
    let events_dir = dir.join(EVENTS_DIR);
    for entry in std::fs::read_dir(&events_dir).map_err(failed(&events_dir))? {
        let path = entry.map_err(failed(&events_dir))?.path();
        if listed(&path) {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !is_temporary(&name) && !is_part(&name) {
            return Err(BackupError::Occupied { dir: events_dir });
        }
        std::fs::remove_file(&path).map_err(failed(&path))?;
    }
    for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_temporary(&name) {
            std::fs::remove_file(&path).map_err(failed(&path))?;
        }
    }
    Ok(())
}
