//! What a plan must be before it is adopted, and which revision holds when.

use super::book::{PlanBook, PlanCommand, TargetCorrection};
use super::*;
use crate::refusal::Refusal;

fn plan() -> Plan {
    serde_json::from_str(
        r#"{"plan":{"id":"p","municipality":"聊城市","year":2020,"time_zone":"Asia/Shanghai"},
            "county":[{"id":"gaotang","name":"高唐县","kind":"county","emails":["office@gaotang.example"]}],
            "section":[{"id":"beihu","name":"高唐北湖","water":"高唐湖","kind":"lake","county":"gaotang",
                        "level":"national","target":"III"}]}"#,
    )
    .expect("a sound plan")
}

fn adopted(book: PlanBook, command: PlanCommand) -> PlanBook {
    let events = book.decide(command).expect("accepted");
    events.iter().fold(book, PlanBook::evolve)
}

fn month(text: &str) -> Month {
    text.parse().expect(text)
}

#[test]
fn a_sound_plan_has_no_faults_and_the_default_rules() {
    let plan = plan();
    assert_eq!(plan.faults(), []);
    assert_eq!(plan.rules, RuleSet::default());
    assert_eq!(plan.section[0].body(), Body::Lake);
}

#[test]
fn each_fault_is_named_with_its_entry() {
    let mut broken = plan();
    broken.plan.time_zone = "UTC".to_owned();
    broken.county[0].emails = vec!["a@b\r\nBcc: c@d".to_owned()];
    broken.section[0].county = "elsewhere".parse().expect("valid");
    broken.section[0].from = Some(month("2020-05"));
    broken.section[0].until = Some(month("2020-04"));
    broken.section.push(broken.section[0].clone());
    broken.rules.bands.clear();
    broken.rules.municipal_share = rust_decimal::dec!(1.1);
    broken.rules.required_indicators.push(crate::indicator::Indicator::Tn);
    let places: Vec<_> = broken.faults().into_iter().map(|fault| fault.at).collect();
    for place in ["plan.time_zone", "rules", "county gaotang", "section beihu"] {
        assert!(places.iter().any(|at| at == place), "no fault at {place} in {places:?}");
    }
    assert_eq!(places.len(), 10, "{places:?}");
    assert!(matches!(
        PlanBook::default().decide(PlanCommand::Adopt { plan: broken }),
        Err(Refusal::UnsoundPlan { .. })
    ));
}

#[test]
fn groundwater_sources_are_refused_by_name() {
    let mut plan = plan();
    plan.section[0].source = Some(WaterSource::Surface);
    assert_eq!(plan.faults().len(), 1, "a lake has no source");
    plan.section[0].kind = SectionKind::DrinkingWater;
    assert_eq!(plan.faults(), []);
    plan.section[0].source = Some(WaterSource::Groundwater);
    let faults = plan.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].at, "section beihu");
    assert!(faults[0].problem.contains("GB/T 14848-2017"), "{faults:?}");

    let written = serde_json::to_string(&plan).unwrap().replace("drinking_water", "groundwater");
    let refused = serde_json::from_str::<Plan>(&written).unwrap_err().to_string();
    assert!(refused.contains("GB/T 14848-2017"), "{refused}");
}

#[test]
fn a_plan_holds_from_its_year_until_another_replaces_it() {
    let book = adopted(PlanBook::default(), PlanCommand::Adopt { plan: plan() });
    assert!(book.in_force(month("2019-12")).is_none());
    assert_eq!(book.in_force(month("2022-05")).expect("in force").number, book::RevisionNumber(1));
    let mut next = plan();
    next.plan.year = 2021;
    let book = adopted(book, PlanCommand::Adopt { plan: next });
    assert_eq!(book.in_force(month("2020-12")).expect("in force").number, book::RevisionNumber(1));
    assert_eq!(book.in_force(month("2021-01")).expect("in force").number, book::RevisionNumber(2));
}

#[test]
fn adopting_the_same_plan_again_changes_nothing() {
    let book = adopted(PlanBook::default(), PlanCommand::Adopt { plan: plan() });
    assert_eq!(book.decide(PlanCommand::Adopt { plan: plan() }), Ok(vec![]));
}

#[test]
fn an_amendment_needs_a_plan_to_amend() {
    let amend = PlanCommand::Amend { plan: plan(), effective_from: month("2020-06"), reason: "r".to_owned() };
    assert_eq!(PlanBook::default().decide(amend.clone()), Err(Refusal::NoPlanInForce));
    let book = adopted(adopted(PlanBook::default(), PlanCommand::Adopt { plan: plan() }), amend);
    assert_eq!(book.in_force(month("2020-05")).expect("in force").number, book::RevisionNumber(1));
    assert_eq!(book.in_force(month("2020-06")).expect("in force").number, book::RevisionNumber(2));
}

#[test]
fn a_corrected_target_holds_for_its_months_only() {
    let book = adopted(PlanBook::default(), PlanCommand::Adopt { plan: plan() });
    let correction = |section: &str| TargetCorrection {
        section: section.parse().expect("valid"),
        from: month("2020-03"),
        until: Some(month("2020-04")),
        target: Target::IV,
    };
    let unknown = PlanCommand::CorrectTarget { correction: correction("nowhere"), reason: "r".to_owned() };
    assert_eq!(book.decide(unknown), Err(Refusal::UnknownSection { section: "nowhere".to_owned() }));
    let book = adopted(book, PlanCommand::CorrectTarget { correction: correction("beihu"), reason: "r".to_owned() });
    let section = book.latest().expect("adopted").plan.section[0].clone();
    let targets = ["2020-02", "2020-03", "2020-04", "2020-05"].map(|text| book.target(&section, month(text)));
    assert_eq!(targets, [Target::III, Target::IV, Target::IV, Target::III]);
}

#[test]
fn a_plan_too_large_for_one_event_holds_once_its_last_part_is_there() {
    let mut large = plan();
    let one = large.section.remove(0);
    large.section =
        (0..3_000).map(|n| Section { id: format!("s{n}").parse().expect("an id"), ..one.clone() }).collect();
    let adopt = PlanCommand::Adopt { plan: large.clone() };
    let events = PlanBook::default().decide(adopt.clone()).expect("accepted");
    assert!(events.len() > 2, "{} events", events.len());
    let (last, earlier) = events.split_last().expect("several events");
    let waiting = earlier.iter().fold(PlanBook::default(), PlanBook::evolve);
    assert_eq!(waiting.revisions(), []);
    let book = waiting.evolve(last);
    assert_eq!(*book.in_force(month("2020-01")).expect("in force").plan, large);
    assert_eq!(book.find_section(&"s2999".parse().expect("an id")), large.section.last());
    assert_eq!(book.decide(adopt), Ok(vec![]));
    let amend = PlanCommand::Amend { plan: large, effective_from: month("2020-07"), reason: "r".to_owned() };
    assert_eq!(adopted(book, amend).revisions().len(), 2);
}
