//! A value as one integer that compares with limits as the exact value does.
//!
//! The code of a number is twice its units of the seventh decimal place, rounded down, plus one if anything was cut off.
//! A limit with at most seven places has an even code, and a number lies above the limit exactly when its code does:
//! digits beyond the seventh place leave the odd bit. Numbers too large for 32 bits (above 107 mg/L) all take the
//! largest code, which is above every limit that [`super::Limits`] accepts.
//!
//! "Worse" is "larger" in every column: dissolved oxygen is kept negated, pH as its distance from the middle of the range.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, dec};

use crate::indicator::{Direction, Indicator};
use crate::monthly::{Derived, PeriodValue};
use crate::plan::rules::{Comparison, RuleSet};
use crate::standard::PH_RANGE;
use crate::value::Value;

/// Decimal places that are kept as they are; two more than the finest limit of the standard has.
const PLACES: u8 = 7;
/// The code of a value that is not there; smaller than the code of every number.
pub(super) const MISSING: i32 = i32::MIN;
/// The largest code; that of a number has the odd bit, which no limit has.
const CODE_MAX: i32 = i32::MAX;

/// One value of one indicator, in the form that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub(super) value: i32,
    pub(super) below: i32,
}

impl Cell {
    /// The cell of a period's value under `rules`, which may round it first. Cells of pH and dissolved oxygen have no
    /// detection limit: they are never undecidable.
    pub fn of(indicator: Indicator, period: &PeriodValue, rules: &RuleSet) -> Self {
        let value = match rules.comparison {
            Comparison::Raw => code_of(indicator, &period.value),
            Comparison::Rounded => code_of(indicator, &period.value.rounded(rules.decimals(indicator))),
        };
        let below = period.below.filter(|_| indicator.has_multiple());
        Self { value, below: below.map_or(MISSING, |limit| code(&Value::from(limit))) }
    }
}

/// The cells of a section's values in a period.
pub fn cells(values: &BTreeMap<Indicator, Derived>, rules: &RuleSet) -> impl Iterator<Item = (Indicator, Cell)> {
    values
        .iter()
        .filter_map(|(indicator, derived)| Some((*indicator, Cell::of(*indicator, derived.value.as_ref()?, rules))))
}

/// The code of a value of `indicator`.
fn code_of(indicator: Indicator, value: &Value) -> i32 {
    match indicator.direction() {
        Direction::AtMost => code(value),
        Direction::AtLeast => -code(value),
        Direction::Range => code(&value.distance(&Value::from(middle_of_range()))),
    }
}

/// The code of a limit; none for one that has more places than are kept, or is not below the largest code.
pub(super) fn code_of_limit(indicator: Indicator, limit: Decimal) -> Option<i32> {
    let code = code(&Value::from(limit));
    let fits = code % 2 == 0 && code > -CODE_MAX && code < CODE_MAX;
    fits.then_some(match indicator.direction() {
        Direction::AtMost | Direction::Range => code,
        Direction::AtLeast => -code,
    })
}

/// How far from the middle of the range pH may lie.
pub(super) fn half_range() -> Decimal {
    PH_RANGE.1 - middle_of_range()
}

fn middle_of_range() -> Decimal {
    (PH_RANGE.0 + PH_RANGE.1) * dec!(0.5)
}

fn code(value: &Value) -> i32 {
    let (units, more) = value.floor_at(PLACES);
    let code = units.saturating_mul(2).saturating_add(i64::from(more));
    i32::try_from(code.clamp(i64::from(-CODE_MAX), i64::from(CODE_MAX))).expect("clamped to 32 bits")
}
