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

    /// Reads a checkpoint of the log of `key`; lines after the root are passed over, and signatures of others are left
    /// out. None when the key has not signed it or it is no checkpoint of its log.
    pub fn open(note: &str, key: &VerifierKey) -> Option<Self> {
        let (text, signature) = note::open(note, key)?;
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let sound = origin == key.name() && number.to_string() == size;
        sound.then(|| Self { head: TreeHead { size: number, root }, note: format!("{text}\n{signature}\n") })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

/// The file of all checkpoints that were signed, oldest first. It is there from the beginning of the proof on and is
/// replaced as a whole, so that it is never half written: what is not a row of signed checkpoints is damage.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    /// Reads the file.
    ///
    /// # Errors
    /// `Lost` where there is none; the file cannot be read, or holds anything that `key` has not signed.
    pub fn read(path: &Path, key: &VerifierKey) -> Result<(Self, Vec<Checkpoint>), ProofError> {
        let (file, mut checkpoints) = (Self { path: path.to_owned() }, Vec::new());
        file.read_on(&mut checkpoints, key)?;
        Ok((file, checkpoints))
    }

    /// Reads the file again, to which another process may have added: only what is not `known` is checked.
    ///
    /// # Errors
    /// Those of [`CheckpointFile::read`]; `Lost` where it no longer begins with what is known.
    pub fn read_on(&self, known: &mut Vec<Checkpoint>, key: &VerifierKey) -> Result<(), ProofError> {
        let lost = || ProofError::Lost { path: self.path.clone() };
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(lost()),
            Err(error) => return Err(file_error(&self.path)(error)),
        };
        let mut rest = &bytes[..];
        for checkpoint in &*known {
            rest = rest.strip_prefix(checkpoint.note.as_bytes()).ok_or_else(lost)?;
        }
        while !rest.is_empty() {
            let (note, after) = rest.split_at(first_note(rest));
            let checkpoint = std::str::from_utf8(note).ok().and_then(|note| Checkpoint::open(note, key));
            // Whatever another key has added is nothing that was written here.
            let checkpoint = checkpoint.filter(|checkpoint| checkpoint.note.as_bytes() == note);
            let damaged = || ProofError::Damaged { path: self.path.clone(), number: known.len() + 1 };
            known.push(checkpoint.ok_or_else(damaged)?);
            rest = after;
        }
        Ok(())
    }

    /// Writes these checkpoints in place of those that are there, and syncs them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn replace(&self, checkpoints: &[Checkpoint]) -> Result<(), ProofError> {
        let fresh = self.path.with_extension("new");
        let written = || -> std::io::Result<()> {
            let mut file = fs::File::create(&fresh)?;
            for checkpoint in checkpoints {
                file.write_all(checkpoint.note.as_bytes())?;
            }
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
        };
        written().map_err(file_error(&self.path))
    }
}

/// Bytes of the first note, or of all when its lines are not all there.
fn first_note(bytes: &[u8]) -> usize {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(LINES - 1).map_or(bytes.len(), |(at, _)| at + 1)
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
    fn what_was_written_is_read_again_and_every_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoints");
        let verifier = signer().verifier();
        assert!(matches!(CheckpointFile::read(&path, &verifier), Err(ProofError::Lost { .. })));
        fs::write(&path, "").unwrap();
        let (file, none) = CheckpointFile::read(&path, &verifier).unwrap();
        assert_eq!(none, []);
        let written = [checkpoint(1), checkpoint(2)];
        file.replace(&written[..1]).unwrap();
        file.replace(&written).unwrap();
        assert_eq!(CheckpointFile::read(&path, &verifier).unwrap().1, written);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for mask in [0x01, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= mask;
                fs::write(&path, changed).unwrap();
                let read = CheckpointFile::read(&path, &verifier);
                assert!(matches!(read, Err(ProofError::Damaged { .. })), "byte {at} xor {mask:#x}: {read:?}");
            }
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = CheckpointFile::read(&path, &verifier).unwrap_err().to_string();
        assert!(error.contains("checkpoint 2 is not signed"), "{error}");
    }

    #[test]
    fn what_another_has_added_is_read_on_and_what_is_known_does_not_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoints");
        let verifier = signer().verifier();
        let all = [checkpoint(1), checkpoint(2), checkpoint(3)];
        fs::write(&path, "").unwrap();
        let (file, mut known) = CheckpointFile::read(&path, &verifier).unwrap();
        for count in [1, 1, 3] {
            file.replace(&all[..count]).unwrap();
            file.read_on(&mut known, &verifier).unwrap();
            assert_eq!(known, all[..count]);
        }
        fs::write(&path, [fs::read(&path).unwrap(), b"x".to_vec()].concat()).unwrap();
        let read = file.read_on(&mut known.clone(), &verifier);
        assert!(matches!(read, Err(ProofError::Damaged { number: 4, .. })), "{read:?}");
        for lost in [&all[..2], &all[1..]] {
            file.replace(lost).unwrap();
            let read = file.read_on(&mut known.clone(), &verifier);
            assert!(matches!(read, Err(ProofError::Lost { .. })), "{read:?}");
        }
    }

    #[test]
    fn of_a_checkpoint_that_others_have_signed_too_the_own_signature_is_kept() {
        let own = checkpoint(20);
        let (text, signature) = own.note.split_once("— ").unwrap();
        let cosigned = format!("{text}— witness.example AAAA\n— {signature}— PeterNeumann AAAA\n");
        assert_eq!(Checkpoint::open(&cosigned, &signer().verifier()), Some(own));
    }
}
