//! Many assessments at once, column by column: whole rounds, whole years, and what-if questions (R1).
//!
//! It gives exactly what [`crate::assessment::assess`] gives, without the explanation; a decision is taken and explained
//! by that function alone. A value is kept as a [`Cell`], a 16-bit integer that lies on the same side of every limit as
//! the exact value does, and one comparison a limit decides 8 or more rows at a time.
//!
//! For each row the kernel collects, for every class, the set of indicators whose value exceeds the class's limit. These
//! sets are nested, so the class is the number of them that are not empty, the unmet indicators are the set of the
//! target, and the worst ones are the last set that is not empty.

mod cell;
mod kernel;
mod lane;
mod limits;
mod set;
mod tally;

pub use cell::{Cell, cells};
pub use kernel::{Block, ROWS_PER_BLOCK, Row, assess};
pub use limits::{Limits, UnfitLimit};
pub use set::IndicatorSet;
pub use tally::{Tally, longest_unmet_run};

use crate::assessment::Reason;
use crate::indicator::Indicator;
use crate::standard::{Body, Target};
use lane::{LANES, Lane};

/// Section-periods as columns. A row is one section in one period.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    blocks: Vec<Values>,
    bodies: Vec<Body>,
    targets: Vec<Target>,
    declared: Vec<Option<Reason>>,
}

/// The same rows of every column.
type Lanes = [[i16; ROWS_PER_BLOCK]; LANES];

/// The values of a block's rows: its columns one behind the other, so that a pass over all rows reads memory in order.
#[derive(Debug, Clone)]
struct Values {
    values: Box<Lanes>,
    /// Detection limits, where a row of the block has any.
    below: Option<Box<Lanes>>,
}

impl Columns {
    /// No rows, with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            blocks: Vec::with_capacity(rows.div_ceil(ROWS_PER_BLOCK)),
            bodies: Vec::with_capacity(rows),
            targets: Vec::with_capacity(rows),
            declared: Vec::with_capacity(rows),
        }
    }

    /// Adds a row and gives its number, from 0. Of two cells of one indicator the last one counts.
    pub fn push(
        &mut self,
        cells: impl IntoIterator<Item = (Indicator, Cell)>,
        body: Body,
        target: Target,
        declared: Option<Reason>,
    ) -> usize {
        let row = self.rows();
        if row.is_multiple_of(ROWS_PER_BLOCK) {
            self.blocks.push(Values { values: Box::new(cell::NO_VALUES), below: None });
        }
        self.bodies.push(body);
        self.targets.push(target);
        self.declared.push(declared);
        for (indicator, cell) in cells {
            self.set(row, indicator, Some(cell));
        }
        row
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.targets.len()
    }

    /// The targets of the rows.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Gives every row the target that `of` names for its number and standing target.
    pub fn retarget(&mut self, of: impl Fn(usize, Target) -> Target) {
        for (row, target) in self.targets.iter_mut().enumerate() {
            *target = of(row, *target);
        }
    }

    /// Replaces one value; `None` takes it away. Indicators outside the 21 change nothing.
    ///
    /// # Panics
    /// There is no such row.
    pub fn set(&mut self, row: usize, indicator: Indicator, cell: Option<Cell>) {
        let Some(Lane(lane)) = Lane::of(indicator, self.bodies[row]) else { return };
        let (block, at) = (&mut self.blocks[row / ROWS_PER_BLOCK], row % ROWS_PER_BLOCK);
        block.values[lane][at] = cell.map_or(cell::MISSING, |cell| cell.value);
        let below = cell.map_or(cell::MISSING, |cell| cell.below);
        if below != cell::MISSING && block.below.is_none() {
            block.below = Some(Box::new(cell::NO_VALUES));
        }
        if let Some(limits) = &mut block.below {
            limits[lane][at] = below;
        }
    }
}

#[cfg(test)]
mod tests;
