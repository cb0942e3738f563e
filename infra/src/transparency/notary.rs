//! The notary: keeps the hashes level with the log and signs checkpoints, each a continuation of the one before.
//!
//! Several processes may work on one directory: a service, commands beside it, other nodes of the same store. Who adds
//! hashes or signs locks the directory and first reads what others have signed. Reading takes no lock: the list of
//! checkpoints is replaced as a whole, and hashes under a checkpoint stay as they are.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, CheckpointFile, TreeHead};
use super::key::{SigningKey, VerifierKey};
use super::proof;
use super::tiles::{Growing, Tiles};
use super::{ProofError, file_error};
use crate::durable;
use crate::event_log::leaf::{Hash, leaf_hash};
use crate::event_log::{EventLog, Position, Recorded};

/// Leaves hashed between two writes of hashes.
const CHUNK: u64 = 1 << 16;
/// The key's name in the directory of the proof.
const KEY_FILE: &str = "key";
/// The name of the list of checkpoints in it.
const LIST_FILE: &str = "checkpoints";

/// What signs checkpoints of one log.
#[derive(Debug)]
pub struct Notary {
    dir: PathBuf,
    key: SigningKey,
    file: CheckpointFile,
    /// Those that were in the list when it was read last.
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
    /// A file cannot be used; key or list is missing though checkpoints were signed; a checkpoint of it is not by the
    /// key.
    pub fn open(dir: &Path, key: Option<&Path>) -> Result<Self, ProofError> {
        let (own, list) = (dir.join(KEY_FILE), dir.join(LIST_FILE));
        if !list.exists() || (key.is_none() && !own.exists()) {
            begin(dir, key.is_none())?;
        }
        let key = SigningKey::read(key.unwrap_or(&own))?;
        let (file, checkpoints) = CheckpointFile::read(&list, &key.verifier())?;
        Ok(Self { dir: dir.to_owned(), key, file, checkpoints })
    }

    /// The key that checks this one's checkpoints.
    pub fn verifier(&self) -> VerifierKey {
        self.key.verifier()
    }

    /// The key that signs.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The stored hashes under the newest checkpoint, as far as they are there.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn tiles(&self) -> Result<Tiles, ProofError> {
        Tiles::read(&self.dir, self.signed().map_or(0, |signed| signed.size))
    }

    /// Every checkpoint that was signed, oldest first, as far as [`Notary::read_on`] has read.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// Reads what other processes have signed since.
    ///
    /// # Errors
    /// `Lost` where checkpoints are missing that were there; the list cannot be read or is damaged.
    pub fn read_on(&mut self) -> Result<(), ProofError> {
        self.file.read_on(&mut self.checkpoints, &self.key.verifier())
    }

    /// What the newest checkpoint covers.
    fn signed(&self) -> Option<TreeHead> {
        self.checkpoints.last().map(|checkpoint| checkpoint.head)
    }

    /// Signs a checkpoint of all events that `log` has; the last one when none was added since. It blocks while another
    /// process does the same.
    ///
    /// # Errors
    /// `Truncated` or `Fork` when the log does not continue the one of the last checkpoint: nothing is signed then.
    pub async fn checkpoint(&mut self, log: &dyn EventLog) -> Result<Checkpoint, ProofError> {
        let _one_at_a_time = lock(&self.dir)?;
        self.read_on()?;
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
        let tiles = self.tiles()?;
        let proof = proof::inclusion(leaf, size, |subtree| tiles.hash(subtree))?;
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
        let tiles = self.tiles()?;
        let proof = proof::consistency(old.size, size, |subtree| tiles.hash(subtree))?;
        if !proof::is_consistent(old.size, old.root, size, checkpoint.head.root, &proof) {
            return Err(ProofError::Fork { size: old.size });
        }
        Ok((checkpoint, proof))
    }

    /// Hashes what was appended, makes it durable, and compares the log with the last checkpoint.
    async fn catch_up(&self, log: &dyn EventLog) -> Result<TreeHead, ProofError> {
        let size = log.head().await?.0;
        let signed = self.signed();
        if let Some(signed) = signed.filter(|signed| size < signed.size) {
            return Err(ProofError::Truncated { events: size, covered: signed.size });
        }
        // Hashes reach the disk before a checkpoint over them is signed; those after it may be what a crash left.
        let mut hashes = Growing::open(&self.dir, signed.map_or(0, |signed| signed.size))?;
        if let Some(signed) = signed {
            // Hashes that are lost or damaged are derived from the log anew.
            if hashes.tiles().size() < signed.size || hashes.tiles().root(signed.size)? != signed.root {
                hashes.cut(0)?;
            }
        }
        compare_last(hashes.tiles(), log).await?;
        while hashes.tiles().size() < size {
            let (after, mut leaves) = (hashes.tiles().size(), Vec::new());
            let until = Position(size.min(after + CHUNK));
            log.replay(Position(after), until, &mut |event| {
                leaves.push(leaf_hash(&event));
                ControlFlow::Continue(())
            })
            .await?;
            if leaves.len() as u64 != until.0 - after {
                return Err(ProofError::Truncated { events: after + leaves.len() as u64, covered: size });
            }
            hashes.append(&leaves)?;
        }
        hashes.sync()?;
        match signed {
            Some(signed) if hashes.tiles().root(signed.size)? != signed.root => {
                Err(ProofError::Fork { size: signed.size })
            }
            Some(_) | None => Ok(TreeHead { size, root: hashes.tiles().root(size)? }),
        }
    }
}

/// Compares the last event that was hashed with what the log has there: finds a log that was cut and went on.
async fn compare_last(tiles: &Tiles, log: &dyn EventLog) -> Result<(), ProofError> {
    let size = tiles.size();
    let Some(last) = size.checked_sub(1) else { return Ok(()) };
    let known = tiles.leaves(last)?;
    let mut found = None;
    log.replay(Position(last), Position(size), &mut |event| {
        found = Some(leaf_hash(&event));
        ControlFlow::Break(())
    })
    .await?;
    if found.as_ref() == known.first() { Ok(()) } else { Err(ProofError::Fork { size }) }
}

/// Locks the directory for as long as the file is kept.
fn lock(dir: &Path) -> Result<File, ProofError> {
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    file.and_then(|file| file.lock().map(|()| file)).map_err(file_error(&path))
}

/// Begins the proof of a new log: an empty list of checkpoints and, unless another is named, a key. The list comes
/// first, so that one that is missing beside a key or hashes was lost.
fn begin(dir: &Path, own_key: bool) -> Result<(), ProofError> {
    durable::create_dir(dir).map_err(file_error(dir))?;
    let _one_at_a_time = lock(dir)?;
    let (key, list) = (dir.join(KEY_FILE), dir.join(LIST_FILE));
    if !list.exists() {
        if key.exists() || Tiles::read(dir, u64::MAX)?.size() > 0 {
            return Err(ProofError::Lost { path: list });
        }
        let made = File::create(&list).and_then(|file| file.sync_all()).and_then(|()| durable::sync_dir(dir));
        made.map_err(file_error(&list))?;
    }
    if own_key && !key.exists() {
        if list.metadata().map_err(file_error(&list))?.len() > 0 {
            let what = "the signing key is missing though checkpoints were signed; restore it from a copy".to_owned();
            return Err(ProofError::Note { from: key.display().to_string(), what });
        }
        SigningKey::draw(None)?.write(&key)?;
    }
    Ok(())
}
