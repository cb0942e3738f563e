//! Reading a backup: batch by batch, every line, size and hash compared on the way, with one batch in memory.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use bishui_domain::sha256::Sha256;
use sha2::Digest as _;

use super::line::{LINE_BYTES_MAX, Line};
use super::manifest::{Manifest, Part};
use super::proof::{Claims, Proof};
use super::{BackupError, failed};
use crate::event_log::{Position, Recorded};
use crate::transparency::tree::Frontier;

/// A backup that is read from its beginning.
pub struct Reader {
    dir: PathBuf,
    manifest: Manifest,
    next_part: usize,
    part: Option<PartReader>,
    frontier: Frontier,
    claims: Claims,
    /// The event that was read last, when it begins the next batch.
    ahead: Option<Recorded>,
}

struct PartReader {
    listed: Part,
    path: PathBuf,
    file: BufReader<File>,
    lines: u64,
    bytes: u64,
    hash: sha2::Sha256,
}

impl Reader {
    /// The backup in `dir`, with a manifest that is sound.
    ///
    /// # Errors
    /// There is none, or its manifest or its checkpoints cannot be used.
    pub fn open(dir: &Path) -> Result<Self, BackupError> {
        let manifest = Manifest::read(dir)?.ok_or_else(|| BackupError::NoBackup { dir: dir.to_owned() })?;
        let (part, frontier, claims) = (None, Frontier::default(), Claims::default());
        let mut reader = Self { dir: dir.to_owned(), manifest, next_part: 0, part, frontier, claims, ahead: None };
        for (path, proof) in Proof::all(dir)? {
            reader.expect(&path, &proof)?;
        }
        Ok(reader)
    }

    /// Compares what is read with the checkpoints in `path` too; before anything is read.
    ///
    /// # Errors
    /// A checkpoint of no events that is not one.
    pub fn expect(&mut self, path: &Path, proof: &Proof) -> Result<(), BackupError> {
        self.claims.add(path, proof);
        self.claims.compare(&self.frontier)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What belongs to the backup.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next batch, whole; none behind the last.
    ///
    /// # Errors
    /// `Damaged` with the part and the line, a checkpoint that says otherwise, or a file that cannot be read.
    pub fn next_batch(&mut self) -> Result<Option<Vec<Recorded>>, BackupError> {
        let ahead = self.ahead.take();
        let first = if ahead.is_some() { ahead } else { self.next_event()? };
        let Some(first) = first else {
            self.claims.check_end(self.frontier.size())?;
            return Ok(None);
        };
        let mut batch = vec![first];
        // A part holds whole batches, so its end is that of a batch, and what follows it need not be readable.
        while let Some(event) = self.next_in_part(batch.last())? {
            if event.place == 0 {
                self.ahead = Some(event);
                break;
            }
            batch.push(event);
        }
        Ok(Some(batch))
    }

    /// Reads to the end of the part that holds `position`, where that is the part it stands in: its sums are over all
    /// of it. Nothing is read after that.
    ///
    /// # Errors
    /// As [`Reader::next_batch`].
    pub fn finish_part(&mut self, position: Position) -> Result<(), BackupError> {
        let is_in_it = self.part.as_ref().is_some_and(|part| part.listed.first <= position.0);
        let mut before = self.ahead.take();
        while is_in_it && let Some(event) = self.next_in_part(before.as_ref())? {
            before = Some(event);
        }
        Ok(())
    }

    /// The next event, which begins a batch.
    fn next_event(&mut self) -> Result<Option<Recorded>, BackupError> {
        loop {
            if let Some(event) = self.next_in_part(None)? {
                return Ok(Some(event));
            }
            let Some(listed) = self.manifest.parts.get(self.next_part) else { return Ok(None) };
            self.part = Some(PartReader::open(&self.dir, listed.clone())?);
            self.next_part += 1;
        }
    }

    /// The next event of the part it stands in, which goes on with the batch of `before` or begins one; none at its end,
    /// which is compared, or where it stands in none.
    fn next_in_part(&mut self, before: Option<&Recorded>) -> Result<Option<Recorded>, BackupError> {
        let Some(part) = &mut self.part else { return Ok(None) };
        let Some(line) = part.next_line()? else {
            part.check_end(Sha256(self.frontier.root()))?;
            self.part = None;
            return Ok(None);
        };
        part.check_place(&line.event, self.frontier.size() + 1, before)?;
        self.frontier.push(line.leaf.0);
        self.claims.compare(&self.frontier)?;
        Ok(Some(line.event))
    }
}

impl PartReader {
    fn open(dir: &Path, listed: Part) -> Result<Self, BackupError> {
        let path = dir.join(&listed.file);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = "the file is missing".to_owned();
                return Err(BackupError::Damaged { path, line: None, what });
            }
            opened => BufReader::new(opened.map_err(failed(&path))?),
        };
        Ok(Self { listed, path, file, lines: 0, bytes: 0, hash: sha2::Sha256::new() })
    }

    /// The next line, found right; none at the end of the file.
    fn next_line(&mut self) -> Result<Option<Line>, BackupError> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        read.map_err(failed(&self.path))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.lines += 1;
        self.bytes += bytes.len() as u64;
        self.hash.update(&bytes);
        Line::parse(&bytes).map(Some).map_err(|what| self.damaged_line(what))
    }

    /// Sees that an event stands at the position it has to, and goes on with the batch of `before` or begins one.
    fn check_place(&self, event: &Recorded, expected: u64, before: Option<&Recorded>) -> Result<(), BackupError> {
        if event.position.0 != expected {
            return Err(self.damaged_line(format!("position {} stands where {expected} belongs", event.position)));
        }
        let goes_on = before.is_some_and(|before| before.batch == event.batch && before.place + 1 == event.place);
        if event.place != 0 && (!goes_on || self.lines == 1) {
            return Err(self.damaged_line("a batch does not begin with its first event".to_owned()));
        }
        Ok(())
    }

    /// Compares the whole part with the manifest.
    fn check_end(&self, root: Sha256) -> Result<(), BackupError> {
        let listed = &self.listed;
        if self.lines != listed.events {
            return Err(self.damaged(Some(self.lines), format!("it ends here; {} lines belong to it", listed.events)));
        }
        let sha256 = Sha256(self.hash.clone().finalize().into());
        if self.bytes != listed.bytes || sha256 != listed.sha256 {
            return Err(self.damaged(None, "its SHA-256 is not the one in the manifest".to_owned()));
        }
        if root != listed.root {
            return Err(self.damaged(None, "its events do not give the root in the manifest".to_owned()));
        }
        Ok(())
    }

    fn damaged_line(&self, what: String) -> BackupError {
        self.damaged(Some(self.lines), what)
    }

    fn damaged(&self, line: Option<u64>, what: String) -> BackupError {
        BackupError::Damaged { path: self.path.clone(), line, what }
    }
}
