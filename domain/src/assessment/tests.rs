//! R1: class, undecidable indicators, multiples, main pollutants.

use super::*;
use crate::reading::{Amount, Source};

const COMPLETE: [(Indicator, &str); 4] =
    [(Indicator::Ph, "7.5"), (Indicator::Do, "8"), (Indicator::Codmn, "3"), (Indicator::Nh3n, "0.3")];

fn derived(amount: &str) -> Derived {
    let amount: Amount = amount.parse().expect(amount);
    let basis = Some(Basis::Manual { source: Source::Municipal, samples: 1 });
    Derived { value: Some(PeriodValue::of(amount)), basis, left_out: BTreeMap::new() }
}

fn values(more: &[(Indicator, &str)]) -> BTreeMap<Indicator, Derived> {
    COMPLETE.iter().chain(more).map(|(indicator, amount)| (*indicator, derived(amount))).collect()
}

fn judged(more: &[(Indicator, &str)], target: Target) -> Assessment {
    assess(&values(more), Body::River, target, None, &RuleSet::default())
}

#[test]
fn the_class_is_the_worst_of_the_evaluated_indicators() {
    let assessment = judged(&[(Indicator::Cod, "25")], Target::III);
    assert_eq!((assessment.verdict, assessment.class, assessment.evaluated), (Verdict::Unmet, Some(WaterClass::IV), 5));
    assert_eq!(judged(&[(Indicator::Cod, "25")], Target::IV).verdict, Verdict::Met);
}

#[test]
fn a_missing_required_indicator_leaves_the_section_unassessed() {
    let mut values = values(&[(Indicator::Cod, "90")]);
    values.remove(&Indicator::Do);
    let assessment = assess(&values, Body::River, Target::III, None, &RuleSet::default());
    assert_eq!(assessment.verdict, Verdict::Unassessed(Reason::InsufficientData));
    assert_eq!((assessment.class, assessment.unmet, assessment.evaluated), (None, vec![], 4));
    assert_eq!(assessment.missing, [Indicator::Do]);
}

#[test]
fn a_declared_section_is_unassessed_whatever_values_it_has() {
    let assessment = assess(&values(&[]), Body::River, Target::III, Some(Reason::Dry), &RuleSet::default());
    assert_eq!((assessment.verdict, assessment.evaluated), (Verdict::Unassessed(Reason::Dry), 4));
}

#[test]
fn a_detection_limit_above_the_targets_limit_is_undecidable() {
    let assessment = judged(&[(Indicator::Hg, "0.0002L")], Target::III);
    assert_eq!((assessment.verdict, assessment.evaluated), (Verdict::Met, 4));
    assert_eq!(assessment.undecidable, [Indicator::Hg]);
    assert_eq!(judged(&[(Indicator::Hg, "0.0001L")], Target::III).undecidable, []);
}

#[test]
fn an_undecidable_required_indicator_counts_as_missing() {
    let assessment = judged(&[(Indicator::Nh3n, "1.5L")], Target::III);
    assert_eq!(assessment.verdict, Verdict::Unassessed(Reason::InsufficientData));
    assert_eq!((assessment.missing, assessment.undecidable), (vec![Indicator::Nh3n], vec![Indicator::Nh3n]));
}

#[test]
fn ph_and_dissolved_oxygen_are_never_undecidable_and_have_no_multiple() {
    let assessment = judged(&[(Indicator::Do, "9L"), (Indicator::Ph, "9.5")], Target::III);
    assert_eq!((assessment.undecidable.len(), assessment.evaluated), (0, 4));
    let unmet: Vec<_> = assessment.unmet.iter().map(|u| (u.indicator, u.limit.as_str(), u.multiple.clone())).collect();
    assert_eq!(unmet, [(Indicator::Ph, "6~9", None), (Indicator::Do, "5", None)]);
}

#[test]
fn multiples_agree_with_the_ningxia_letter_of_2019() {
    let assessment = judged(&[(Indicator::Cod, "80"), (Indicator::Codmn, "19.9")], Target::IV);
    assert_eq!(assessment.class, Some(WaterClass::InferiorV));
    let multiples: Vec<_> = assessment.unmet.iter().map(|u| (u.indicator, u.multiple.as_deref())).collect();
    assert_eq!(multiples, [(Indicator::Codmn, Some("0.99")), (Indicator::Cod, Some("1.67"))]);
}

#[test]
fn class_and_multiple_agree_with_the_anhui_letter_of_2018() {
    let assessment = judged(&[(Indicator::Nh3n, "1.84")], Target::III);
    assert_eq!(assessment.class, Some(WaterClass::V));
    assert_eq!(assessment.unmet[0].multiple.as_deref(), Some("0.84"));
}

#[test]
fn a_multiple_depends_on_its_base_as_the_guangdong_table_of_2016_shows() {
    let total_phosphorus = |target| judged(&[(Indicator::Tp, "0.32")], target).unmet[0].multiple.clone();
    assert_eq!(total_phosphorus(Target::III).as_deref(), Some("0.60"));
    assert_eq!(total_phosphorus(Target::II).as_deref(), Some("2.20"));
}

#[test]
fn main_pollutants_come_worst_class_first_then_by_multiple() {
    let assessment = judged(
        &[(Indicator::Cod, "25"), (Indicator::Nh3n, "1.2"), (Indicator::Tp, "0.9"), (Indicator::Codmn, "9")],
        Target::III,
    );
    let order: Vec<_> = main_pollutants(&assessment.unmet).iter().map(|unmet| unmet.indicator).collect();
    assert_eq!(order, [Indicator::Tp, Indicator::Codmn, Indicator::Cod, Indicator::Nh3n]);
}

#[test]
fn rounded_comparison_rounds_the_mean_once_before_comparing() {
    let rounded = RuleSet { comparison: Comparison::Rounded, ..RuleSet::default() };
    let values = values(&[(Indicator::Nh3n, "1.0005")]);
    assert_eq!(assess(&values, Body::River, Target::III, None, &rounded).verdict, Verdict::Met);
    assert_eq!(assess(&values, Body::River, Target::III, None, &RuleSet::default()).verdict, Verdict::Unmet);
}

#[test]
fn indicators_outside_the_21_are_kept_and_not_evaluated() {
    let assessment = judged(&[(Indicator::Tn, "99")], Target::III);
    assert_eq!((assessment.verdict, assessment.evaluated, assessment.indicators.len()), (Verdict::Met, 4, 5));
}

#[test]
fn classification_lists_every_indicator_of_the_worst_class() {
    let amounts = |list: &[(Indicator, &str)]| {
        list.iter().map(|(i, text)| (*i, text.parse().expect(text))).collect::<BTreeMap<Indicator, Amount>>()
    };
    let required = RuleSet::default().required_indicators;
    let row = amounts(&[(Indicator::Ph, "8"), (Indicator::Do, "4"), (Indicator::Codmn, "7"), (Indicator::Nh3n, "0.1")]);
    let result = classify(&row, Body::River, &required);
    assert_eq!((result.class, result.evaluated), (Some(WaterClass::IV), 4));
    assert_eq!(result.worst, [Indicator::Do, Indicator::Codmn]);
    let incomplete = amounts(&[(Indicator::Ph, "8"), (Indicator::Tp, "0.1")]);
    assert_eq!(
        classify(&incomplete, Body::River, &required),
        Classification { class: None, evaluated: 2, worst: vec![] }
    );
}
