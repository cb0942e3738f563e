//! The chain of the journal's groups: a SHA-256 over every block, each group's on that of the group before.
//!
//! The blocks of a group carry the value up to the group before it, so the hash of a group can be taken while the group
//! is being synced. A value is SHA-256 of the value before and the bytes of the group's blocks; that before the first
//! group is zeros.

use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use sha2::{Digest as _, Sha256};

use super::block::{Block, CHAIN_BYTES};
use super::spawn;
use crate::event_log::LogError;
use crate::event_log::leaf::Hash;

/// Bytes of blocks from which it is worth waking another thread for.
const APART_BYTES: usize = 24 << 10;

/// A chain being taken.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// What the blocks of the present group carry.
    carried: Hash,
    group: Sha256,
}

impl Chain {
    /// The value before the first group.
    pub(super) const START: Hash = [0; CHAIN_BYTES];

    /// A chain whose next group carries `value`.
    pub(super) fn at(value: Hash) -> Self {
        Self { carried: value, group: Sha256::new_with_prefix(value) }
    }

    /// What the blocks of the present group carry.
    pub(super) fn carried(&self) -> Hash {
        self.carried
    }

    /// Takes a block of the present group.
    pub(super) fn block(&mut self, block: &Block<'_>) {
        self.blocks(block.bytes);
    }

    /// Takes blocks of the present group that stand one after the other.
    fn blocks(&mut self, bytes: &[u8]) {
        self.group.update(bytes);
    }

    /// Ends the group; gives what the next one carries.
    pub(super) fn end_group(&mut self) -> Hash {
        self.carried = std::mem::take(&mut self.group).finalize().into();
        self.group.update(self.carried);
        self.carried
    }
}

/// Bytes of which those from `start` on are blocks.
struct Piece {
    bytes: Vec<u8>,
    start: usize,
}

/// Takes the chain of what is written: of little at once, of much on a thread of its own.
pub(super) struct Links {
    chain: Arc<Mutex<Chain>>,
    to: mpsc::Sender<Piece>,
    back: mpsc::Receiver<Vec<u8>>,
    /// Pieces whose hashes are being taken apart.
    apart: usize,
    /// Whether a group was written whose value is not taken yet.
    open: bool,
}

impl Links {
    /// Goes on where the next group carries `value`.
    pub(super) fn start(value: Hash) -> Result<Self, LogError> {
        let chain = Arc::new(Mutex::new(Chain::at(value)));
        let (to, pieces) = mpsc::channel::<Piece>();
        let (done, back) = mpsc::channel();
        let shared = Arc::clone(&chain);
        spawn("event-log-hash", move || {
            for Piece { bytes, start } in pieces {
                lock(&shared).blocks(&bytes[start..]);
                if done.send(bytes).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { chain, to, back, apart: 0, open: false })
    }

    /// Takes the blocks in `bytes` from `start` on; gives the room back when it is done with it.
    pub(super) fn written(&mut self, bytes: Vec<u8>, start: usize) -> Option<Vec<u8>> {
        self.open = true;
        if bytes.len() - start >= APART_BYTES {
            let sent = self.to.send(Piece { bytes, start });
            sent.expect("the thread that hashes lives as long as its queue");
            self.apart += 1;
            return None;
        }
        // Pieces apart come before this one.
        let room = self.settle();
        lock(&self.chain).blocks(&bytes[start..]);
        Some(if bytes.capacity() > room.as_ref().map_or(0, Vec::capacity) { bytes } else { room.unwrap_or(bytes) })
    }

    /// What the next group carries, and room that is free again.
    pub(super) fn value(&mut self) -> (Hash, Option<Vec<u8>>) {
        let room = self.settle();
        let mut chain = lock(&self.chain);
        let value = if std::mem::take(&mut self.open) { chain.end_group() } else { chain.carried() };
        (value, room)
    }

    fn settle(&mut self) -> Option<Vec<u8>> {
        let mut room = None;
        for _ in 0..std::mem::take(&mut self.apart) {
            room = Some(self.back.recv().expect("the thread that hashes gives every piece back"));
        }
        room
    }
}

fn lock(chain: &Mutex<Chain>) -> MutexGuard<'_, Chain> {
    chain.lock().expect("no holder of the chain panics")
}
