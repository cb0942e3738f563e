//! The loops: a block of rows at a time, small enough that what is collected for it stays in the nearest cache.
//!
//! Every loop runs over slices of one length without a branch in its body, which the compiler turns into vector
//! instructions of whatever width the target has.

use std::ops::{BitAnd, Range};

use super::cell::MISSING;
use super::lane::Lane;
use super::{Columns, IndicatorSet, Limits};
use crate::assessment::{Reason, Verdict};
use crate::standard::{Target, WaterClass};

/// Rows of a block, the last one apart.
pub const ROWS_PER_BLOCK: usize = 512;

/// A set of indicators for every row of a block.
type Sets = [u32; ROWS_PER_BLOCK];
/// For every class Ⅰ to Ⅴ and every row: the indicators above the class's limit.
type Above = [Sets; 5];

const NONE: Sets = [0; ROWS_PER_BLOCK];
const NONE_ABOVE: Above = [NONE; 5];

/// The assessments of up to [`ROWS_PER_BLOCK`] rows.
pub struct Block {
    first: usize,
    len: usize,
    declared: [Option<Reason>; ROWS_PER_BLOCK],
    /// All bits for a row that is assessed, none for one that is not.
    assessed: Sets,
    /// Number of classes exceeded: 0 for class Ⅰ, 5 for inferior Ⅴ.
    class: [u32; ROWS_PER_BLOCK],
    evaluated: Sets,
    undecidable: Sets,
    missing: Sets,
    unmet: Sets,
    worst: Sets,
}

/// The assessment of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The verdict.
    pub verdict: Verdict,
    /// The worst class among the evaluated indicators; absent when unassessed.
    pub class: Option<WaterClass>,
    /// The indicators evaluated.
    pub evaluated: IndicatorSet,
    /// The indicators that cannot be judged.
    pub undecidable: IndicatorSet,
    /// The required indicators that are missing or undecidable.
    pub missing: IndicatorSet,
    /// The indicators that miss the target; empty when unassessed.
    pub unmet: IndicatorSet,
    /// The indicators that have the class; empty when unassessed.
    pub worst: IndicatorSet,
}

impl Block {
    fn empty() -> Self {
        Self {
            first: 0,
            len: 0,
            declared: [None; ROWS_PER_BLOCK],
            assessed: NONE,
            class: NONE,
            evaluated: NONE,
            undecidable: NONE,
            missing: NONE,
            unmet: NONE,
            worst: NONE,
        }
    }

    /// Number of the first row.
    pub fn first(&self) -> usize {
        self.first
    }

    /// The assessments in the order of the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row> {
        (0..self.len).map(|at| self.row(at))
    }

    fn row(&self, at: usize) -> Row {
        const CLASSES: [WaterClass; 6] =
            [WaterClass::I, WaterClass::II, WaterClass::III, WaterClass::IV, WaterClass::V, WaterClass::InferiorV];
        let assessed = self.assessed[at] != 0;
        let verdict = match self.declared[at] {
            Some(reason) => Verdict::Unassessed(reason),
            None if !assessed => Verdict::Unassessed(Reason::InsufficientData),
            None if self.unmet[at] == 0 => Verdict::Met,
            None => Verdict::Unmet,
        };
        Row {
            verdict,
            class: assessed.then(|| CLASSES[self.class[at] as usize]),
            evaluated: IndicatorSet(self.evaluated[at]),
            undecidable: IndicatorSet(self.undecidable[at]),
            missing: IndicatorSet(self.missing[at]),
            unmet: IndicatorSet(self.unmet[at]),
            worst: IndicatorSet(self.worst[at]),
        }
    }

    /// Rows of each class, Ⅰ to inferior Ⅴ, among those assessed.
    pub(super) fn classes(&self) -> [u32; 6] {
        [0, 1, 2, 3, 4, 5].map(|class: u32| {
            let rows = self.class[..self.len].iter().zip(&self.assessed);
            rows.map(|(own, assessed)| u32::from(*own == class) & assessed).sum()
        })
    }

    /// Rows that are unmet.
    pub(super) fn unmet(&self) -> u32 {
        self.unmet[..self.len].iter().map(|unmet| u32::from(*unmet != 0)).sum()
    }
}

/// Assesses all rows against `limits` and gives them to `each`, a block at a time, in order.
pub fn assess(columns: &Columns, limits: &Limits, required: IndicatorSet, mut each: impl FnMut(&Block)) {
    let mut block = Box::new(Block::empty());
    let (mut above, mut undecidable) = (Box::new(NONE_ABOVE), Box::new(NONE_ABOVE));
    for first in (0..columns.rows()).step_by(ROWS_PER_BLOCK) {
        let rows = first..columns.rows().min(first + ROWS_PER_BLOCK);
        (block.first, block.len) = (first, rows.len());
        above.iter_mut().chain(undecidable.iter_mut()).for_each(|class| class.fill(0));
        block.evaluated.fill(0);
        for lane in Lane::all() {
            let (limits, bit) = (&limits.lanes[lane.0], IndicatorSet::bit(lane.indicator()));
            let values = part(&columns.values[lane.0], &rows);
            collect_present(values, bit, &mut block.evaluated);
            collect_above(values, limits, bit, &mut above);
            collect_above(part(&columns.below[lane.0], &rows), limits, bit, &mut undecidable);
        }
        block.declared[..rows.len()].copy_from_slice(&columns.declared[rows.clone()]);
        block.conclude(&mut above, &undecidable, &columns.targets[rows], required);
        each(&block);
    }
}

/// The part of a column that belongs to `rows`; less where the column ends.
fn part<'a>(column: &'a [i32], rows: &Range<usize>) -> &'a [i32] {
    &column[rows.start.min(column.len())..rows.end.min(column.len())]
}

fn collect_present(values: &[i32], bit: u32, present: &mut Sets) {
    for (present, value) in present.iter_mut().zip(values) {
        *present |= u32::from(*value != MISSING) * bit;
    }
}

fn collect_above(values: &[i32], limits: &[i32; 5], bit: u32, above: &mut Above) {
    for (above, limit) in above.iter_mut().zip(limits) {
        for (above, value) in above.iter_mut().zip(values) {
            *above |= u32::from(value > limit) * bit;
        }
    }
}

/// The set of each row's target class.
fn pick(above: &Above, targets: &[Target], picked: &mut Sets) {
    const CLASSES: [Target; 5] = [Target::I, Target::II, Target::III, Target::IV, Target::V];
    picked.fill(0);
    for (sets, class) in above.iter().zip(CLASSES) {
        for ((picked, set), target) in picked.iter_mut().zip(sets).zip(targets) {
            *picked |= u32::from(*target == class) * set;
        }
    }
}

impl Block {
    /// From the sets of each class to the verdict of each row.
    fn conclude(&mut self, above: &mut Above, undecidable: &Above, targets: &[Target], required: IndicatorSet) {
        pick(undecidable, targets, &mut self.undecidable);
        for sets in above.iter_mut().chain([&mut self.evaluated]) {
            sets.iter_mut().zip(&self.undecidable).for_each(|(set, cannot)| *set &= !cannot);
        }
        self.class.fill(0);
        self.worst = self.evaluated;
        for sets in above.iter() {
            for ((class, worst), set) in self.class.iter_mut().zip(&mut self.worst).zip(sets) {
                *class += u32::from(*set != 0);
                *worst = if *set == 0 { *worst } else { *set };
            }
        }
        let rows = self.evaluated.iter().zip(&self.declared);
        for ((assessed, missing), (evaluated, declared)) in self.assessed.iter_mut().zip(&mut self.missing).zip(rows) {
            *missing = required.0 & !evaluated;
            let holds = [declared.is_none(), *missing == 0, *evaluated != 0].map(u32::from);
            *assessed = holds.into_iter().fold(1, BitAnd::bitand) * u32::MAX;
        }
        pick(above, targets, &mut self.unmet);
        for sets in [&mut self.unmet, &mut self.worst] {
            sets.iter_mut().zip(&self.assessed).for_each(|(set, assessed)| *set &= assessed);
        }
    }
}
