//! The value of an indicator in a month, a quarter or a year, and what it was made of (R2; 三(二)).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::indicator::Indicator;
use crate::period::Month;
use crate::plan::rules::RuleSet;
use crate::reading::{Amount, Reading, Source};
use crate::value::Value;

/// Monthly values a quarter's value needs, per indicator (R2).
pub const QUARTER_MONTHS_MIN: u32 = 2;

/// The value of one indicator in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodValue {
    /// The mean; a member below its detection limit counts as half the limit.
    pub value: Value,
    /// The largest detection limit, when every member lies below its own; an ordinary value has none.
    pub below: Option<Decimal>,
}

/// What a value was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Daily means of automatic readings.
    Automatic {
        /// Valid days.
        days: u32,
        /// Readings used.
        readings: u32,
    },
    /// Manual samples of one source.
    Manual {
        /// The source.
        source: Source,
        /// Samples used.
        samples: u32,
    },
    /// Monthly values.
    Months {
        /// The months.
        months: Vec<Month>,
    },
}

/// Why a reading was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum LeftOut {
    /// Its status is not normal.
    OutOfUse,
    /// Automatic, of an indicator that automatic stations do not measure.
    NotAutomaticIndicator,
    /// Automatic, with too few valid days in the month.
    TooFewDays,
    /// A source that comes first has a usable value.
    OtherSourceFirst,
    /// Its source is not in `manual_precedence`.
    SourceNotUsed,
}

impl LeftOut {
    /// The reason in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::OutOfUse => "状态非正常",
            Self::NotAutomaticIndicator => "自动站不监测该指标",
            Self::TooFewDays => "自动监测有效天数不足",
            Self::OtherSourceFirst => "优先采用其他来源",
            Self::SourceNotUsed => "来源未列入采用顺序",
        }
    }
}

/// How one indicator's value came about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The value, where there is one.
    pub value: Option<PeriodValue>,
    /// What it was made from.
    pub basis: Option<Basis>,
    /// Readings left out, by reason.
    pub left_out: BTreeMap<LeftOut, u32>,
}

impl PeriodValue {
    /// One amount as a value.
    pub fn of(amount: Amount) -> Self {
        match amount {
            Amount::Measured(value) => Self { value: value.into(), below: None },
            Amount::Below(limit) => Self { value: Value::from(limit).half(), below: Some(limit) },
        }
    }

    /// The arithmetic mean; all below their limits keeps the largest limit, one measured member makes it ordinary.
    fn mean(members: &[Self]) -> Option<Self> {
        let value = Value::mean(members.iter().map(|member| &member.value))?;
        let below = members.iter().map(|member| member.below).collect::<Option<Vec<_>>>();
        Some(Self { value, below: below.and_then(|limits| limits.into_iter().max()) })
    }
}

/// Whether a reading of the month is used, per reading of `indicator`, in the order given (R2, steps 1 to 3).
pub fn uses(readings: &[&Reading], indicator: Indicator, rules: &RuleSet) -> Vec<Result<(), LeftOut>> {
    let usable = |reading: &Reading, source: Source| reading.status.is_normal() && reading.key.source == source;
    let valid_days: BTreeSet<Date> =
        readings.iter().filter(|r| usable(r, Source::Automatic)).map(|r| r.key.at.date()).collect();
    let enough_days = valid_days.len() >= rules.automatic_days_min as usize;
    let automatic = indicator.is_automatic() && enough_days;
    let manual = rules.manual_precedence.iter().find(|source| readings.iter().any(|r| usable(r, **source)));
    let chosen = if automatic { Some(&Source::Automatic) } else { manual };
    let judge = |reading: &&Reading| {
        if !reading.status.is_normal() {
            return Err(LeftOut::OutOfUse);
        }
        if chosen == Some(&reading.key.source) {
            return Ok(());
        }
        match reading.key.source {
            Source::Automatic if !indicator.is_automatic() => Err(LeftOut::NotAutomaticIndicator),
            Source::Automatic => Err(LeftOut::TooFewDays),
            source if rules.manual_precedence.contains(&source) => Err(LeftOut::OtherSourceFirst),
            Source::National | Source::Provincial | Source::Municipal => Err(LeftOut::SourceNotUsed),
        }
    };
    readings.iter().map(judge).collect()
}

/// The monthly value of `indicator` from all readings of the month of that indicator.
pub fn monthly_value(readings: &[&Reading], indicator: Indicator, rules: &RuleSet) -> Derived {
    let mut left_out = BTreeMap::new();
    let mut used: Vec<&Reading> = Vec::new();
    for (reading, verdict) in readings.iter().zip(uses(readings, indicator, rules)) {
        match verdict {
            Ok(()) => used.push(reading),
            Err(why) => *left_out.entry(why).or_insert(0) += 1,
        }
    }
    let count = u32::try_from(used.len()).unwrap_or(u32::MAX);
    let Some(source) = used.first().map(|reading| reading.key.source) else {
        return Derived { value: None, basis: None, left_out };
    };
    let (members, basis) = match source {
        Source::Automatic => {
            let days = daily_means(&used);
            let valid = u32::try_from(days.len()).unwrap_or(u32::MAX);
            (days, Basis::Automatic { days: valid, readings: count })
        }
        Source::National | Source::Provincial | Source::Municipal => {
            let samples = used.iter().map(|reading| PeriodValue::of(reading.value)).collect();
            (samples, Basis::Manual { source, samples: count })
        }
    };
    Derived { value: PeriodValue::mean(&members), basis: Some(basis), left_out }
}

fn daily_means(readings: &[&Reading]) -> Vec<PeriodValue> {
    let mut days: BTreeMap<Date, Vec<PeriodValue>> = BTreeMap::new();
    for reading in readings {
        days.entry(reading.key.at.date()).or_default().push(PeriodValue::of(reading.value));
    }
    days.values().filter_map(|members| PeriodValue::mean(members)).collect()
}

/// All monthly values of a section, from all its readings of the month, in order of indicator.
pub fn monthly_values<'a>(
    readings: impl IntoIterator<Item = &'a Reading>,
    rules: &RuleSet,
) -> BTreeMap<Indicator, Derived> {
    let mut by_indicator: BTreeMap<Indicator, Vec<&Reading>> = BTreeMap::new();
    for reading in readings {
        by_indicator.entry(reading.key.indicator).or_default().push(reading);
    }
    by_indicator
        .into_iter()
        .map(|(indicator, readings)| (indicator, monthly_value(&readings, indicator, rules)))
        .collect()
}

/// The value over several months: the mean of at least `months_min` unrounded monthly values, per indicator.
/// `months` holds only months in which the section is active and not declared.
pub fn value_over(
    months: &BTreeMap<Month, BTreeMap<Indicator, Derived>>,
    months_min: u32,
) -> BTreeMap<Indicator, Derived> {
    let mut over = BTreeMap::new();
    let indicators: BTreeSet<Indicator> = months.values().flat_map(|values| values.keys().copied()).collect();
    for indicator in indicators {
        let mut derived = Derived::default();
        let (mut members, mut named) = (Vec::new(), Vec::new());
        for (month, values) in months {
            let Some(monthly) = values.get(&indicator) else { continue };
            for (why, count) in &monthly.left_out {
                *derived.left_out.entry(*why).or_insert(0) += count;
            }
            if let Some(value) = &monthly.value {
                members.push(value.clone());
                named.push(*month);
            }
        }
        if members.len() >= months_min as usize {
            derived.value = PeriodValue::mean(&members);
            derived.basis = Some(Basis::Months { months: named });
        }
        over.insert(indicator, derived);
    }
    over
}

#[cfg(test)]
mod tests;
