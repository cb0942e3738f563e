//! Attachments: files beside the log, each under the SHA-256 of its content, `ab/cdef…` below one directory.
//!
//! A file is durable before [`Attachments::put`] returns, so that an event recorded afterwards never names one that a
//! loss of power has taken. Nothing is ever changed or removed; the same content is kept once.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bishui_domain::attachment::{ATTACHMENT_BYTES_MAX, Attachment};
use bishui_domain::sha256::Sha256;
use sha2::Digest as _;

use crate::durable;

/// A directory of attachments. It is made when the first one is put there.
#[derive(Debug, Clone)]
pub struct Attachments {
    dir: PathBuf,
}

/// Why an attachment could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// It is not there: restore the directory of attachments from a backup.
    #[error("the attachment {sha256} is missing from {}", dir.display())]
    Missing {
        /// Its content.
        sha256: Sha256,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// What is stored under its name is something else: restore the file from a backup.
    #[error("{} is not the attachment {sha256}", path.display())]
    Altered {
        /// Its content.
        sha256: Sha256,
        /// The file.
        path: PathBuf,
    },
    /// The act names another size: say what it is.
    #[error("the attachment {sha256} has {stored} bytes, not {named}")]
    OtherSize {
        /// Its content.
        sha256: Sha256,
        /// Its size.
        stored: u64,
        /// The size that was named.
        named: u64,
    },
    /// It is empty, or larger than an attachment may be: split it.
    #[error("an attachment has 1 byte to 32 MiB")]
    Size,
    /// The file or its directory cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a look at every file found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Files whose content is what their name says.
    pub sound: u64,
    /// Files whose content is not, in order.
    pub altered: Vec<PathBuf>,
    /// Files and directories that cannot be read, and why, in order.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Attachments {
    /// The attachments below `dir`.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps `bytes` durably and gives their hash. A file that was altered or cannot be read is put right.
    ///
    /// # Errors
    /// `Size`, or `File` when it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Sha256, AttachmentError> {
        if bytes.is_empty() || bytes.len() as u64 > ATTACHMENT_BYTES_MAX {
            return Err(AttachmentError::Size);
        }
        let sha256 = hash(bytes);
        if !self.keeps(sha256)? {
            let path = self.path(sha256);
            durable::write(&path, bytes).map_err(|source| AttachmentError::File { path, source })?;
        }
        Ok(sha256)
    }

    /// Whether the file is here, sound and durable; its directory is afterwards.
    fn keeps(&self, sha256: Sha256) -> Result<bool, AttachmentError> {
        let path = self.path(sha256);
        let dir = path.parent().expect("a path below the directory has a directory");
        let failed = |source| AttachmentError::File { path: path.clone(), source };
        durable::create_dir(dir).map_err(failed)?;
        if self.get(sha256).is_err() {
            if let Err(error) = durable::clear_away(dir) {
                tracing::warn!(error = &error as &dyn std::error::Error, dir = %dir.display(), "cannot be cleared");
            }
            return Ok(false);
        }
        // Whoever put it there may not have synced it yet.
        let synced = File::open(&path).and_then(|file| file.sync_all()).and_then(|()| durable::sync_dir(dir));
        synced.map(|()| true).map_err(failed)
    }

    /// The content of an attachment, once it is seen to be what its name says.
    ///
    /// # Errors
    /// `Missing`, `Altered`, or `File` when it cannot be read.
    pub fn get(&self, sha256: Sha256) -> Result<Vec<u8>, AttachmentError> {
        let path = self.path(sha256);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(ATTACHMENT_BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if hash(&bytes) == sha256 => Ok(bytes),
            Ok(_) => Err(AttachmentError::Altered { sha256, path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(AttachmentError::Missing { sha256, dir: self.dir.clone() })
            }
            Err(source) => Err(AttachmentError::File { path, source }),
        }
    }

    /// Sees that what an event names is here, of the size it names.
    ///
    /// # Errors
    /// As [`Attachments::get`], and `OtherSize`.
    pub fn check(&self, named: &Attachment) -> Result<(), AttachmentError> {
        let (sha256, stored) = (named.sha256, self.get(named.sha256)?.len() as u64);
        if stored == named.bytes {
            return Ok(());
        }
        Err(AttachmentError::OtherSize { sha256, stored, named: named.bytes })
    }

    /// Keeps a copy of another directory's attachment here, as durably as [`Attachments::put`].
    ///
    /// # Errors
    /// As [`Attachments::get`] there and [`Attachments::put`] here.
    pub fn copy_from(&self, other: &Self, sha256: Sha256) -> Result<(), AttachmentError> {
        if self.keeps(sha256)? { Ok(()) } else { self.put(&other.get(sha256)?).map(drop) }
    }

    /// Reads every file, named by an event or not.
    pub fn verify(&self) -> Stored {
        let mut stored = Stored::default();
        for dir in stored.entries(&self.dir) {
            let Some(start) = two_digits(&dir) else { continue };
            for path in stored.entries(&dir) {
                let rest = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let Ok(sha256) = format!("{start}{rest}").parse::<Sha256>() else { continue };
                match self.get(sha256) {
                    Ok(_) => stored.sound += 1,
                    Err(AttachmentError::Altered { path, .. }) => stored.altered.push(path),
                    Err(AttachmentError::File { path, source }) => stored.unreadable.push((path, source.to_string())),
                    // Nothing is removed, so what was listed and is gone was lost meanwhile.
                    Err(
                        error @ (AttachmentError::Missing { .. }
                        | AttachmentError::OtherSize { .. }
                        | AttachmentError::Size),
                    ) => stored.unreadable.push((path, error.to_string())),
                }
            }
        }
        stored.altered.sort();
        stored.unreadable.sort();
        stored
    }

    /// The file of an attachment, whether it is there or not.
    pub fn path(&self, sha256: Sha256) -> PathBuf {
        let text = sha256.to_string();
        self.dir.join(&text[..2]).join(&text[2..])
    }
}

/// The SHA-256 of `bytes`.
pub fn hash(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// The name of a directory of attachments; none of another.
fn two_digits(dir: &Path) -> Option<&str> {
    let name = dir.file_name()?.to_str()?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (name.len() == 2 && name.bytes().all(is_digit) && dir.is_dir()).then_some(name)
}

impl Stored {
    /// What stands in a directory; nothing in one that was never made, or that cannot be read.
    fn entries(&mut self, dir: &Path) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        match listed {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
            Err(error) => {
                self.unreadable.push((dir.to_owned(), error.to_string()));
                vec![]
            }
        }
    }
}

#[cfg(test)]
mod tests;
