//! R3 and R8: publication and judging again.

use super::*;
use crate::assessment::Verdict;
use crate::county::CountyEvent;
use crate::plan::Plan;
use crate::plan::book::PlanCommand;
use crate::reading::{Reading, ReadingKey, Source, Status};
use crate::readings::{Content, ReadingChange, ReadingsEvent};
use crate::standard::WaterClass;

fn book() -> PlanBook {
    let plan: Plan = serde_json::from_str(
        r#"{"plan":{"id":"p","municipality":"m","year":2020,"time_zone":"Asia/Shanghai"},
            "county":[{"id":"c","name":"c","kind":"county"}],
            "section":[{"id":"s","name":"s","water":"w","kind":"river","county":"c","level":"national","target":"III",
                        "from":"2020-01","until":"2020-02"}]}"#,
    )
    .expect("a sound plan");
    let book = PlanBook::default();
    let events = book.decide(PlanCommand::Adopt { plan }).expect("accepted");
    events.iter().fold(book, PlanBook::evolve)
}

fn readings(nh3n: &str) -> MonthReadings {
    let at = jiff::civil::date(2020, 1, 5).at(0, 0, 0, 0);
    let reading = |(indicator, value): (Indicator, &str)| Reading {
        key: ReadingKey { at, source: Source::Municipal, indicator },
        value: value.parse().expect(value),
        status: Status::Normal,
    };
    let values = [(Indicator::Ph, "7"), (Indicator::Do, "8"), (Indicator::Codmn, "3"), (Indicator::Nh3n, nh3n)];
    let readings = values.into_iter().map(reading).collect();
    MonthReadings::default().evolve(&ReadingsEvent::ReadingsRecorded { readings })
}

fn dossier(months: &[(&str, &str)]) -> Dossier {
    let readings = months.iter().map(|(month, nh3n)| (month.parse().expect("month"), (readings(nh3n), 1)));
    Dossier { file: SectionFile::default(), readings: readings.collect() }
}

fn dossiers(dossier: Dossier) -> BTreeMap<SectionId, Dossier> {
    BTreeMap::from([("s".parse().expect("valid"), dossier)])
}

fn at(text: &str) -> Period {
    text.parse().expect(text)
}

/// Everything a publication records.
#[derive(Debug, PartialEq)]
struct Publication {
    sections: Vec<(SectionId, Vec<SectionEvent>)>,
    counties: Vec<(CountyId, Vec<CountyEvent>)>,
    round: RoundEvent,
}

/// Publishes a round from the dossiers of its sections; a section without one has nothing.
fn publish(
    book: &PlanBook,
    period: Period,
    dossiers: &BTreeMap<SectionId, Dossier>,
    declare_rest: Option<Reason>,
    already_published: bool,
) -> Result<Publication, Refusal> {
    let mut publishing = Publishing::begin(book, period, declare_rest, already_published)?;
    let mut sections = Vec::new();
    for section in publishing.sections() {
        let dossier = dossiers.get(&section.id).cloned().unwrap_or_default();
        sections.push((section.id.clone(), publishing.judge(section, &dossier)));
    }
    let Conclusion { counties, round } = publishing.conclude()?;
    Ok(Publication { sections, counties, round })
}

fn verdict_of(publication: &Publication) -> (Verdict, Option<WaterClass>) {
    let CountyEvent::RoundJudged { verdicts, .. } = &publication.counties[0].1[0] else { panic!("a verdict") };
    (verdicts[0].verdict, verdicts[0].class)
}

#[test]
fn publication_fixes_the_verdict_of_every_active_section() {
    let dossiers = dossiers(dossier(&[("2020-01", "1.2")]));
    let publication = publish(&book(), at("2020-01"), &dossiers, None, false).expect("complete");
    assert_eq!(verdict_of(&publication), (Verdict::Unmet, Some(WaterClass::IV)));
    assert!(matches!(publication.round, RoundEvent::RoundPublished { unmet: 1, met: 0, unassessed: 0, .. }));
}

#[test]
fn a_round_is_published_once() {
    let refusal = publish(&book(), at("2020-01"), &dossiers(dossier(&[("2020-01", "1")])), None, true);
    assert_eq!(refusal, Err(Refusal::RoundAlreadyPublished { period: at("2020-01") }));
}

#[test]
fn an_incomplete_round_is_refused_unless_the_rest_is_declared() {
    let refusal = publish(&book(), at("2020-01"), &BTreeMap::new(), None, false);
    assert_eq!(refusal, Err(Refusal::RoundIncomplete { period: at("2020-01"), sections: vec!["s".to_owned()] }));
    let publication = publish(&book(), at("2020-01"), &BTreeMap::new(), Some(Reason::NoData), false).expect("declared");
    assert_eq!(verdict_of(&publication), (Verdict::Unassessed(Reason::NoData), None));
    assert!(matches!(
        publication.sections[0].1[..],
        [SectionEvent::SectionDeclared { .. }, SectionEvent::SectionAssessed(_)]
    ));
}

#[test]
fn a_period_before_every_plan_has_no_round() {
    assert_eq!(publish(&book(), at("2019-12"), &BTreeMap::new(), None, false), Err(Refusal::NoPlanInForce));
}

#[test]
fn a_section_takes_part_in_a_quarter_when_active_in_one_of_its_months() {
    let publication = publish(&book(), at("2020-Q2"), &BTreeMap::new(), None, false).expect("no active section");
    assert_eq!((publication.sections.len(), publication.counties.len()), (0, 0));
    let two_months = dossiers(dossier(&[("2020-01", "1.2"), ("2020-02", "0.6")]));
    let publication = publish(&book(), at("2020-Q1"), &two_months, None, false).expect("complete");
    assert_eq!(verdict_of(&publication), (Verdict::Met, Some(WaterClass::III)));
}

#[test]
fn readings_of_a_month_in_which_the_section_is_not_active_do_not_count_for_the_quarter() {
    let inactive = dossiers(dossier(&[("2020-02", "0.6"), ("2020-03", "0.6")]));
    assert!(matches!(publish(&book(), at("2020-Q1"), &inactive, None, false), Err(Refusal::RoundIncomplete { .. })));
}

#[test]
fn a_declared_month_does_not_count_for_the_quarter() {
    let mut dossier = dossier(&[("2020-01", "1.2"), ("2020-02", "0.6")]);
    dossier.file.declarations.insert(at("2020-01"), Reason::Frozen);
    assert!(matches!(
        publish(&book(), at("2020-Q1"), &dossiers(dossier), None, false),
        Err(Refusal::RoundIncomplete { .. })
    ));
}

#[test]
fn a_declared_section_is_unassessed_whatever_readings_it_has() {
    let mut dossier = dossier(&[("2020-01", "1.2")]);
    dossier.file.declarations.insert(at("2020-01"), Reason::Dry);
    let publication = publish(&book(), at("2020-01"), &dossiers(dossier), None, false).expect("declared");
    assert_eq!(verdict_of(&publication), (Verdict::Unassessed(Reason::Dry), None));
}

#[test]
fn a_published_round_is_judged_again_only_when_its_assessment_changes() {
    let book = book();
    let id: SectionId = "s".parse().expect("valid");
    let mut dossier = dossier(&[("2020-01", "1.2")]);
    let publication = publish(&book, at("2020-01"), &dossiers(dossier.clone()), None, false).expect("complete");
    dossier.file = publication.sections[0].1.iter().fold(dossier.file, SectionFile::evolve);
    assert_eq!(rejudge(&book, &id, at("2020-01"), &dossier), None);
    dossier.readings.insert("2020-01".parse().expect("month"), (readings("0.9"), 2));
    let months = BTreeSet::from(["2020-01".parse().expect("month")]);
    assert_eq!(affected_rounds(&dossier.file, &months), [at("2020-01")]);
    let again = rejudge(&book, &id, at("2020-01"), &dossier).expect("changed");
    assert_eq!(again.verdict.expect("changed").verdict, Verdict::Met);
}

#[test]
fn an_assessment_that_was_stored_equals_the_one_judged_again() {
    let book = book();
    let id: SectionId = "s".parse().expect("valid");
    let thirds = ["1.2", "1.1", "1.2"].map(|nh3n| readings(nh3n).to_vec());
    let mut all = MonthReadings::default();
    for (day, mut of_day) in (1i64..).zip(thirds) {
        for reading in &mut of_day {
            reading.key.at = reading.key.at.saturating_add(jiff::Span::new().days(day));
        }
        all = all.evolve(&ReadingsEvent::ReadingsRecorded { readings: of_day });
    }
    let dossier = Dossier {
        file: SectionFile::default(),
        readings: BTreeMap::from([("2020-01".parse().expect("month"), (all, 3))]),
    };
    let judged = judge(
        &book,
        book.latest().expect("adopted"),
        &book.find_section(&id).expect("known").clone(),
        at("2020-01"),
        &dossier,
    );
    let stored = serde_json::to_string(&judged).expect("json");
    assert_eq!(serde_json::from_str::<Judged>(&stored).expect("readable"), judged);
}

#[test]
fn a_month_declared_after_the_quarter_was_published_still_counts_when_the_quarter_is_judged_again() {
    let book = book();
    let id: SectionId = "s".parse().expect("valid");
    let mut dossier = dossier(&[("2020-01", "1.2"), ("2020-02", "0.6")]);
    let publication = publish(&book, at("2020-Q1"), &dossiers(dossier.clone()), None, false).expect("complete");
    let later = SectionEvent::SectionDeclared { period: at("2020-02"), reason: Reason::Dry };
    let events = publication.sections[0].1.iter().chain([&later]);
    dossier.file = events.fold(dossier.file, SectionFile::evolve);
    assert_eq!(rejudge(&book, &id, at("2020-Q1"), &dossier), None);

    dossier.readings.insert("2020-01".parse().expect("month"), (readings("1.6"), 2));
    let again = rejudge(&book, &id, at("2020-Q1"), &dossier).expect("changed");
    assert_eq!(again.verdict.expect("changed").verdict, Verdict::Unmet);
}

#[test]
fn a_month_imported_after_the_quarter_was_published_is_no_correction_of_it_but_a_revision_is() {
    let book = book();
    let id: SectionId = "s".parse().expect("valid");
    let mut dossier = dossier(&[("2020-01", "0.6"), ("2020-02", "0.6")]);
    let publication = publish(&book, at("2020-Q1"), &dossiers(dossier.clone()), None, false).expect("complete");
    dossier.file = publication.sections[0].1.iter().fold(dossier.file, SectionFile::evolve);

    let mut late = readings("3.0").to_vec();
    for reading in &mut late {
        reading.key.at = reading.key.at.saturating_add(jiff::Span::new().days(1));
    }
    let imported = readings("0.6").evolve(&ReadingsEvent::ReadingsRecorded { readings: late.clone() });
    dossier.readings.insert("2020-02".parse().expect("month"), (imported.clone(), 2));
    assert_eq!(rejudge(&book, &id, at("2020-Q1"), &dossier).and_then(|again| again.verdict), None);

    let content = |reading: &Reading| Content { value: reading.value, status: reading.status.clone() };
    let change = |reading: &Reading| ReadingChange { key: reading.key, before: None, after: Some(content(reading)) };
    let changes = late.iter().map(change).collect();
    let revised = imported.evolve(&ReadingsEvent::ReadingsRevised { changes, reason: "r".to_owned(), evidence: None });
    dossier.readings.insert("2020-02".parse().expect("month"), (revised, 3));
    let again = rejudge(&book, &id, at("2020-Q1"), &dossier).expect("changed");
    assert_eq!(again.verdict.expect("changed").verdict, Verdict::Unmet);
}

#[test]
fn a_declaration_is_refused_once_its_round_is_published_and_repeated_without_effect() {
    let file = SectionFile::default();
    assert_eq!(
        file.declare(at("2020-01"), Reason::Dry, true),
        Err(Refusal::RoundAlreadyPublished { period: at("2020-01") })
    );
    let declared =
        file.declare(at("2020-01"), Reason::Dry, false).expect("open").iter().fold(file, SectionFile::evolve);
    assert_eq!(declared.declare(at("2020-01"), Reason::Dry, false), Ok(vec![]));
    let id: SectionId = "s".parse().expect("valid");
    assert!(declared.withdraw(&id, at("2020-01"), "r".to_owned()).is_ok());
    assert!(matches!(declared.withdraw(&id, at("2020-02"), "r".to_owned()), Err(Refusal::NotDeclared { .. })));
}
