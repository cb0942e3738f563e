//! Proof of the log: a Merkle tree over all events, and signed checkpoints of it.

pub mod proof;
pub mod tree;
