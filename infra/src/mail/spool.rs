//! Mail put into a directory, one `.eml` file per message and set of recipients, for another program to take.
//!
//! A file appears whole or not at all, is on the disk before the message counts as accepted, and is never written
//! twice.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lettre::Address;
use sha2::{Digest, Sha256};

use super::{Mailer, Outcome, OutgoingMail, RecipientOutcome, for_usable, message, one_line};

/// A mailer that writes files into a directory.
#[derive(Debug, Clone)]
pub struct SpoolMailer {
    directory: PathBuf,
    /// One file is written at a time, so that two attempts for one message never share a temporary file.
    writing: Arc<Mutex<()>>,
}

impl SpoolMailer {
    /// Spools into `directory`, which is created where it is missing.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, writing: Arc::default() })
    }

    fn write(&self, mail: &OutgoingMail, recipients: &[Address]) -> Outcome {
        let bytes = match mail.to_bytes() {
            Ok(bytes) => bytes,
            Err(fault) => return Outcome::Failed { reply: fault.to_string() },
        };
        let name = file_name(&mail.message_id, recipients);
        let envelope = recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(",\r\n ");
        let head = format!("X-Envelope-To: {envelope}\r\n");
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match put(&self.directory, &name, &[head.as_bytes(), &bytes]) {
            Ok(()) => Outcome::Accepted { reply: format!("spooled as {name}") },
            Err(fault) => Outcome::Deferred { reply: one_line(&format!("cannot spool {name}: {fault}")) },
        }
    }
}

#[async_trait]
impl Mailer for SpoolMailer {
    async fn send(&self, mail: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        for_usable(recipients, async |usable| {
            let (spool, mail, count) = (self.clone(), mail.clone(), usable.len());
            let written = tokio::task::spawn_blocking(move || spool.write(&mail, &usable)).await;
            let outcome = written.unwrap_or_else(|fault| Outcome::Deferred { reply: one_line(&fault.to_string()) });
            vec![outcome; count]
        })
        .await
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("directory {}", self.directory.display())
    }
}

/// The readable part of the Message-ID, then a hash of all of it and of the recipients in any order.
fn file_name(message_id: &str, recipients: &[Address]) -> String {
    let left = message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
    let readable: String =
        left.chars().take(80).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let mut sorted: Vec<&str> = recipients.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    let mut digest = Sha256::new_with_prefix(message_id);
    for recipient in sorted {
        digest.update(b"\n");
        digest.update(recipient);
    }
    format!("{readable}-{}.eml", message::hex(&digest.finalize()[..8]))
}

/// Writes the file unless it is there; in both cases it is on the disk when this returns.
fn put(directory: &Path, name: &str, content: &[&[u8]]) -> io::Result<()> {
    let target = directory.join(name);
    if !target.try_exists()? {
        // A crash may have left this file behind; it is overwritten.
        let unfinished = directory.join(format!("{name}.tmp"));
        let mut file = File::create(&unfinished)?;
        for bytes in content {
            file.write_all(bytes)?;
        }
        file.sync_all()?;
        fs::rename(&unfinished, &target)?;
    }
    // Also where the file was there: the crash may have come between its renaming and this.
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
