//! A part while it is written: a file without a name yet, its hash, and the attachments that its events name.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use bishui_domain::sha256::Sha256;
use sha2::Digest as _;
use tempfile::NamedTempFile;

use super::line::Line;
use super::manifest::{Part, file_of};
use super::{BackupError, EVENTS_DIR, failed};
use crate::event_log::{EventRef, Position};
use crate::{codec, durable};

/// A part that is being written; dropped before it is closed, it leaves nothing.
pub(super) struct OpenPart {
    file: BufWriter<NamedTempFile>,
    first: u64,
    events: u64,
    bytes: u64,
    hash: sha2::Sha256,
    attachments: BTreeMap<Sha256, (Position, String)>,
}

impl OpenPart {
    /// A part of the backup in `dir` that begins with position `first`.
    pub(super) fn begin(dir: &Path, first: u64) -> Result<Self, BackupError> {
        let events_dir = dir.join(EVENTS_DIR);
        let file = NamedTempFile::new_in(&events_dir).map_err(failed(&events_dir))?;
        let (hash, attachments) = (sha2::Sha256::new(), BTreeMap::new());
        Ok(Self { file: BufWriter::new(file), first, events: 0, bytes: 0, hash, attachments })
    }

    /// Size so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Attachments that its events name, each with the first that does and its name there.
    pub(super) fn take_attachments(&mut self) -> BTreeMap<Sha256, (Position, String)> {
        std::mem::take(&mut self.attachments)
    }

    /// Adds an event.
    pub(super) fn add(&mut self, line: &Line) -> Result<(), BackupError> {
        for named in codec::attachments(&EventRef::from(&line.event))? {
            self.attachments.entry(named.sha256).or_insert((line.event.position, named.name));
        }
        let bytes = line.to_bytes();
        self.file.write_all(&bytes).map_err(failed(self.file.get_ref().path()))?;
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        self.events += 1;
        Ok(())
    }

    /// Gives the file its name, durably; `root` is that of the tree up to its end.
    pub(super) fn close(self, dir: &Path, root: Sha256) -> Result<Part, BackupError> {
        let Self { file, first, events, bytes, hash, .. } = self;
        let name = file_of(first);
        let path = dir.join(&name);
        let file = file.into_inner().map_err(|error| failed(&path)(error.into_error()))?;
        durable::keep(file, &path).map_err(failed(&path))?;
        let sha256 = Sha256(hash.finalize().into());
        Ok(Part { file: name, first, last: first + events - 1, events, bytes, sha256, root })
    }
}
