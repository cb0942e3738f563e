//! Checks evidence of a Bishui log: a bundle of a county and year, the proof of one event, or
//! that one checkpoint continues another.
//!
//! It shares no code with the service. Everything that is given is taken for false until it is shown: the seal binds
//! the file to the key, the root binds the events to the checkpoint, and the texts for people must be those of the
//! events.

pub mod bundle;
pub mod command;
pub mod continuation;
pub mod event;
mod json;
pub mod note;
pub mod sections;
pub mod single;
pub mod tree;

use std::fmt;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Why evidence was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected(pub String);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejected {}

/// Rejects for a reason.
fn reject<T>(why: impl Into<String>) -> Result<T, Rejected> {
    Err(Rejected(why.into()))
}

/// What is required, or the reason why it is not there.
trait Or<T> {
    fn or_reject(self, why: &str) -> Result<T, Rejected>;
}

impl<T> Or<T> for Option<T> {
    fn or_reject(self, why: &str) -> Result<T, Rejected> {
        self.ok_or_else(|| Rejected(why.to_owned()))
    }
}

impl<T, E: fmt::Display> Or<T> for Result<T, E> {
    fn or_reject(self, why: &str) -> Result<T, Rejected> {
        self.map_err(|error| Rejected(format!("{why}: {error}")))
    }
}
