//! The loops: a block of rows at a time, small enough that what is collected for it stays in the nearest cache.
//!
//! Every loop runs over slices of one length without a branch in its body, which the compiler turns into vector
//! instructions of whatever width the target has.

use std::ops::BitAnd;

use super::cell::MISSING;
use super::lane::Lane;
use super::{Columns, IndicatorSet, Lanes, Limits, Values};
use crate::assessment::{Reason, Verdict};
use crate::standard::{Target, WaterClass};

/// Rows of a block, the last one apart.
pub const ROWS_PER_BLOCK: usize = 512;

/// One number for every row of a block.
type Numbers = [u16; ROWS_PER_BLOCK];
/// Half of a set of indicators for every row: the first sixteen indicators, or the others. Numbers as wide as the
/// values let one instruction work on as many rows of either.
type Halves = [Numbers; 2];
/// For every class Ⅰ to Ⅴ and every row: the indicators above the class's limit.
type Above = [Halves; 5];

const NONE: Halves = [[0; ROWS_PER_BLOCK]; 2];
const NONE_ABOVE: Above = [NONE; 5];

/// The assessments of up to [`ROWS_PER_BLOCK`] rows.
pub struct Block {
    first: usize,
    len: usize,
    targets: [Target; ROWS_PER_BLOCK],
    declared: [Option<Reason>; ROWS_PER_BLOCK],
    /// All bits for a row that is assessed, none for one that is not.
    assessed: Numbers,
    /// Number of classes exceeded: 0 for class Ⅰ, 5 for inferior Ⅴ.
    class: Numbers,
    evaluated: Halves,
    undecidable: Halves,
    missing: Halves,
    unmet: Halves,
    worst: Halves,
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
            targets: [Target::I; ROWS_PER_BLOCK],
            declared: [None; ROWS_PER_BLOCK],
            assessed: [0; ROWS_PER_BLOCK],
            class: [0; ROWS_PER_BLOCK],
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
            None if set(&self.unmet, at).is_empty() => Verdict::Met,
            None => Verdict::Unmet,
        };
        Row {
            verdict,
            class: assessed.then(|| CLASSES[usize::from(self.class[at])]),
            evaluated: set(&self.evaluated, at),
            undecidable: set(&self.undecidable, at),
            missing: set(&self.missing, at),
            unmet: set(&self.unmet, at),
            worst: set(&self.worst, at),
        }
    }

    /// Rows of each class, Ⅰ to inferior Ⅴ, among those assessed.
    pub(super) fn classes(&self) -> [u16; 6] {
        [0, 1, 2, 3, 4, 5].map(|class: u16| {
            let rows = self.class[..self.len].iter().zip(&self.assessed);
            rows.map(|(own, assessed)| u16::from(*own == class) & assessed).sum()
        })
    }

    /// Rows that are unmet.
    pub(super) fn unmet(&self) -> u16 {
        let [first, second] = &self.unmet;
        first[..self.len].iter().zip(second).map(|(first, second)| u16::from(first | second != 0)).sum()
    }
}

/// The set of the row at this place.
fn set([first, second]: &Halves, at: usize) -> IndicatorSet {
    IndicatorSet(u32::from(first[at]) | u32::from(second[at]) << u16::BITS)
}

/// Assesses all rows against `limits` and gives them to `each`, a block at a time, in order.
pub fn assess(columns: &Columns, limits: &Limits, required: IndicatorSet, mut each: impl FnMut(&Block)) {
    let mut block = Box::new(Block::empty());
    let (mut above, mut undecidable) = (Box::new(NONE_ABOVE), Box::new(NONE_ABOVE));
    for (number, Values { values, below }) in columns.blocks.iter().enumerate() {
        let first = number * ROWS_PER_BLOCK;
        let rows = first..columns.rows().min(first + ROWS_PER_BLOCK);
        (block.first, block.len) = (first, rows.len());
        (*above, block.evaluated) = (NONE_ABOVE, NONE);
        collect(values, limits, &mut above, Some(&mut block.evaluated));
        block.declared[..rows.len()].copy_from_slice(&columns.declared[rows.clone()]);
        block.targets[..rows.len()].copy_from_slice(&columns.targets[rows]);
        block.undecidable = NONE;
        if let Some(below) = below {
            *undecidable = NONE_ABOVE;
            collect(below, limits, &mut undecidable, None);
            block.leave_out(&mut above, &undecidable);
        }
        block.conclude(&above, required);
        each(&block);
    }
}

/// Collects the indicators above each class's limit, and those that are present.
fn collect(values: &Lanes, limits: &Limits, above: &mut Above, mut present: Option<&mut Halves>) {
    for lane in Lane::all() {
        let (values, limits, indicator) = (&values[lane.0], &limits.lanes[lane.0], lane.indicator() as usize);
        let (half, bit) = (indicator / 16, 1 << (indicator % 16));
        if let Some(present) = &mut present {
            collect_present(values, bit, &mut present[half]);
        }
        collect_above(values, limits, bit, above.each_mut().map(|halves| &mut halves[half]));
    }
}

fn collect_present(values: &[i16; ROWS_PER_BLOCK], bit: u16, present: &mut Numbers) {
    for (present, value) in present.iter_mut().zip(values) {
        *present |= u16::from(*value != MISSING) * bit;
    }
}

fn collect_above(values: &[i16; ROWS_PER_BLOCK], limits: &[i16; 5], bit: u16, above: [&mut Numbers; 5]) {
    let [one, two, three, four, five] = above;
    let above = one.iter_mut().zip(two).zip(three).zip(four).zip(five);
    for (value, ((((one, two), three), four), five)) in values.iter().zip(above) {
        *one |= u16::from(*value > limits[0]) * bit;
        *two |= u16::from(*value > limits[1]) * bit;
        *three |= u16::from(*value > limits[2]) * bit;
        *four |= u16::from(*value > limits[3]) * bit;
        *five |= u16::from(*value > limits[4]) * bit;
    }
}

/// The set of each row's target class.
fn pick(above: [&Numbers; 5], targets: &[Target; ROWS_PER_BLOCK], picked: &mut Numbers) {
    let [one, two, three, four, five] = above;
    let above = one.iter().zip(two).zip(three).zip(four).zip(five);
    for ((picked, target), ((((one, two), three), four), five)) in picked.iter_mut().zip(targets).zip(above) {
        let of = |class: Target, set: &u16| u16::from(*target == class) * set;
        let (better, worse) = (of(Target::I, one) | of(Target::II, two), of(Target::IV, four) | of(Target::V, five));
        *picked = better | of(Target::III, three) | worse;
    }
}

impl Block {
    /// Takes the indicators that cannot be judged out of all sets.
    fn leave_out(&mut self, above: &mut Above, undecidable: &Above) {
        for half in 0..2 {
            pick(undecidable.each_ref().map(|halves| &halves[half]), &self.targets, &mut self.undecidable[half]);
            for sets in above.iter_mut().chain([&mut self.evaluated]) {
                sets[half].iter_mut().zip(&self.undecidable[half]).for_each(|(set, cannot)| *set &= !cannot);
            }
        }
    }

    /// From the sets of each class to the verdict of each row.
    fn conclude(&mut self, above: &Above, required: IndicatorSet) {
        self.class = [0; ROWS_PER_BLOCK];
        self.worst = self.evaluated;
        for [first, second] in above {
            let [worst_first, worst_second] = &mut self.worst;
            let worst = worst_first.iter_mut().zip(worst_second);
            for ((class, worst), (first, second)) in self.class.iter_mut().zip(worst).zip(first.iter().zip(second)) {
                let exceeded = u16::from(first | second != 0);
                let (kept, taken) = (exceeded.wrapping_sub(1), exceeded.wrapping_neg());
                *class += exceeded;
                *worst.0 = *worst.0 & kept | first & taken;
                *worst.1 = *worst.1 & kept | second & taken;
            }
        }
        let needed = [required.0 & u32::from(u16::MAX), required.0 >> u16::BITS];
        let needed = needed.map(|half| u16::try_from(half).expect("half of the bits"));
        let ([first, second], [missing_first, missing_second]) = (&self.evaluated, &mut self.missing);
        let missing = missing_first.iter_mut().zip(missing_second);
        let rows = first.iter().zip(second).zip(&self.declared);
        for ((assessed, missing), ((first, second), declared)) in self.assessed.iter_mut().zip(missing).zip(rows) {
            (*missing.0, *missing.1) = (needed[0] & !first, needed[1] & !second);
            let holds = [declared.is_none(), *missing.0 | *missing.1 == 0, first | second != 0].map(u16::from);
            *assessed = holds.into_iter().fold(1, BitAnd::bitand) * u16::MAX;
        }
        for half in 0..2 {
            pick(above.each_ref().map(|halves| &halves[half]), &self.targets, &mut self.unmet[half]);
            for sets in [&mut self.unmet[half], &mut self.worst[half]] {
                sets.iter_mut().zip(&self.assessed).for_each(|(set, assessed)| *set &= assessed);
            }
        }
    }
}
