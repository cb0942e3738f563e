//! Proof of the log: a Merkle tree (RFC 6962) over all events, and signed checkpoints of it.
//!
//! Whoever holds a checkpoint can tell whether any event up to it was changed, taken out, put in or moved since: the
//! same events give the same root. What is kept in the directory of the proof can be derived again from the log, except
//! the signing key and the list of the checkpoints that were given out:
//!
//! | file | what |
//! |---|---|
//! | `key` | the signing key, readable by its owner only |
//! | `checkpoints` | every checkpoint that was signed, in order, each of five lines |
//! | `lock` | locked by the process that adds hashes and signs; whoever only reads needs no lock |
//! | `level-0`, `level-1`, … | hashes of the tree, 32 bytes each: leaves, subtrees of 256 leaves, of 65,536 leaves, … |
//!
//! The levels are the tiles of C2SP tlog-tiles laid end to end: tile N of level L is the bytes from N × 8,192 of file
//! `level-L`.

pub mod audit;
pub mod bundle;
pub mod checkpoint;
pub mod key;
pub mod notary;
pub mod note;
pub mod proof;
pub mod tiles;
pub mod tree;

use std::path::{Path, PathBuf};

use crate::event_log::LogError;

/// Why something could not be proved or signed.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A file of the proof cannot be read or written: look at the disk and the rights.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or a checkpoint cannot be read, or is not by the key that was expected.
    #[error("{from}: {what}")]
    Note {
        /// The file or argument.
        from: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The list of signed checkpoints is not as it was written: restore it from a copy.
    #[error("{}: checkpoint {number} is not signed by the key of this log", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which checkpoint, from 1.
        number: usize,
    },
    /// The list of signed checkpoints is missing, or no longer has what it had: restore it from a copy.
    #[error("{}: signed checkpoints are missing; restore the list from a copy, an empty one if none was signed", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// No random bytes could be drawn for a key.
    #[error("no random bytes can be drawn")]
    Random(#[source] getrandom::Error),
    /// The log has fewer events than a checkpoint covers: some were lost, or an old copy was restored.
    #[error("truncated: the log has {events} events, a signed checkpoint covers {covered}")]
    Truncated {
        /// Events of the log.
        events: u64,
        /// Events of the checkpoint.
        covered: u64,
    },
    /// The log is not the one a checkpoint was signed of: run `bishui audit verify`, which says where it differs.
    #[error(
        "the first {size} events are not those of the signed checkpoint; `bishui audit verify` says where they differ"
    )]
    Fork {
        /// Events of the checkpoint.
        size: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// An error of a file.
fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> ProofError {
    let path = path.to_owned();
    move |source| ProofError::File { path, source }
}
