//! Values of months, quarters and years from the cells on the table, and how numbers are written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

use crate::book::{Book, Figure};
use crate::limits;
use crate::naive::Slip;

/// Where a cell lies: section, month, indicator, time, source.
pub(crate) type Place = (String, i32, &'static str, DateTime, &'static str);

/// A reading on the table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) figure: Figure,
    pub(crate) status: &'static str,
    /// The act that imported it; `None` once a revision set it: a corrected value counts as there from the first.
    pub(crate) imported: Option<usize>,
}

/// A value: the number, and the detection limit where nothing of it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Val {
    pub(crate) number: BigRational,
    pub(crate) detection: Option<BigRational>,
}

/// What a judgement looks at: the table as it was known at an act, corrections included.
pub(crate) struct View<'a> {
    pub(crate) book: &'a Book,
    pub(crate) cells: &'a BTreeMap<Place, Cell>,
    /// Declared sections and months with the act that declared them.
    pub(crate) declared: &'a BTreeMap<(String, crate::book::Round), (usize, &'static str)>,
    pub(crate) before: usize,
}

fn mean(values: &[Val]) -> Option<Val> {
    if values.is_empty() {
        return None;
    }
    let sum: BigRational = values.iter().map(|value| value.number.clone()).sum();
    let number = sum / BigRational::from_integer(BigInt::from(values.len()));
    let detection = if values.iter().all(|value| value.detection.is_some()) {
        values.iter().filter_map(|value| value.detection.clone()).max()
    } else {
        None
    };
    Some(Val { number, detection })
}

fn half(number: &BigRational) -> BigRational {
    number / BigRational::from_integer(BigInt::from(2))
}

impl View<'_> {
    fn usable(&self, section: &str, month: i32, code: &'static str) -> Vec<(DateTime, &'static str, Val)> {
        let first = (section.to_owned(), month, code, DateTime::MIN, "");
        let last = (section.to_owned(), month, code, DateTime::MAX, "\u{10ffff}");
        let mut found = Vec::new();
        for ((_, _, _, time, source), cell) in self.cells.range(first..=last) {
            let known = cell.imported.is_none_or(|act| act < self.before);
            if known && cell.status.is_empty() {
                let number = &cell.figure.number;
                let value = if cell.figure.below {
                    Val { number: half(number), detection: Some(number.clone()) }
                } else {
                    Val { number: number.clone(), detection: None }
                };
                found.push((*time, *source, value));
            }
        }
        found
    }

    /// R2: the value of a month.
    pub(crate) fn month(&self, section: &str, month: i32, code: &'static str) -> Option<Val> {
        let usable = self.usable(section, month, code);
        if ["ph", "do", "codmn", "nh3n", "tp"].contains(&code) {
            let days: BTreeSet<Date> =
                usable.iter().filter(|one| one.1 == "automatic").map(|one| one.0.date()).collect();
            if !days.is_empty() && days.len() >= self.book.rules.automatic_days_min {
                let of_day = |day: &Date| {
                    let one_day = usable.iter().filter(|one| one.1 == "automatic" && one.0.date() == *day);
                    mean(&one_day.map(|one| one.2.clone()).collect::<Vec<_>>())
                };
                return mean(&days.iter().filter_map(of_day).collect::<Vec<_>>());
            }
        }
        for source in &self.book.rules.manual_precedence {
            let samples: Vec<Val> = usable.iter().filter(|one| one.1 == *source).map(|one| one.2.clone()).collect();
            if !samples.is_empty() {
                return mean(&samples);
            }
        }
        None
    }

    /// R2: the mean of at least `least` months in which the section is active and not declared.
    pub(crate) fn span(
        &self,
        section: &str,
        months: std::ops::RangeInclusive<i32>,
        code: &'static str,
        least: usize,
    ) -> Option<Val> {
        let line = self.book.section(section).expect("a section of the plan");
        let counted = |month: &i32| {
            let declared = self.declared.get(&(section.to_owned(), crate::book::Round::Month(*month)));
            line.active_in(*month) && declared.is_none_or(|(act, _)| *act >= self.before)
        };
        let values: Vec<Val> = months.filter(counted).filter_map(|month| self.month(section, month, code)).collect();
        if values.len() < least { None } else { mean(&values) }
    }
}

/// Rounded to so many places, half to even; a slip may round half up.
pub(crate) fn rounded(number: &BigRational, places: u32, slip: Slip) -> BigRational {
    let scale = BigRational::from_integer(BigInt::from(10).pow(places));
    let scaled = number * &scale;
    let floor = scaled.floor();
    let rest = &scaled - &floor;
    let middle = BigRational::new(BigInt::from(1), BigInt::from(2));
    let odd = !(floor.to_integer() % BigInt::from(2)).is_zero();
    let up = rest > middle || (rest == middle && (odd || slip == Slip::HalfUp));
    (if up { floor + BigRational::from_integer(BigInt::from(1)) } else { floor }) / scale
}

/// With exactly so many places.
pub(crate) fn fixed(number: &BigRational, places: u32) -> String {
    let scale = BigInt::from(10).pow(places);
    let digits = (number * BigRational::from_integer(scale)).to_integer();
    let width = places as usize + 1;
    let text = format!("{:0>width$}", digits.abs().to_string());
    let (whole, fraction) = text.split_at(text.len() - places as usize);
    let sign = if digits.is_negative() { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// In full: up to 28 significant digits, no trailing zeros.
pub(crate) fn in_full(number: &BigRational) -> String {
    if number.is_zero() {
        return "0".to_owned();
    }
    let ten = BigRational::from_integer(BigInt::from(10));
    let (mut scaled, mut places) = (number.abs(), 0);
    while scaled < ten.pow(27) {
        scaled *= &ten;
        places += 1;
    }
    let text = fixed(&rounded(number, places, Slip::None), places);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The codes that a value is looked for.
pub(crate) fn codes() -> Vec<&'static str> {
    limits::codes().collect()
}
