//! The notary: keeps the hashes level with the log and signs checkpoints, each a continuation of the one before.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::checkpoint::{Checkpoint, CheckpointFile, TreeHead};
use super::key::{SigningKey, VerifierKey};
use super::proof;
use super::tiles::Tiles;
use super::{ProofError, file_error};
use crate::event_log::leaf::{Hash, leaf_hash};
use crate::event_log::{EventLog, Position, Recorded};

/// Leaves hashed between two writes of hashes.
const CHUNK: u64 = 1 << 16;
/// The key's name in the directory of the proof.
const KEY_FILE: &str = "key";

/// What signs checkpoints of one log. There is one at a time on a directory: the holder of the store's.
#[derive(Debug)]
pub struct Notary {
    key: SigningKey,
    tiles: Tiles,
    file: CheckpointFile,
    checkpoints: Vec<Checkpoint>,
}

/// An event with the proof that it is in the log of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// The event.
    pub event: Recorded,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Hashes from the leaf up (RFC 6962, 2.1.1); the leaf's index is the position less 1.
    pub proof: Vec<Hash>,
}

impl Notary {
    /// Opens the proof in directory `dir`, with the key in file `key` or one of its own, which is drawn when the
    /// directory is new.
    ///
    /// # Errors
    /// A file cannot be used; the key is missing though checkpoints were signed; a checkpoint of the file is not by it.
    pub fn open(dir: &Path, key: Option<&Path>) -> Result<Self, ProofError> {
        fs::create_dir_all(dir).map_err(file_error(dir))?;
        let list = dir.join("checkpoints");
        let key = match key {
            Some(path) => SigningKey::read(path)?,
            None => own_key(&dir.join(KEY_FILE), &list)?,
        };
        let (file, checkpoints) = CheckpointFile::read(&list, &key.verifier())?;
        let mut tiles = Tiles::open(dir)?;
        // Hashes reach the disk before a checkpoint over them is signed; those after it may be what a crash left.
        let signed = checkpoints.last().map_or(0, |checkpoint| checkpoint.head.size);
        tiles.cut(tiles.size().min(signed))?;
        Ok(Self { key, tiles, file, checkpoints })
    }

    /// The key that checks this one's checkpoints.
    pub fn verifier(&self) -> VerifierKey {
        self.key.verifier()
    }

    /// The key that signs.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The hashes.
    pub fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    /// Every checkpoint that was signed, oldest first.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// Signs a checkpoint of all events that `log` has; the last one when none was added since.
    ///
    /// # Errors
    /// `Truncated` or `Fork` when the log does not continue the one of the last checkpoint: nothing is signed then.
    pub async fn checkpoint(&mut self, log: &dyn EventLog) -> Result<Checkpoint, ProofError> {
        let head = self.catch_up(log).await?;
        if let Some(last) = self.checkpoints.last().filter(|last| last.head == head) {
            return Ok(last.clone());
        }
        let checkpoint = Checkpoint::sign(head, &self.key);
        let mut all = self.checkpoints.clone();
        all.push(checkpoint.clone());
        self.file.replace(&all)?;
        self.checkpoints = all;
        Ok(checkpoint)
    }

    /// The event at `position` with a checkpoint and its proof; none when the log has no such position.
    ///
    /// # Errors
    /// Those of [`Notary::checkpoint`]; `Fork` when the event is not the one that was hashed.
    pub async fn prove(&mut self, log: &dyn EventLog, position: Position) -> Result<Option<Included>, ProofError> {
        let checkpoint = self.checkpoint(log).await?;
        let TreeHead { size, root } = checkpoint.head;
        let Some(leaf) = position.0.checked_sub(1).filter(|leaf| *leaf < size) else { return Ok(None) };
        let Some(event) = log.read_all(Position(leaf), 1).await?.pop() else { return Ok(None) };
        let proof = proof::inclusion(leaf, size, |subtree| self.tiles.hash(subtree))?;
        if proof::included(leaf, leaf_hash(&(&event).into()), size, &proof) != Some(root) {
            return Err(ProofError::Fork { size });
        }
        Ok(Some(Included { event, checkpoint, proof }))
    }

    /// A checkpoint with the proof that it continues an older one (RFC 6962, 2.1.2).
    ///
    /// # Errors
    /// Those of [`Notary::checkpoint`]; `Truncated` or `Fork` when the older one is of another log.
    pub async fn continuation(
        &mut self,
        log: &dyn EventLog,
        old: TreeHead,
    ) -> Result<(Checkpoint, Vec<Hash>), ProofError> {
        let checkpoint = self.checkpoint(log).await?;
        let size = checkpoint.head.size;
        if old.size > size {
            return Err(ProofError::Truncated { events: size, covered: old.size });
        }
        let proof = proof::consistency(old.size, size, |subtree| self.tiles.hash(subtree))?;
        if !proof::is_consistent(old.size, old.root, size, checkpoint.head.root, &proof) {
            return Err(ProofError::Fork { size: old.size });
        }
        Ok((checkpoint, proof))
    }

    /// Hashes what was appended, makes it durable, and compares the log with the last checkpoint.
    async fn catch_up(&mut self, log: &dyn EventLog) -> Result<TreeHead, ProofError> {
        let size = log.head().await?.0;
        let signed = self.checkpoints.last().map(|checkpoint| checkpoint.head);
        if let Some(signed) = signed {
            if size < signed.size {
                return Err(ProofError::Truncated { events: size, covered: signed.size });
            }
            // Hashes that are lost or damaged are derived from the log anew.
            if self.tiles.size() < signed.size || self.tiles.root(signed.size)? != signed.root {
                self.tiles.cut(0)?;
            }
        }
        self.compare_last(log).await?;
        while self.tiles.size() < size {
            let (after, mut leaves) = (self.tiles.size(), Vec::new());
            let until = Position(size.min(after + CHUNK));
            log.replay(Position(after), until, &mut |event| {
                leaves.push(leaf_hash(&event));
                ControlFlow::Continue(())
            })
            .await?;
            if leaves.len() as u64 != until.0 - after {
                return Err(ProofError::Truncated { events: after + leaves.len() as u64, covered: size });
            }
            self.tiles.append(&leaves)?;
        }
        self.tiles.sync()?;
        match signed {
            Some(signed) if self.tiles.root(signed.size)? != signed.root => Err(ProofError::Fork { size: signed.size }),
            Some(_) | None => Ok(TreeHead { size, root: self.tiles.root(size)? }),
        }
    }

    /// Compares the last event that was hashed with what the log has there: finds a log that was cut and went on.
    async fn compare_last(&self, log: &dyn EventLog) -> Result<(), ProofError> {
        let size = self.tiles.size();
        let Some(last) = size.checked_sub(1) else { return Ok(()) };
        let known = self.tiles.leaves(last)?;
        let mut found = None;
        log.replay(Position(last), Position(size), &mut |event| {
            found = Some(leaf_hash(&event));
            ControlFlow::Break(())
        })
        .await?;
        if found.as_ref() == known.first() { Ok(()) } else { Err(ProofError::Fork { size }) }
    }
}

/// The key in the directory of the proof, drawn when neither it nor a checkpoint is there.
fn own_key(path: &Path, checkpoints: &Path) -> Result<SigningKey, ProofError> {
    if path.exists() {
        return SigningKey::read(path);
    }
    if checkpoints.exists() {
        let what = "the signing key is missing though checkpoints were signed; restore it from a copy".to_owned();
        return Err(ProofError::Note { from: path.display().to_string(), what });
    }
    let key = SigningKey::draw(None)?;
    key.write(path)?;
    Ok(key)
}
