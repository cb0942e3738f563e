//! A value as one integer that compares with limits as the exact value does.
//!
//! The code of a number is twice its units of the last place that its column keeps, rounded down, plus one if anything
//! was cut off. A limit that needs no more places has an even code, and a number lies above the limit exactly when its
//! code does: digits beyond the last place leave the odd bit. Numbers too large for 16 bits all take the largest code,
//! which is above every limit that [`super::Limits`] accepts.
//!
//! "Worse" is "larger" in every column: dissolved oxygen is kept negated, pH as its distance from the middle of the range.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, dec};

use super::lane::{LANES, Lane};
use super::{Lanes, ROWS_PER_BLOCK};
use crate::indicator::{Direction, Indicator};
use crate::monthly::{Derived, PeriodValue};
use crate::plan::rules::{Comparison, RuleSet};
use crate::standard::{Body, PH_RANGE};
use crate::value::Value;

/// The code of a value that is not there; smaller than the code of every number.
pub(super) const MISSING: i16 = i16::MIN;
/// Columns of a block without a value.
pub(super) static NO_VALUES: Lanes = [[MISSING; ROWS_PER_BLOCK]; LANES];
/// The largest code; that of a number has the odd bit, which no limit has.
const CODE_MAX: i16 = i16::MAX;

/// One value of one indicator, in the form that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub(super) value: i16,
    pub(super) below: i16,
}

impl Cell {
    /// The cell of a period's value under `rules`, which may round it first; none for an indicator that is not assessed.
    /// Cells of pH and dissolved oxygen have no detection limit: they are never undecidable.
    pub fn of(indicator: Indicator, period: &PeriodValue, rules: &RuleSet) -> Option<Self> {
        // Phosphorus keeps as many places in lakes as in rivers.
        let lane = Lane::of(indicator, Body::River)?;
        let value = match rules.comparison {
            Comparison::Raw => code_of(lane, &period.value),
            Comparison::Rounded => code_of(lane, &period.value.rounded(rules.decimals(indicator))),
        };
        let below = period.below.filter(|_| indicator.has_multiple());
        Some(Self { value, below: below.map_or(MISSING, |limit| code(&Value::from(limit), lane.places())) })
    }
}

/// The cells of a section's values in a period.
pub fn cells(values: &BTreeMap<Indicator, Derived>, rules: &RuleSet) -> impl Iterator<Item = (Indicator, Cell)> {
    values
        .iter()
        .filter_map(|(indicator, derived)| Some((*indicator, Cell::of(*indicator, derived.value.as_ref()?, rules)?)))
}

/// The code of a value in its column.
fn code_of(lane: Lane, value: &Value) -> i16 {
    match lane.indicator().direction() {
        Direction::AtMost => code(value, lane.places()),
        Direction::AtLeast => -code(value, lane.places()),
        Direction::Range => code(&value.distance(&Value::from(middle_of_range())), lane.places()),
    }
}

/// The code of a limit; none for one that has more places than the column keeps, or is not below the largest code.
pub(super) fn code_of_limit(lane: Lane, limit: Decimal) -> Option<i16> {
    let code = code(&Value::from(limit), lane.places());
    let fits = code % 2 == 0 && code > -CODE_MAX && code < CODE_MAX;
    fits.then_some(match lane.indicator().direction() {
        Direction::AtMost | Direction::Range => code,
        Direction::AtLeast => -code,
    })
}

/// The largest limit that has a code, mg/L.
pub(super) fn largest_limit(lane: Lane) -> Decimal {
    Decimal::new(i64::from(CODE_MAX / 2), u32::from(lane.places()))
}

/// How far from the middle of the range pH may lie.
pub(super) fn half_range() -> Decimal {
    PH_RANGE.1 - middle_of_range()
}

fn middle_of_range() -> Decimal {
    (PH_RANGE.0 + PH_RANGE.1) * dec!(0.5)
}

fn code(value: &Value, places: u8) -> i16 {
    let (units, more) = value.floor_at(places);
    let code = units.saturating_mul(2).saturating_add(i64::from(more));
    i16::try_from(code.clamp(i64::from(-CODE_MAX), i64::from(CODE_MAX))).expect("clamped to 16 bits")
}
