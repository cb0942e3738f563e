//! The public half of a log's proof, beside its events: the key that checks, and the checkpoints that it has signed.
//!
//! It is no part of what the manifest sums up, for every checkpoint bears its own signature. The signing key never comes
//! here: whoever has the backup could sign another history with it. A log that went on under another key has a file for
//! each.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::directory::{entries, is_temporary};
use super::{BackupError, CHECKPOINTS_DIR, failed};
use crate::durable;
use crate::transparency::ProofError;
use crate::transparency::checkpoint::{Checkpoint, CheckpointFile, TreeHead};
use crate::transparency::key::{SigningKey, VerifierKey};
use crate::transparency::tree::Frontier;

/// Name of the list of checkpoints in the directory of a log's proof.
const LIST_FILE: &str = "checkpoints";
/// Name of the signing key there.
const KEY_FILE: &str = "key";
/// Lines of a checkpoint.
const CHECKPOINT_LINES: usize = 5;

/// A key that checks, and the checkpoints that it has signed, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key.
    pub key: VerifierKey,
    checkpoints: Vec<Checkpoint>,
}

impl Proof {
    /// That of the proof in directory `dir`, signed by the key in file `key` or in the directory; none where nothing was
    /// signed yet. It is read before the events that are to be compared with it: those that are signed are recorded.
    ///
    /// # Errors
    /// Key or list cannot be read, or the list is not signed by the key.
    pub fn of(dir: &Path, key: Option<&Path>) -> Result<Option<Self>, ProofError> {
        let own = dir.join(KEY_FILE);
        let key = key.unwrap_or(&own);
        let list = list(dir);
        if !key.exists() && !list.exists() {
            return Ok(None);
        }
        let key = SigningKey::read(key)?.verifier();
        let (_, checkpoints) = CheckpointFile::read(&list, &key)?;
        Ok(Some(Self { key, checkpoints }))
    }

    /// That of the signing key in file `key`, whose list is yet to come.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn of_key(key: &Path) -> Result<Self, ProofError> {
        Ok(Self { key: SigningKey::read(key)?.verifier(), checkpoints: vec![] })
    }

    /// Every one in a backup with its file, those of most events first.
    ///
    /// # Errors
    /// A file cannot be read, or is not what was written.
    pub fn all(backup: &Path) -> Result<Vec<(PathBuf, Self)>, BackupError> {
        let dir = backup.join(CHECKPOINTS_DIR);
        let mut found = Vec::new();
        for path in entries(&dir)?.into_iter().filter(|path| !is_temporary(path)) {
            let bytes = fs::read(&path).map_err(failed(&path))?;
            let proof =
                std::str::from_utf8(&bytes).ok().and_then(Self::parse).filter(|proof| path == proof.path(backup));
            let what = "it is not a key with checkpoints signed by it".to_owned();
            found.push((path.clone(), proof.ok_or(BackupError::Damaged { path, line: None, what })?));
        }
        found.sort_by_key(|(_, proof)| std::cmp::Reverse(proof.covers()));
        Ok(found)
    }

    /// Events of the largest checkpoint.
    pub fn covers(&self) -> u64 {
        self.heads().map(|head| head.size).max().unwrap_or_default()
    }

    /// That of the proof in directory `dir`, whose signing key is not there, by this key.
    ///
    /// # Errors
    /// The list cannot be read, or another key has signed it.
    pub fn by_this_key(&self, dir: &Path) -> Result<Self, ProofError> {
        let (_, checkpoints) = CheckpointFile::read(&list(dir), &self.key)?;
        Ok(Self { key: self.key.clone(), checkpoints })
    }

    /// Puts the list into the directory `dir` of a log's proof, which has none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, dir: &Path) -> Result<(), BackupError> {
        let path = list(dir);
        let written = durable::create_dir(dir).and_then(|()| durable::write(&path, self.notes().as_bytes()));
        written.map_err(failed(&path))
    }

    /// Brings the file of this key in a backup level with the list.
    pub(super) fn keep(&self, backup: &Path) -> Result<(), BackupError> {
        let path = self.path(backup);
        let known = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => vec![],
            known => known.map_err(failed(&path))?,
        };
        let text = format!("{}\n{}", self.key, self.notes());
        if !text.as_bytes().starts_with(&known) {
            return Err(BackupError::OtherCheckpoints { path });
        }
        if known.len() == text.len() {
            return Ok(());
        }
        let dir = backup.join(CHECKPOINTS_DIR);
        durable::create_dir(&dir).and_then(|()| durable::write(&path, text.as_bytes())).map_err(failed(&path))
    }

    fn parse(text: &str) -> Option<Self> {
        let (key, notes) = text.split_once('\n')?;
        let key = VerifierKey::parse(key)?;
        let lines: Vec<&str> = notes.split_inclusive('\n').collect();
        let checkpoints = lines.chunks(CHECKPOINT_LINES).map(|note| Checkpoint::open(&note.concat(), &key));
        Some(Self { checkpoints: checkpoints.collect::<Option<_>>()?, key })
    }

    /// The list as it stands beside the log.
    fn notes(&self) -> String {
        self.checkpoints.iter().map(|checkpoint| checkpoint.note.as_str()).collect()
    }

    fn heads(&self) -> impl Iterator<Item = TreeHead> {
        self.checkpoints.iter().map(|checkpoint| checkpoint.head)
    }

    /// Its file in a backup: named by the hash by which its key is known, for the name of a key may hold anything.
    fn path(&self, backup: &Path) -> PathBuf {
        let key = self.key.to_string();
        let hash = key.split('+').nth(1).expect("a key is written as name, hash and bytes");
        backup.join(CHECKPOINTS_DIR).join(hash)
    }
}

/// The list of checkpoints in the directory of a log's proof.
pub fn list(dir: &Path) -> PathBuf {
    dir.join(LIST_FILE)
}

/// What checkpoints say of events that are being read.
#[derive(Default)]
pub(super) struct Claims {
    /// Those that were not reached yet, of most events first.
    ahead: Vec<(TreeHead, PathBuf)>,
}

impl Claims {
    /// Adds the checkpoints of `path`.
    pub(super) fn add(&mut self, path: &Path, proof: &Proof) {
        self.ahead.extend(proof.heads().map(|head| (head, path.to_owned())));
        self.ahead.sort_by_key(|(head, _)| std::cmp::Reverse(head.size));
    }

    /// Compares those of as many events as were read.
    pub(super) fn compare(&mut self, read: &Frontier) -> Result<(), BackupError> {
        while let Some((head, path)) = self.ahead.pop_if(|(head, _)| head.size == read.size()) {
            if head.root != read.root() {
                return Err(BackupError::Refuted { path, size: head.size });
            }
        }
        Ok(())
    }

    /// Refuses an end before that of a checkpoint.
    pub(super) fn check_end(&self, events: u64) -> Result<(), BackupError> {
        match self.ahead.first() {
            Some((head, path)) => Err(BackupError::Beyond { path: path.clone(), covered: head.size, events }),
            None => Ok(()),
        }
    }
}
