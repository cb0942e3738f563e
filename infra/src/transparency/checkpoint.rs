//! Checkpoints (C2SP tlog-checkpoint): name of the log, number of events and root, as a signed note.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::{SigningKey, VerifierKey};
use super::{ProofError, file_error, note};
use crate::event_log::leaf::Hash;

/// Lines of a checkpoint with one signature.
const LINES: usize = 5;

/// How many events a log has, and the root over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Events.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says.
    pub head: TreeHead,
    /// The signed note, as it is given out.
    pub note: String,
}

impl Checkpoint {
    /// Signs a checkpoint.
    pub fn sign(head: TreeHead, key: &SigningKey) -> Self {
        let text = format!("{}\n{}\n{}\n", key.name(), head.size, STANDARD.encode(head.root));
        Self { head, note: note::sign(&text, key) }
    }

    /// Reads a checkpoint of the log of `key`; lines after the root are passed over. None when the key has not signed
    /// it or it is no checkpoint of its log.
    pub fn open(note: &str, key: &VerifierKey) -> Option<Self> {
        let mut lines = note::open(note, key)?.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let sound = origin == key.name() && number.to_string() == size;
        sound.then(|| Self { head: TreeHead { size: number, root }, note: note.to_owned() })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

/// The file of all checkpoints that were signed, oldest first.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    /// Bytes of whole checkpoints; a write that was cut short leaves more, which the next one replaces.
    whole: usize,
}

impl CheckpointFile {
    /// Reads the file; an absent one is empty.
    ///
    /// # Errors
    /// The file cannot be read, or holds a whole checkpoint that `key` has not signed.
    pub fn read(path: &Path, key: &VerifierKey) -> Result<(Self, Vec<Checkpoint>), ProofError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => vec![],
            Err(error) => return Err(file_error(path)(error)),
        };
        let (mut whole, mut checkpoints) = (0, Vec::new());
        while let Some(length) = first_note(&bytes[whole..]) {
            let text = std::str::from_utf8(&bytes[whole..whole + length]).ok();
            let checkpoint = text.and_then(|text| Checkpoint::open(text, key));
            let number = checkpoints.len() + 1;
            checkpoints.push(checkpoint.ok_or_else(|| ProofError::Damaged { path: path.to_owned(), number })?);
            whole += length;
        }
        Ok((Self { path: path.to_owned(), whole }, checkpoints))
    }

    /// Adds a checkpoint and syncs it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, checkpoint: &Checkpoint) -> Result<(), ProofError> {
        let written = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(&self.path)?;
            file.set_len(self.whole as u64)?;
            file.write_all(checkpoint.note.as_bytes())?;
            file.sync_all()
        };
        written().map_err(file_error(&self.path))?;
        self.whole += checkpoint.note.len();
        Ok(())
    }
}

/// Bytes of the first whole note; none when its lines are not all there.
fn first_note(bytes: &[u8]) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(LINES - 1).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::signer;
    use super::*;

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::sign(TreeHead { size, root: [7; 32] }, &signer())
    }

    #[test]
    fn a_checkpoint_is_the_note_that_is_specified() {
        let checkpoint = checkpoint(20);
        let text = "PeterNeumann\n20\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
        assert_eq!(checkpoint.note, note::sign(text, &signer()));
        assert_eq!(Checkpoint::open(&checkpoint.note, &signer().verifier()), Some(checkpoint));
        let extended = note::sign(&format!("{text}an extension\n"), &signer());
        assert_eq!(Checkpoint::open(&extended, &signer().verifier()).unwrap().head.size, 20);
        for text in [text.replace("Peter", "Petra"), text.replace("20", "020"), text.replace("Bwc=", "Bw==")] {
            assert_eq!(Checkpoint::open(&note::sign(&text, &signer()), &signer().verifier()), None, "{text}");
        }
    }

    #[test]
    fn what_was_added_is_read_again_and_a_torn_end_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoints");
        let verifier = signer().verifier();
        let (mut file, none) = CheckpointFile::read(&path, &verifier).unwrap();
        assert_eq!(none, []);
        file.add(&checkpoint(1)).unwrap();
        file.add(&checkpoint(2)).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"PeterNeumann\n3\n"].concat()).unwrap();
        let (mut file, read) = CheckpointFile::read(&path, &verifier).unwrap();
        assert_eq!(read, [checkpoint(1), checkpoint(2)]);
        file.add(&checkpoint(3)).unwrap();
        let (_, read) = CheckpointFile::read(&path, &verifier).unwrap();
        assert_eq!(read, [checkpoint(1), checkpoint(2), checkpoint(3)]);
        fs::write(&path, [&[whole[0] ^ 1], &whole[1..]].concat()).unwrap();
        let error = CheckpointFile::read(&path, &verifier).unwrap_err().to_string();
        assert!(error.contains("checkpoint 1 is not signed"), "{error}");
    }
}
