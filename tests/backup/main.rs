//! Backups: what they hold, what they refuse, and that every alteration of one is found and named.
#![expect(clippy::unwrap_used, reason = "an unexpected answer is a failure of the test")]

mod damage;
mod decisions;
mod increments;
mod proofs;
mod restores;
mod world;
