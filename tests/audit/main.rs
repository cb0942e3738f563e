//! The proof of the log: whatever is changed in a log, in its files, or in evidence taken from it, is found and named.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

mod beside;
mod bundle;
mod bytes;
mod events;
mod files;
mod forged;
mod notary;
mod town;
