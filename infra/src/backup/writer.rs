//! Writing a backup: what it has is compared with the log, what the log has more is added in parts.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bishui_domain::sha256::Sha256;

use super::directory;
use super::line::Line;
use super::lost::{Lost, fault};
use super::manifest::Manifest;
use super::part::OpenPart;
use super::proof::Proof;
use super::{ATTACHMENTS_DIR, BackupError};
use crate::attachments::{AttachmentError, Attachments};
use crate::event_log::{EventLog, EventRef, LogError, Position};
use crate::transparency::tree::Frontier;

/// A backup that is being written. Every part is durable and in the manifest before the next begins.
pub struct Writer {
    dir: PathBuf,
    _lock: File,
    part_bytes: u64,
    copies: Attachments,
    originals: Attachments,
    proof: Option<Proof>,
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
    /// Attachments that it lacks, for the originals are lost.
    pub lost: Vec<Lost>,
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
        let (lock, manifest) = directory::take(dir)?;
        let (frontier, root, lost) = (manifest.frontier(), manifest.root, vec![]);
        let written = Written { events: manifest.events, events_added: 0, parts_added: 0, attachments: 0, lost, root };
        let mut writer = Self {
            dir: dir.to_owned(),
            _lock: lock,
            part_bytes,
            copies: Attachments::at(dir.join(ATTACHMENTS_DIR)),
            originals,
            proof: None,
            is_same_log: manifest.events == 0,
            last_leaf: manifest.last_leaf,
            frontier,
            manifest,
            part: None,
            written,
        };
        writer.try_missing_again()?;
        Ok(writer)
    }

    /// As [`Writer::open`], for a directory that has no event yet.
    ///
    /// # Errors
    /// As there, and `Exists`.
    pub fn create(dir: &Path, originals: Attachments, part_bytes: u64) -> Result<Self, BackupError> {
        if Manifest::read(dir)?.is_some_and(|manifest| manifest.events > 0) {
            return Err(BackupError::Exists { dir: dir.to_owned() });
        }
        Self::open(dir, originals, part_bytes)
    }

    /// Keeps the checkpoints of the log too, once all its events are kept.
    pub fn keep_proof(&mut self, proof: Proof) {
        self.proof = Some(proof);
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

    /// Ends the backup at the `head` of the log, which must be the event that was given last.
    ///
    /// # Errors
    /// The log does not have the last event of the backup or gave fewer events than it has, or a file cannot be written;
    /// the log's checkpoints are not those of the backup, whose events are written all the same.
    pub fn finish(mut self, head: Position) -> Result<Written, BackupError> {
        if !self.is_same_log {
            return Err(self.other_log());
        }
        let reached = self.frontier.size();
        if reached != head.0 {
            let what = format!("its head is {head}, and its events end with position {reached}");
            return Err(LogError::Corrupt { what }.into());
        }
        self.close_part()?;
        if let Some(proof) = &self.proof {
            proof.keep(&self.dir)?;
        }
        self.written.lost = self.manifest.missing;
        Ok(self.written)
    }

    /// Copies what earlier backups could not copy.
    fn try_missing_again(&mut self) -> Result<(), BackupError> {
        let missing = std::mem::take(&mut self.manifest.missing);
        let before = missing.len();
        for lost in missing {
            self.copy(lost.event, lost.name, lost.sha256)?;
        }
        if self.manifest.missing.len() < before { self.manifest.write(&self.dir) } else { Ok(()) }
    }

    /// Copies an attachment that an event names, or lists it as missing where its original is lost.
    fn copy(&mut self, event: Position, name: String, sha256: Sha256) -> Result<(), BackupError> {
        let error = match self.copies.copy_from(&self.originals, sha256) {
            Ok(()) => {
                self.written.attachments += 1;
                return Ok(());
            }
            Err(error) => error,
        };
        let is_of_the_original = match &error {
            AttachmentError::Missing { .. } | AttachmentError::Altered { .. } => true,
            AttachmentError::File { path, .. } => *path == self.originals.path(sha256),
            AttachmentError::OtherSize { .. } | AttachmentError::Size => false,
        };
        if !is_of_the_original {
            return Err(error.into());
        }
        self.manifest.missing.push(Lost { event, name, sha256, fault: fault(&error) });
        Ok(())
    }

    /// Copies the part's attachments, then names the part, then lists it: nothing is listed before it is there.
    fn close_part(&mut self) -> Result<(), BackupError> {
        let Some(mut part) = self.part.take() else { return Ok(()) };
        for (sha256, (event, name)) in part.take_attachments() {
            self.copy(event, name, sha256)?;
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
    writer.finish(head)
}
