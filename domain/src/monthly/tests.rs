//! R2, step by step.

use jiff::civil::date;

use super::*;
use crate::reading::{ReadingKey, Status};

fn reading(day: i8, source: Source, value: &str) -> Reading {
    let at = date(2020, 1, day).at(4, 0, 0, 0);
    let key = ReadingKey { at, source, indicator: Indicator::Nh3n };
    Reading { key, value: value.parse().expect(value), status: Status::Normal }
}

fn value_of(readings: &[Reading], rules: &RuleSet) -> Option<(String, Option<Decimal>)> {
    let derived = monthly_value(&readings.iter().collect::<Vec<_>>(), Indicator::Nh3n, rules);
    derived.value.map(|value| (value.value.to_string(), value.below))
}

fn rules(days: u32) -> RuleSet {
    RuleSet { automatic_days_min: days, ..RuleSet::default() }
}

#[test]
fn automatic_values_are_the_mean_of_daily_means() {
    let mut readings = vec![reading(1, Source::Automatic, "1"), reading(2, Source::Automatic, "4")];
    let mut later = reading(1, Source::Automatic, "2");
    later.key.at = date(2020, 1, 1).at(8, 0, 0, 0);
    readings.push(later);
    assert_eq!(value_of(&readings, &rules(2)), Some(("2.75".to_owned(), None)));
}

#[test]
fn with_too_few_valid_days_manual_samples_are_used() {
    let readings =
        [reading(1, Source::Automatic, "9"), reading(5, Source::Municipal, "2"), reading(6, Source::Municipal, "3")];
    assert_eq!(value_of(&readings, &rules(2)), Some(("2.5".to_owned(), None)));
    assert_eq!(value_of(&readings, &rules(1)), Some(("9".to_owned(), None)));
}

#[test]
fn the_first_source_with_a_usable_value_is_used_alone() {
    let mut national = reading(3, Source::National, "7");
    let provincial = reading(5, Source::Provincial, "2");
    assert_eq!(value_of(&[national.clone(), provincial.clone()], &rules(15)), Some(("7".to_owned(), None)));
    national.status = Status::from("维护".to_owned());
    assert_eq!(value_of(&[national, provincial], &rules(15)), Some(("2".to_owned(), None)));
}

#[test]
fn a_reading_out_of_use_is_counted_with_its_reason_and_never_used() {
    let mut stopped = reading(1, Source::Municipal, "9");
    stopped.status = Status::from("停站".to_owned());
    let derived = monthly_value(&[&stopped], Indicator::Nh3n, &rules(15));
    assert_eq!(derived.value, None);
    assert_eq!(derived.left_out, BTreeMap::from([(LeftOut::OutOfUse, 1)]));
}

#[test]
fn automatic_readings_of_other_indicators_are_not_used() {
    let mut cod = reading(1, Source::Automatic, "9");
    cod.key.indicator = Indicator::Cod;
    let derived = monthly_value(&[&cod], Indicator::Cod, &rules(1));
    assert_eq!((derived.value, derived.left_out), (None, BTreeMap::from([(LeftOut::NotAutomaticIndicator, 1)])));
}

#[test]
fn a_mean_keeps_the_largest_limit_only_when_every_member_is_below_its_own() {
    let below = [reading(1, Source::Municipal, "0.04L"), reading(2, Source::Municipal, "0.02L")];
    assert_eq!(value_of(&below, &rules(15)), Some(("0.015".to_owned(), Some(rust_decimal::dec!(0.04)))));
    let mixed = [reading(1, Source::Municipal, "0.04L"), reading(2, Source::Municipal, "0.10")];
    assert_eq!(value_of(&mixed, &rules(15)), Some(("0.06".to_owned(), None)));
}

#[test]
fn a_quarter_needs_two_monthly_values_of_the_indicator() {
    let month = |number| Month::new(2020, number).expect("valid");
    let values = |text| {
        BTreeMap::from([(
            Indicator::Nh3n,
            monthly_value(&[&reading(1, Source::Municipal, text)], Indicator::Nh3n, &rules(15)),
        )])
    };
    let one = BTreeMap::from([(month(1), values("1")), (month(2), BTreeMap::new())]);
    assert_eq!(value_over(&one, QUARTER_MONTHS_MIN)[&Indicator::Nh3n].value, None);
    let two = BTreeMap::from([(month(1), values("1")), (month(3), values("2"))]);
    let derived = &value_over(&two, QUARTER_MONTHS_MIN)[&Indicator::Nh3n];
    assert_eq!(derived.value.as_ref().expect("two months").value.to_string(), "1.5");
    assert_eq!(derived.basis, Some(Basis::Months { months: vec![month(1), month(3)] }));
}
