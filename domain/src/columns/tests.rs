//! Columns against the decimal path: the same verdict, class, counts and sets, on the limits and beside them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rust_decimal::{Decimal, dec};
use strum::IntoEnumIterator as _;

use super::*;
use crate::assessment::{Assessment, Verdict};
use crate::indicator::Direction;
use crate::monthly::{Basis, Derived, PeriodValue, value_over};
use crate::period::Month;
use crate::plan::rules::{Comparison, RuleSet};
use crate::reading::{Amount, Source};
use crate::standard::{self, PH_RANGE};

/// One section-period as the decimal path takes it.
#[derive(Debug, Clone)]
struct Case {
    values: BTreeMap<Indicator, Derived>,
    body: Body,
    target: Target,
    declared: Option<Reason>,
}

fn amounts_of(indicator: Indicator) -> BoxedStrategy<Amount> {
    let limits: Vec<Decimal> = if indicator.direction() == Direction::Range {
        vec![PH_RANGE.0, PH_RANGE.1]
    } else {
        let rows = standard::TABLE_1.iter().filter(|row| row.indicator == indicator);
        rows.flat_map(|row| row.limits).collect()
    };
    // Steps at the places that are kept, just beyond them, and at the last place a decimal has.
    let step = select(vec![
        dec!(0),
        dec!(0.001),
        dec!(0.0001),
        dec!(0.00001),
        dec!(0.0000001),
        dec!(0.00000001),
        dec!(0.0000000000000000000000001),
    ]);
    let beside = (select(if limits.is_empty() { vec![dec!(1)] } else { limits }), step, any::<bool>())
        .prop_map(|(limit, step, above)| if above { limit + step } else { (limit - step).max(Decimal::ZERO) });
    let anywhere = (0i64..1_000_000_000, 0u32..20).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale));
    let huge = select(vec![dec!(1.6383), dec!(16.384), dec!(163.84), dec!(1000000), Decimal::MAX]);
    let number = prop_oneof![6 => beside, 3 => anywhere, 1 => huge];
    (number, prop::bool::weighted(0.25))
        .prop_map(|(number, below)| if below { Amount::Below(number) } else { Amount::Measured(number) })
        .boxed()
}

/// One to three months of an indicator: means are thirds and halves, all below their limits or mixed.
fn derived(indicator: Indicator) -> impl Strategy<Value = Derived> {
    prop::collection::vec(amounts_of(indicator), 1..4).prop_map(move |amounts| {
        let basis = Some(Basis::Manual { source: Source::Municipal, samples: 1 });
        let months = amounts.into_iter().zip(1..).map(|(amount, month)| {
            let value = Some(PeriodValue::of(amount));
            let derived = Derived { value, basis: basis.clone(), left_out: BTreeMap::new() };
            (Month::new(2020, month).expect("a month"), BTreeMap::from([(indicator, derived)]))
        });
        value_over(&months.collect(), 1).remove(&indicator).expect("one month is enough")
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let indicators: Vec<_> = Indicator::iter()
        .map(|indicator| prop::option::weighted(0.9, derived(indicator)).prop_map(move |value| (indicator, value)))
        .collect();
    let targets = select(vec![Target::I, Target::II, Target::III, Target::IV, Target::V]);
    let declared = prop::option::weighted(0.1, select(vec![Reason::Dry, Reason::NoData, Reason::InsufficientData]));
    (indicators, select(vec![Body::River, Body::Lake]), targets, declared).prop_map(
        |(values, body, target, declared)| {
            let values = values.into_iter().filter_map(|(indicator, value)| Some((indicator, value?))).collect();
            Case { values, body, target, declared }
        },
    )
}

/// Few indicators with a value: here the class turns on one of them.
fn sparse_cases() -> impl Strategy<Value = Case> {
    (cases(), prop::sample::subsequence(Indicator::iter().collect::<Vec<_>>(), 1..4)).prop_map(|(mut case, kept)| {
        case.values.retain(|indicator, _| kept.contains(indicator));
        case
    })
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let comparison = select(vec![Comparison::Raw, Comparison::Raw, Comparison::Rounded]);
    let required = select(vec![RuleSet::default().required_indicators, vec![], vec![Indicator::Tp, Indicator::Hg]]);
    (comparison, required).prop_map(|(comparison, required_indicators)| RuleSet {
        comparison,
        required_indicators,
        ..RuleSet::default()
    })
}

fn columns_of(cases: &[Case], rules: &RuleSet) -> Columns {
    let mut columns = Columns::with_capacity(cases.len());
    for case in cases {
        columns.push(cells(&case.values, rules), case.body, case.target, case.declared);
    }
    columns
}

fn by_columns(columns: &Columns, limits: &Limits, rules: &RuleSet) -> Vec<Row> {
    let mut rows = Vec::new();
    assess(columns, limits, rules.required_indicators.iter().copied().collect(), |block| {
        assert_eq!(block.first(), rows.len());
        rows.extend(block.rows());
    });
    rows
}

fn by_decimals(case: &Case, rules: &RuleSet) -> Row {
    let Assessment { verdict, class, unmet, undecidable, missing, indicators, .. } =
        crate::assessment::assess(&case.values, case.body, case.target, case.declared, rules);
    let evaluated = || indicators.iter().filter(|result| result.class.is_some());
    let worst = evaluated().filter(|result| class.is_some() && result.class == class);
    Row {
        verdict,
        class,
        evaluated: evaluated().map(|result| result.indicator).collect(),
        undecidable: undecidable.into_iter().collect(),
        missing: missing.into_iter().collect(),
        unmet: unmet.iter().map(|unmet| unmet.indicator).collect(),
        worst: worst.map(|result| result.indicator).collect(),
    }
}

/// Whether `limits` give the decimal path's results on random cases; the error is proptest's text, of a case
/// simplified in at most `simplifications` steps.
fn compare(limits: &Limits, simplifications: u32) -> Result<(), String> {
    let some_cases = prop::collection::vec(prop_oneof![cases(), sparse_cases()], 1..8);
    let config = Config { failure_persistence: None, max_shrink_iters: simplifications, ..Config::with_cases(256) };
    let outcome = TestRunner::new(config).run(&(some_cases, rules()), |(cases, rules)| {
        let expected: Vec<_> = cases.iter().map(|case| by_decimals(case, &rules)).collect();
        let rows = by_columns(&columns_of(&cases, &rules), limits, &rules);
        if rows == expected { Ok(()) } else { Err(TestCaseError::fail(format!("{rows:?} is not {expected:?}"))) }
    });
    outcome.map_err(|error| error.to_string())
}

#[test]
fn columns_give_what_the_decimal_path_gives() {
    compare(&Limits::standard(), 1_000).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_comparison_notices_limits_that_are_exclusive() {
    let mut limits = Limits::standard();
    limits.lanes.iter_mut().flatten().for_each(|code| *code -= 1);
    compare(&limits, 0).expect_err("a value on its limit is inside");
}

/// Every limit of every indicator and target, on it and beside it by less than any place that is kept.
fn cases_on_limits() -> Vec<Case> {
    const TINY: Decimal = dec!(0.00000000000000000001);
    let mut cases = Vec::new();
    for lane in Lane::all() {
        let row =
            |row: &&standard::Row| row.indicator == lane.indicator() && row.body.is_none_or(|body| body == lane.body());
        let limits = standard::TABLE_1.iter().find(row).map_or(vec![PH_RANGE.0, PH_RANGE.1], |row| row.limits.to_vec());
        for number in limits.iter().flat_map(|limit| [*limit, limit + TINY, limit - TINY]) {
            for amount in [Amount::Measured(number), Amount::Below(number)] {
                for target in [Target::I, Target::II, Target::III, Target::IV, Target::V] {
                    let basis = Some(Basis::Manual { source: Source::Municipal, samples: 1 });
                    let derived = Derived { value: Some(PeriodValue::of(amount)), basis, left_out: BTreeMap::new() };
                    let values = BTreeMap::from([(lane.indicator(), derived)]);
                    cases.push(Case { values, body: lane.body(), target, declared: None });
                }
            }
        }
    }
    cases
}

#[test]
fn every_limit_is_compared_as_the_decimal_path_compares_it_and_one_off_by_the_smallest_step_is_not() {
    let rules = RuleSet { required_indicators: vec![], ..RuleSet::default() };
    let cases = cases_on_limits();
    assert!(cases.len() > 2 * ROWS_PER_BLOCK, "several blocks, and a last one that is not full");
    let expected: Vec<_> = cases.iter().map(|case| by_decimals(case, &rules)).collect();
    let columns = columns_of(&cases, &rules);
    for ((case, row), expected) in cases.iter().zip(by_columns(&columns, &Limits::standard(), &rules)).zip(&expected) {
        assert_eq!(row, *expected, "{case:?}");
    }
    for lane in Lane::all() {
        for (class, shift) in (0..5).flat_map(|class| [(class, -1), (class, 1)]) {
            let mut limits = Limits::standard();
            limits.lanes[lane.0][class] += shift;
            let shifted = by_columns(&columns, &limits, &rules);
            assert!(shifted != expected, "{} in {:?}, class {class} by {shift}", lane.indicator(), lane.body());
        }
    }
}

fn cell(indicator: Indicator, amount: &str) -> Cell {
    Cell::of(indicator, &PeriodValue::of(amount.parse().expect(amount)), &RuleSet::default()).expect("assessed")
}

/// Rows with one value of ammonia each; nothing is required.
fn ammonia(amounts: &[&str], target: Target) -> Columns {
    let mut columns = Columns::default();
    for amount in amounts {
        columns.push([(Indicator::Nh3n, cell(Indicator::Nh3n, amount))], Body::River, target, None);
    }
    columns
}

fn verdicts(columns: &Columns, limits: &Limits) -> Vec<Verdict> {
    let rules = RuleSet { required_indicators: vec![], ..RuleSet::default() };
    by_columns(columns, limits, &rules).iter().map(|row| row.verdict).collect()
}

#[test]
fn a_changed_value_target_or_limit_changes_what_depends_on_it() {
    let mut columns = ammonia(&["0.4", "0.9", "1.5L"], Target::III);
    let standard = Limits::standard();
    let insufficient = Verdict::Unassessed(Reason::InsufficientData);
    assert_eq!(verdicts(&columns, &standard), [Verdict::Met, Verdict::Met, insufficient]);
    columns.retarget(|row, target| if row == 1 { Target::II } else { target });
    assert_eq!(verdicts(&columns, &standard), [Verdict::Met, Verdict::Unmet, insufficient]);
    columns.set(2, Indicator::Nh3n, Some(cell(Indicator::Nh3n, "0.2")));
    columns.set(0, Indicator::Nh3n, None);
    assert_eq!(verdicts(&columns, &standard), [insufficient, Verdict::Unmet, Verdict::Met]);
    let looser = [dec!(0.15), dec!(0.9), dec!(1), dec!(1.5), dec!(2)];
    let looser = Limits::standard().with(Indicator::Nh3n, Body::River, looser).expect("fits");
    assert_eq!(verdicts(&columns, &looser), [insufficient, Verdict::Met, Verdict::Met]);
}

#[test]
fn limits_that_have_no_exact_code_are_refused() {
    let with = |indicator, limits| Limits::standard().with(indicator, Body::River, limits).err();
    for (indicator, limit, places, most) in [
        (Indicator::Hg, dec!(0.00000001), 7, dec!(0.0016383)),
        (Indicator::Cod, dec!(163.84), 2, dec!(163.83)),
        (Indicator::Do, dec!(-1), 3, dec!(16.383)),
    ] {
        assert_eq!(with(indicator, [limit; 5]), Some(UnfitLimit::OutOfRange { indicator, limit, places, most }));
    }
    assert_eq!(with(Indicator::Cod, [dec!(163.83); 5]), None);
    let falling = [dec!(5), dec!(4), dec!(3), dec!(2), dec!(1)];
    assert_eq!(with(Indicator::Do, falling), None);
    assert_eq!(with(Indicator::Cod, falling), Some(UnfitLimit::Unordered { indicator: Indicator::Cod }));
    assert_eq!(with(Indicator::Ph, [dec!(9); 5]), Some(UnfitLimit::Fixed { indicator: Indicator::Ph }));
    assert_eq!(with(Indicator::Tn, [dec!(1); 5]), Some(UnfitLimit::Fixed { indicator: Indicator::Tn }));
}

#[test]
fn a_tally_counts_every_row_once() {
    let amounts: Vec<_> = ["0.1", "0.4", "0.9", "1.4", "1.9", "5", "3L"].into_iter().cycle().take(1_400).collect();
    let mut tally = Tally::default();
    assess(&ammonia(&amounts, Target::III), &Limits::standard(), IndicatorSet::default(), |block| tally.add(block));
    assert_eq!(tally, Tally { classes: [200; 6], met: 600, unmet: 600, unassessed: 200 });
}

#[test]
fn an_unassessed_period_neither_adds_to_a_run_nor_ends_it() {
    let (met, unmet, dry) = (Verdict::Met, Verdict::Unmet, Verdict::Unassessed(Reason::Dry));
    assert_eq!(longest_unmet_run([]), 0);
    assert_eq!(longest_unmet_run([unmet, dry, unmet, met, unmet]), 2);
    assert_eq!(longest_unmet_run([met, unmet, met, unmet, unmet, unmet, dry]), 3);
}
