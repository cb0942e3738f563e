//! The bytes of a file: as programs see them, and as they are when the power is back.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::dice::Dice;

/// Bytes that a disk writes whole.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Content {
    /// What a read gives.
    now: Vec<u8>,
    durable: Vec<u8>,
    /// First bytes of the sectors that the next sync makes durable.
    dirty: BTreeSet<usize>,
    /// Bytes that cannot be read until they are written again.
    worn_out: Range<usize>,
}

impl Content {
    /// A file of which every byte is on the disk.
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), durable: bytes, ..Self::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn write(&mut self, bytes: &[u8], start: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = start + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[start..end].copy_from_slice(bytes);
        if start <= self.worn_out.start && self.worn_out.end <= end {
            self.worn_out = 0..0;
        }
        self.dirty.extend((start / SECTOR_BYTES * SECTOR_BYTES..end).step_by(SECTOR_BYTES));
    }

    /// Writes the beginning of `bytes`, as a call that ends in its midst: a cache takes no part of a sector.
    pub(super) fn write_in_part(&mut self, bytes: &[u8], start: usize, dice: &mut Dice) {
        let reached = start + usize::try_from(dice.below(bytes.len() as u64 + 1)).expect("a part of what is in memory");
        let end = reached / SECTOR_BYTES * SECTOR_BYTES;
        self.write(&bytes[..end.saturating_sub(start)], start);
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for start in std::mem::take(&mut self.dirty) {
            let end = (start + SECTOR_BYTES).min(self.now.len());
            self.durable[start..end].copy_from_slice(&self.now[start..end]);
        }
    }

    /// A sync that fails: as on Linux, what was to be written counts as clean. It is read as before, and no later sync
    /// makes it durable unless it is written again.
    pub(super) fn fail_to_sync(&mut self) {
        self.dirty.clear();
    }

    /// What a loss of power leaves: each unsynced sector as it was or as it is.
    pub(super) fn survive(&self, dice: &mut Dice, kept_percent: u64) -> Vec<u8> {
        let mut left = self.durable.clone();
        if self.now.len() > left.len() && (kept_percent == 100 || dice.chance(kept_percent)) {
            left.resize(self.now.len(), 0);
        }
        for start in &self.dirty {
            let end = (start + SECTOR_BYTES).min(self.now.len()).min(left.len());
            if *start < end && dice.chance(kept_percent) {
                left[*start..end].copy_from_slice(&self.now[*start..end]);
            }
        }
        left
    }

    /// Lets no one read these bytes until they are written again.
    pub(super) fn wear_out(&mut self, bytes: Range<usize>) {
        self.worn_out = bytes;
    }

    /// Whether some of these bytes cannot be read.
    pub(super) fn is_worn_out(&self, bytes: Range<usize>) -> bool {
        bytes.start < self.worn_out.end && self.worn_out.start < bytes.end
    }

    /// Does to the bytes what no program did.
    pub(super) fn damage(&mut self, damage: impl FnOnce(&mut Vec<u8>)) {
        damage(&mut self.now);
        self.durable.clone_from(&self.now);
    }
}
