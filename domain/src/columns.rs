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
    values: [Vec<i16>; LANES],
    /// Detection limits, in rows up to the last one that has one; empty where every value was measured.
    below: [Vec<i16>; LANES],
    bodies: Vec<Body>,
    targets: Vec<Target>,
    declared: Vec<Option<Reason>>,
}

impl Columns {
    /// No rows, with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        let mut columns = Self::default();
        columns.values.iter_mut().for_each(|lane| lane.reserve_exact(rows));
        columns.bodies.reserve_exact(rows);
        columns.targets.reserve_exact(rows);
        columns.declared.reserve_exact(rows);
        columns
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
        self.values.iter_mut().for_each(|lane| lane.push(cell::MISSING));
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
        self.values[lane][row] = cell.map_or(cell::MISSING, |cell| cell.value);
        let below = cell.map_or(cell::MISSING, |cell| cell.below);
        let limits = &mut self.below[lane];
        if below != cell::MISSING && limits.len() <= row {
            limits.resize(row + 1, cell::MISSING);
        }
        if let Some(limit) = limits.get_mut(row) {
            *limit = below;
        }
    }
}

#[cfg(test)]
mod tests;
