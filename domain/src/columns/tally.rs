//! Counts over many rows, and runs of unmet periods.

use super::kernel::Block;
use crate::assessment::Verdict;

/// Rows by class and verdict.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Rows of class Ⅰ to inferior Ⅴ.
    pub classes: [u64; 6],
    /// Rows that met their target.
    pub met: u64,
    /// Rows that missed it.
    pub unmet: u64,
    /// Rows declared or without what an assessment needs.
    pub unassessed: u64,
}

impl Tally {
    /// Counts the rows of a block too.
    pub fn add(&mut self, block: &Block) {
        let classes = block.classes();
        for (sum, rows) in self.classes.iter_mut().zip(classes) {
            *sum += u64::from(rows);
        }
        let (assessed, unmet) = (classes.into_iter().map(u64::from).sum::<u64>(), u64::from(block.unmet()));
        self.unmet += unmet;
        self.met += assessed - unmet;
        self.unassessed += block.rows().len() as u64 - assessed;
    }
}

/// The longest run of unmet periods of one section, given in order of time; a period that was not assessed neither adds
/// to a run nor ends it (R5 with `gap = "bridge"`).
pub fn longest_unmet_run(verdicts: impl IntoIterator<Item = Verdict>) -> u32 {
    let (mut longest, mut run) = (0, 0);
    for verdict in verdicts {
        run = match verdict {
            Verdict::Met => 0,
            Verdict::Unmet => run + 1,
            Verdict::Unassessed(_) => run,
        };
        longest = longest.max(run);
    }
    longest
}
