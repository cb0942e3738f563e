//! The assessment (评价) of one section in one period: class, verdict and their explanation (R1).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::indicator::Indicator;
use crate::monthly::{Basis, Derived, LeftOut, PeriodValue};
use crate::plan::rules::{Comparison, RuleSet};
use crate::standard::{self, Body, Target, WaterClass};
use crate::value::Value;

/// Main pollutants named in a headline; the explanation names all.
pub const HEADLINE_MAX: usize = 3;

/// Why a section is unassessed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// 断流.
    Dry,
    /// 结冰.
    Frozen,
    /// 维护.
    Maintenance,
    /// 施工.
    Construction,
    /// 无数据.
    NoData,
    /// A required indicator is missing or undecidable; never declared, only found.
    InsufficientData,
}

impl Reason {
    /// The reason in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Dry => "断流",
            Self::Frozen => "结冰",
            Self::Maintenance => "维护",
            Self::Construction => "施工",
            Self::NoData => "无数据",
            Self::InsufficientData => "数据不足",
        }
    }
}

/// The result of an assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// 达标.
    Met,
    /// 未达标.
    Unmet,
    /// 未评价: neither met nor unmet.
    Unassessed(Reason),
}

impl Verdict {
    /// The word of the contract: `met`, `unmet` or `unassessed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unmet => "unmet",
            Self::Unassessed(_) => "unassessed",
        }
    }

    /// The verdict in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Met => "达标",
            Self::Unmet => "未达标",
            Self::Unassessed(_) => "未评价",
        }
    }

    /// The reason of an unassessed section.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Met | Self::Unmet => None,
            Self::Unassessed(reason) => Some(reason),
        }
    }
}

/// One indicator of an assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorResult {
    /// The indicator.
    pub indicator: Indicator,
    /// Its value in the period, as compared.
    pub value: Value,
    /// The detection limit, when every member lies below its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<Decimal>,
    /// Its class; absent when undecidable or not one of the 21.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<WaterClass>,
    /// True when its detection limit lies above the target's limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecidable: bool,
    /// What the value was made from.
    pub basis: Basis,
    /// Readings left out, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<LeftOut, u32>,
}

/// An unmet indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmetIndicator {
    /// The indicator.
    pub indicator: Indicator,
    /// Its value in full.
    pub value: Value,
    /// The target's limit as printed in the standard; `6~9` for pH.
    pub limit: String,
    /// The exceedance multiple against the target, two decimals, half to even; none for pH and dissolved oxygen.
    pub multiple: Option<String>,
    /// The indicator's class.
    pub class: WaterClass,
}

/// The assessment of one section in one period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// The worst class among the evaluated indicators; absent when unassessed.
    pub class: Option<WaterClass>,
    /// The target it was judged by.
    pub target: Target,
    /// Indicators evaluated, of 21.
    pub evaluated: u8,
    /// Unmet indicators in the order of the standard; empty when unassessed.
    pub unmet: Vec<UnmetIndicator>,
    /// Indicators that cannot be judged, in the order of the standard.
    pub undecidable: Vec<Indicator>,
    /// Required indicators that are missing or undecidable.
    pub missing: Vec<Indicator>,
    /// Every indicator with a value.
    pub indicators: Vec<IndicatorResult>,
    /// Readings left out of indicators that have no value, by indicator and reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub without_value: BTreeMap<Indicator, BTreeMap<LeftOut, u32>>,
}

/// Assesses one section from its values. A declared section is unassessed whatever values it has (R3).
pub fn assess(
    values: &BTreeMap<Indicator, Derived>,
    body: Body,
    target: Target,
    declared: Option<Reason>,
    rules: &RuleSet,
) -> Assessment {
    let indicators: Vec<IndicatorResult> = values
        .iter()
        .filter_map(|(indicator, derived)| judge_indicator(*indicator, derived, body, target, rules))
        .collect();
    let evaluated: Vec<_> = indicators.iter().filter(|result| result.class.is_some()).collect();
    let has = |required: &&Indicator| evaluated.iter().any(|result| result.indicator == **required);
    let missing: Vec<_> = rules.required_indicators.iter().filter(|required| !has(required)).copied().collect();
    let worst = evaluated.iter().filter_map(|result| result.class).max();
    let verdict = match (declared, worst) {
        (Some(reason), _) => Verdict::Unassessed(reason),
        (None, Some(class)) if missing.is_empty() && class <= WaterClass::from(target) => Verdict::Met,
        (None, Some(_)) if missing.is_empty() => Verdict::Unmet,
        (None, _) => Verdict::Unassessed(Reason::InsufficientData),
    };
    let assessed = verdict.reason().is_none();
    let unmet =
        evaluated.iter().filter_map(|result| unmet_indicator(result, body, target)).filter(|_| assessed).collect();
    Assessment {
        verdict,
        class: worst.filter(|_| assessed),
        target,
        evaluated: u8::try_from(evaluated.len()).unwrap_or(u8::MAX),
        unmet,
        undecidable: indicators.iter().filter(|result| result.undecidable).map(|result| result.indicator).collect(),
        missing,
        without_value: values
            .iter()
            .filter(|(_, derived)| derived.value.is_none() && !derived.left_out.is_empty())
            .map(|(indicator, derived)| (*indicator, derived.left_out.clone()))
            .collect(),
        indicators,
    }
}

fn judge_indicator(
    indicator: Indicator,
    derived: &Derived,
    body: Body,
    target: Target,
    rules: &RuleSet,
) -> Option<IndicatorResult> {
    let (PeriodValue { value, below }, basis) = (derived.value.as_ref()?, derived.basis.clone()?);
    let compared = match rules.comparison {
        Comparison::Raw => value.clone(),
        Comparison::Rounded => value.rounded(rules.decimals(indicator)),
    };
    let limit = standard::limit(indicator, body, target);
    let undecidable = indicator.has_multiple() && below.zip(limit).is_some_and(|(below, limit)| below > limit);
    let class = if undecidable { None } else { standard::class_of(indicator, body, &compared) };
    let left_out = derived.left_out.clone();
    Some(IndicatorResult { indicator, value: compared.full(), below: *below, class, undecidable, basis, left_out })
}

fn unmet_indicator(result: &IndicatorResult, body: Body, target: Target) -> Option<UnmetIndicator> {
    let class = result.class.filter(|class| *class > WaterClass::from(target))?;
    let limit = standard::limit(result.indicator, body, target).filter(|_| result.indicator.has_multiple());
    Some(UnmetIndicator {
        indicator: result.indicator,
        value: result.value.clone(),
        limit: standard::limit_text(result.indicator, body, target),
        multiple: limit
            .and_then(|limit| result.value.multiple_over(&limit.into()))
            .map(|multiple| multiple.to_fixed(2)),
        class,
    })
}

/// Main pollutants: worst class first, then the larger multiple, then the order of the standard (R1).
pub fn main_pollutants(unmet: &[UnmetIndicator]) -> Vec<&UnmetIndicator> {
    let multiple = |unmet: &UnmetIndicator| unmet.multiple.as_ref().and_then(|text| text.parse::<Value>().ok());
    let mut sorted: Vec<_> = unmet.iter().collect();
    sorted.sort_by(|a, b| b.class.cmp(&a.class).then_with(|| multiple(b).cmp(&multiple(a))));
    sorted
}

/// The class of one set of values without a plan or target, and the indicators that have it (contract: `classify`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    /// The class; `None` when a required indicator is missing.
    pub class: Option<WaterClass>,
    /// Indicators evaluated, of 21.
    pub evaluated: u8,
    /// The indicators that have the class, in the order of the standard.
    pub worst: Vec<Indicator>,
}

/// Classifies one set of values. A value below its detection limit counts as half of it.
pub fn classify(
    values: &BTreeMap<Indicator, crate::reading::Amount>,
    body: Body,
    required: &[Indicator],
) -> Classification {
    let classes: BTreeMap<Indicator, WaterClass> = values
        .iter()
        .filter_map(|(indicator, amount)| {
            Some((*indicator, standard::class_of(*indicator, body, &PeriodValue::of(*amount).value)?))
        })
        .collect();
    let complete = required.iter().all(|indicator| classes.contains_key(indicator));
    let class = classes.values().max().copied().filter(|_| complete);
    let worst = classes.iter().filter(|(_, own)| Some(**own) == class).map(|(indicator, _)| *indicator).collect();
    Classification { class, evaluated: u8::try_from(classes.len()).unwrap_or(u8::MAX), worst }
}

#[cfg(test)]
mod tests;
