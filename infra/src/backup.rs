//! Backups and exports: an event log as files that anyone can read, and back.
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | what belongs to the backup, see [`manifest`]; replaced whole, and last |
//! | `events/00…01.ndjson` | a part: events from that position on, one a line, whole batches; never changed |
//! | `attachments/ab/cdef…` | files that these events name, under the SHA-256 of their content |
//! | `checkpoints/c74f20a3` | a key that checks, in the first line, and the checkpoints that it has signed; see [`proof`] |
//!
//! A line is a recorded event as JSON with its payload exactly as recorded, in a text, and before it `leaf`, its leaf
//! hash (see [`crate::event_log::leaf`]). The roots in the manifest are those of RFC 6962 over these leaves. A backup
//! that ends half way, by a kill or a full disk, leaves what the manifest lists, which is whole; the next one goes on
//! from there. An attachment that the office itself has lost is listed as missing, and no reason to keep nothing of the
//! rest. There is one format: an export is a backup into a new directory.

mod directory;
mod line;
mod lost;
pub mod manifest;
mod part;
pub mod proof;
mod reader;
mod restore;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use crate::attachments::AttachmentError;
use crate::codec::CodecError;
use crate::event_log::{LogError, Position};

pub use line::{LINE_BYTES_MAX, Line};
pub use lost::Lost;
pub use proof::Proof;
pub use reader::Reader;
pub use restore::{Loss, Restored, Until, restore, verify};
pub use writer::{Writer, Written, write};

/// The name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The directory of the parts.
pub const EVENTS_DIR: &str = "events";
/// The directory of the attachments.
pub const ATTACHMENTS_DIR: &str = "attachments";
/// The directory of the checkpoints.
pub const CHECKPOINTS_DIR: &str = "checkpoints";
/// Bytes from which on a part ends with the batch it holds.
pub const PART_BYTES: u64 = 64 << 20;

/// Why a backup could not be written, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no manifest: name the directory that `bishui backup` wrote.
    #[error("{} holds no backup: it has no {MANIFEST_FILE}", dir.display())]
    NoBackup {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory is used for something else: name a new or empty one.
    #[error("{} is not empty and holds no backup; name a new directory", dir.display())]
    Occupied {
        /// The directory.
        dir: PathBuf,
    },
    /// An export is written into a new directory only.
    #[error("{} holds a backup already; `bishui backup` adds to it, an export takes a new directory", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process writes into the directory: wait for it.
    #[error("another backup is being written into {}", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// Written by a newer program: use that one.
    #[error("{} has version {version} of the format; this program reads version {}", path.display(), manifest::VERSION)]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The backup is not what was written: use another copy.
    #[error("the backup is damaged: {}{}: {what}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where one is concerned.
        line: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// The log is not the one that was backed up, or has lost events since: back it up into a new directory, and find
    /// out why.
    #[error("the backup in {} ends with an event that this log does not have at position {position}", dir.display())]
    OtherLog {
        /// The directory of the backup.
        dir: PathBuf,
        /// The last position of the backup.
        position: Position,
    },
    /// The backup is not of the log that a checkpoint was signed of, or was altered since: use another copy.
    #[error("the first {size} events of the backup are not those of a checkpoint in {}", path.display())]
    Refuted {
        /// The file with the checkpoint.
        path: PathBuf,
        /// Events of the checkpoint.
        size: u64,
    },
    /// A checkpoint was signed of more events than there are: some are lost, or are left out on purpose.
    #[error("the checkpoints in {} cover {covered} events, and these are {events}", path.display())]
    Beyond {
        /// The file with the checkpoint.
        path: PathBuf,
        /// Events of the largest checkpoint.
        covered: u64,
        /// Events that there are.
        events: u64,
    },
    /// The log's list of checkpoints has lost some that the backup has: keep the backup, and find out why.
    #[error("the checkpoints in {} are not the beginning of those that this log has", path.display())]
    OtherCheckpoints {
        /// The file in the backup.
        path: PathBuf,
    },
    /// A log is restored into an empty store only.
    #[error("the store has {head} events; a backup is restored into an empty one")]
    NotEmpty {
        /// The last position of the store.
        head: Position,
    },
    /// The backup does not reach that far.
    #[error("the backup ends with position {last}")]
    TooShort {
        /// The last position of the backup.
        last: Position,
    },
    /// A file or directory cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An attachment cannot be written.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// An event that names attachments cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A failure of a file as an error of the backup.
fn failed(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}
