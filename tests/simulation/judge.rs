//! Verdict of one section in one round, and whether one is an improvement on another (R1, R5).

use std::collections::BTreeMap;

use num_rational::BigRational;
use num_traits::{Signed, Zero};

use crate::book::{Round, Section};
use crate::limits;
use crate::naive::Slip;
use crate::values::{Val, View, codes, rounded};

/// An indicator over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) code: &'static str,
    pub(crate) value: BigRational,
    pub(crate) class: usize,
}

/// What came of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The class; `None` for an unassessed section.
    pub(crate) class: Option<usize>,
    pub(crate) evaluated: usize,
    /// Unmet indicators in the order of the standard.
    pub(crate) over: Vec<Over>,
    pub(crate) undecidable: Vec<&'static str>,
    pub(crate) reason: Option<&'static str>,
}

impl Verdict {
    /// Assessed, and worse than the target.
    pub(crate) fn is_unmet(&self) -> bool {
        !self.over.is_empty()
    }

    /// Assessed, and not worse than the target.
    pub(crate) fn is_met(&self) -> bool {
        self.class.is_some() && self.over.is_empty()
    }
}

/// The verdict on a round's section.
pub(crate) fn verdict(view: &View<'_>, section: &Section, round: Round, slip: Slip) -> Verdict {
    let value = |code: &'static str| match round {
        Round::Month(month) => view.month(&section.id, month, code),
        Round::Quarter(_) => view.span(&section.id, round.months(), code, 2),
    };
    let values = codes().into_iter().filter_map(|code| Some((code, value(code)?))).collect();
    let mut verdict = judged(view, section, &values, slip);
    if let Some((_, reason)) = view.declared.get(&(section.id.clone(), round)) {
        verdict.reason = Some(reason);
        verdict.class = None;
        verdict.over.clear();
    }
    verdict
}

/// Whether the year's target is met (contract: Settlement).
pub(crate) fn year_is_met(view: &View<'_>, section: &Section, year: i32, slip: Slip) -> bool {
    let months = year * 12..=year * 12 + 11;
    let least = view.book.rules.annual_months_min;
    let value = |code: &'static str| view.span(&section.id, months.clone(), code, least);
    let values = codes().into_iter().filter_map(|code| Some((code, value(code)?))).collect();
    judged(view, section, &values, slip).is_met()
}

fn judged(view: &View<'_>, section: &Section, values: &BTreeMap<&'static str, Val>, slip: Slip) -> Verdict {
    let rules = &view.book.rules;
    let lake = section.is_lake_water();
    let mut verdict = Verdict { class: None, evaluated: 0, over: vec![], undecidable: vec![], reason: None };
    let mut worst = 0;
    let mut missing = rules.required.clone();
    for code in codes() {
        let Some(value) = values.get(code) else { continue };
        if code != "ph" && code != "do" && slip != Slip::DetectionLimitForgotten {
            let limit = limits::exact(limits::limit_text(code, lake, section.target));
            if value.detection.as_ref().is_some_and(|detection| *detection > limit) {
                verdict.undecidable.push(code);
                continue;
            }
        }
        let number =
            if rules.rounded { rounded(&value.number, limits::places(code), slip) } else { value.number.clone() };
        let class = limits::class_of(code, lake, &number);
        verdict.evaluated += 1;
        missing.retain(|required| *required != code);
        worst = worst.max(class);
        if class > section.target {
            verdict.over.push(Over { code, value: number, class });
        }
    }
    if missing.is_empty() && verdict.evaluated > 0 {
        verdict.class = Some(worst);
    } else {
        verdict.reason = Some("insufficient_data");
        verdict.over.clear();
    }
    verdict
}

/// How far a value lies beyond what it should reach; only compared with itself.
fn excess(over: &Over) -> BigRational {
    let (six, nine) = (limits::exact("6"), limits::exact("9"));
    match over.code {
        "ph" if over.value < six => six - &over.value,
        "ph" if over.value > nine => &over.value - nine,
        "ph" => BigRational::zero(),
        "do" => -over.value.abs(),
        _ => over.value.clone(),
    }
}

/// R5 *improving*: a better class, or the same class and every indicator unmet now was unmet then and is nearer.
pub(crate) fn improves(now: &Verdict, then: &Verdict, slip: Slip) -> bool {
    if now.class != then.class {
        return now.class < then.class;
    }
    now.over.iter().all(|over| {
        let before = then.over.iter().find(|before| before.code == over.code);
        before.is_some_and(|before| {
            excess(over) < excess(before) || (slip == Slip::EqualCountsAsBetter && excess(over) == excess(before))
        })
    })
}
