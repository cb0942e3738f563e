//! The rows that are measured: drawn from pools of values, most of good water, some beyond every limit.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use bishui_domain::columns::{Cell, Columns};
use bishui_domain::indicator::{Direction, Indicator};
use bishui_domain::monthly::PeriodValue;
use bishui_domain::plan::rules::RuleSet;
use bishui_domain::reading::Amount;
use bishui_domain::standard::{self, Body, PH_RANGE, Target};
use bishui_tests::dice::Dice;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Failure;

/// Different values of one column.
const POOL: usize = 4_096;
/// One value in so many is missing.
const MISSING_EVERY: u64 = 50;
/// One value in so many may lie beyond the limits of class Ⅴ.
const POLLUTED_EVERY: u64 = 40;
/// One row in so many is a lake.
const LAKE_EVERY: usize = 4;
/// Columns whose smaller values lie below a detection limit, where such are asked for.
const TRACES: [Indicator; 10] = [
    Indicator::Cu,
    Indicator::Zn,
    Indicator::As,
    Indicator::Hg,
    Indicator::Cd,
    Indicator::Cr6,
    Indicator::Pb,
    Indicator::Cn,
    Indicator::Phenol,
    Indicator::Sulfide,
];
/// Places after the point of a drawn value.
const PLACES: u32 = 7;

/// A value as both sides take it.
pub(super) struct Drawn {
    value: PeriodValue,
    cell: Cell,
    number: Decimal,
}

/// A pool for each of the 21 indicators; `None` is a missing value.
pub(super) type Pools = Vec<(Indicator, Vec<Option<Drawn>>)>;

/// The pools; with `below`, small values of ten indicators lie below their detection limit.
pub(super) fn pools(below: bool) -> Pools {
    let (mut draws, rules) = (Dice::new(1), RuleSet::default());
    let mut pool = |indicator| {
        let mut one = || {
            if draws.below(MISSING_EVERY) == 0 {
                return None;
            }
            let polluted = draws.below(POLLUTED_EVERY) == 0;
            let number = draw(indicator, polluted, &mut draws);
            let traced = below && TRACES.contains(&indicator) && !polluted;
            let amount = if traced { Amount::Below(number) } else { Amount::Measured(number) };
            let value = PeriodValue::of(amount);
            Some(Drawn { cell: Cell::of(indicator, &value, &rules)?, value, number })
        };
        (0..POOL).map(|_| one()).collect()
    };
    Indicator::assessed().map(|indicator| (indicator, pool(indicator))).collect()
}

fn draw(indicator: Indicator, polluted: bool, draws: &mut Dice) -> Decimal {
    let units = |limit: Decimal| {
        let mut units = limit;
        units.rescale(PLACES);
        u64::try_from(units.mantissa()).unwrap_or(0)
    };
    let limits = standard::TABLE_1.iter().find(|row| row.indicator == indicator).map(|row| row.limits.map(units));
    let (from, to) = match (indicator.direction(), limits, polluted) {
        (Direction::AtLeast, Some([one, ..]), false) => (one, one * 2),
        (Direction::AtLeast, Some([one, ..]), true) => (0, one),
        (_, Some([_, two, ..]), false) => (0, two),
        (_, Some([.., five]), true) => (0, five + five / 3),
        (_, None, false) => (units(PH_RANGE.0), units(PH_RANGE.1)),
        (_, None, true) => (units(PH_RANGE.0) - 10_000_000, units(PH_RANGE.1) + 10_000_000),
    };
    Decimal::new(i64::try_from(from + draws.below(to - from + 1)).unwrap_or(0), PLACES)
}

/// The place in the pool of a row's value.
fn place(row: usize, column: usize) -> usize {
    usize::try_from(Dice::new((row as u64) << 8 | column as u64).below(POOL as u64)).unwrap_or(0)
}

fn body(row: usize) -> Body {
    if row.is_multiple_of(LAKE_EVERY) { Body::Lake } else { Body::River }
}

/// The rows as columns of cells that were made before.
pub(super) fn columns(pools: &Pools, rows: usize) -> Columns {
    columns_of(pools, rows, |_, drawn| Some(drawn.cell))
}

/// The rows as columns, every cell made anew from its exact value.
pub(super) fn columns_of_values(pools: &Pools, rows: usize) -> Columns {
    let rules = RuleSet::default();
    columns_of(pools, rows, |indicator, drawn| Cell::of(indicator, &drawn.value, &rules))
}

fn columns_of(pools: &Pools, rows: usize, cell: impl Fn(Indicator, &Drawn) -> Option<Cell>) -> Columns {
    let mut columns = Columns::with_capacity(rows);
    for row in 0..rows {
        let cells = pools.iter().enumerate().filter_map(|(column, (indicator, pool))| {
            let drawn = pool[place(row, column)].as_ref()?;
            Some((*indicator, cell(*indicator, drawn)?))
        });
        columns.push(cells, body(row), Target::III, None);
    }
    columns
}

/// Writes the rows for the other side: phosphorus of rivers and of lakes in two columns, missing values negative.
pub(super) fn write(pools: &Pools, rows: usize, path: &Path) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    let lake = pools.iter().position(|(indicator, _)| *indicator == Indicator::Tp).ok_or("phosphorus is assessed")?;
    let order = (0..pools.len()).map(|column| (column, Body::River)).chain([(lake, Body::Lake)]);
    for (column, of) in order {
        let (indicator, pool) = &pools[column];
        let floats: Vec<f64> = pool
            .iter()
            .map(|drawn| drawn.as_ref().map_or(Ok(-1.0), |drawn| drawn.number.to_string().parse()))
            .collect::<Result<_, _>>()?;
        for row in 0..rows {
            let elsewhere = *indicator == Indicator::Tp && body(row) != of;
            let value = if elsewhere { -1.0 } else { floats[place(row, column)] };
            file.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}

/// The table for the other side: direction and limits of every column.
pub(super) fn table() -> Value {
    let limits = |indicator, body| -> Vec<Value> {
        let targets = [Target::I, Target::II, Target::III, Target::IV, Target::V];
        let number = |limit: Decimal| limit.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::from);
        let by_class: Option<Vec<_>> = targets.iter().map(|class| standard::limit(indicator, body, *class)).collect();
        by_class.unwrap_or_else(|| vec![PH_RANGE.0, PH_RANGE.1]).into_iter().map(number).collect()
    };
    let order = Indicator::assessed().map(|indicator| (indicator, Body::River)).chain([(Indicator::Tp, Body::Lake)]);
    let column = |(indicator, body): (Indicator, Body)| {
        let direction = match indicator.direction() {
            Direction::AtMost => "at_most",
            Direction::AtLeast => "at_least",
            Direction::Range => "range",
        };
        json!([direction, limits(indicator, body)])
    };
    order.map(column).collect()
}
