//! R4–R6 and R8, as given-when-then over a county's record.

use super::interview::{InterviewCommand, InterviewStatus, act};
use super::*;
use crate::assessment::{Reason, UnmetIndicator, Verdict};
use crate::county::RoundRules;
use crate::indicator::Indicator;
use crate::period::Period;
use crate::plan::SectionKind;
use crate::plan::rules::{AfterInterview, Gap, Impact, RuleSet, YearBoundary};
use crate::refusal::Refusal;
use crate::standard::{Target, WaterClass};
use crate::verdict::SectionVerdict;

/// A verdict of a section, in short.
#[derive(Debug, Clone, Copy)]
pub(crate) enum V {
    /// Met.
    Met,
    /// Unmet at 1.20 mg/L of ammonia nitrogen.
    Unmet,
    /// Unmet at this many hundredths of mg/L of ammonia nitrogen, target III.
    At(u32),
    /// Unmet, a drinking-water source.
    UnmetSource,
    /// Unassessed.
    Dry,
}

/// A county's record, built act by act; decisions are taken after each.
pub(crate) struct Book {
    pub(crate) county: County,
    pub(crate) rules: RoundRules,
    pub(crate) interviews_per_year: u32,
    pub(crate) impact: Impact,
}

impl Default for Book {
    fn default() -> Self {
        let rules = RuleSet::default();
        Self {
            county: County::default(),
            rules: RoundRules::of(&rules),
            interviews_per_year: rules.interviews_per_year,
            impact: rules.impact,
        }
    }
}

pub(crate) fn verdict(section: &str, v: V) -> SectionVerdict {
    let unmet = |hundredths: u32| {
        let value = format!("{}.{:02}", hundredths / 100, hundredths % 100).parse().expect("valid");
        let class = if hundredths > 150 { WaterClass::V } else { WaterClass::IV };
        let nh3n = UnmetIndicator { indicator: Indicator::Nh3n, value, limit: "1.0".to_owned(), multiple: None, class };
        (Verdict::Unmet, Some(class), vec![nh3n])
    };
    let (verdict, class, unmet) = match v {
        V::Met => (Verdict::Met, Some(WaterClass::II), vec![]),
        V::Unmet | V::UnmetSource => unmet(120),
        V::At(hundredths) => unmet(hundredths),
        V::Dry => (Verdict::Unassessed(Reason::Dry), None, vec![]),
    };
    let kind = if matches!(v, V::UnmetSource) { SectionKind::DrinkingWater } else { SectionKind::River };
    let section = section.parse().expect("valid");
    SectionVerdict { section, kind, verdict, class, target: Target::III, evaluated: 4, unmet, undecidable: vec![] }
}

impl Book {
    fn record(&mut self, facts: &[CountyEvent]) -> Vec<CountyEvent> {
        let county = facts.iter().fold(std::mem::take(&mut self.county), County::evolve);
        let decided = decide(&county);
        self.county = decided.iter().fold(county, County::evolve);
        assert_eq!(decide(&self.county), vec![], "deciding again must change nothing");
        decided
    }

    pub(crate) fn publish(&mut self, period: &str, verdicts: &[(&str, V)]) -> Vec<CountyEvent> {
        let verdicts = verdicts.iter().map(|(section, v)| verdict(section, *v)).collect();
        let rules = self.rules.clone();
        self.record(&[CountyEvent::RoundJudged { period: at(period), rules, part: 1, parts: 1, verdicts }])
    }

    pub(crate) fn correct(&mut self, period: &str, verdicts: &[(&str, V)]) -> Vec<CountyEvent> {
        let verdicts = verdicts.iter().map(|(section, v)| verdict(section, *v)).collect();
        self.record(&[CountyEvent::RoundRejudged { period: at(period), reason: "r".to_owned(), verdicts }])
    }

    fn hold(&mut self, on: &str) -> Result<Vec<CountyEvent>, Refusal> {
        let held_on = on.parse().expect(on);
        let (interviews_per_year, impact) = (self.interviews_per_year, self.impact);
        let command = InterviewCommand::Hold { held_on, today: held_on, attended: vec![], interviews_per_year, impact };
        act(&self.county, "c", command).map(|facts| self.record(&facts))
    }

    fn determine(&mut self, year: i16, serious: bool) -> Result<Vec<CountyEvent>, Refusal> {
        let facts = accountability_proposal::determine(&self.county, "c", year, serious, "b".to_owned())?;
        Ok(self.record(&facts))
    }

    /// `round status[ lost]: section month-compared/newest …` per interview.
    fn interviews(&self) -> Vec<String> {
        let ground = |g: &interview::Ground| {
            format!("{} {}", g.section, g.periods.iter().map(ToString::to_string).collect::<Vec<_>>().join("/"))
        };
        let line = |line: interview::InterviewLine<'_>| {
            let lost = if line.grounds_lost { " lost" } else { "" };
            let grounds = line.grounds.iter().map(ground).collect::<Vec<_>>().join(", ");
            format!("{} {}{lost}: {grounds}", line.raised_by, line.status)
        };
        self.county.interviews.lines().into_iter().map(line).collect()
    }

    fn proposals(&self) -> Vec<(i16, String, usize, bool)> {
        let line = |(year, p): (&i16, &accountability_proposal::Proposal)| {
            (*year, p.status.to_string(), p.meetings.len(), p.grounds_lost)
        };
        self.county.proposals.by_year.iter().map(line).collect()
    }

    fn warned(&self) -> Vec<(String, usize)> {
        self.county.warnings.by_round.iter().map(|(period, named)| (period.to_string(), named.len())).collect()
    }
}

fn at(text: &str) -> Period {
    text.parse().expect(text)
}

fn after(months: &[(&str, V)]) -> Book {
    let mut book = Book::default();
    for (month, v) in months {
        book.publish(month, &[("a", *v)]);
    }
    book
}

#[test]
fn one_warning_notice_a_round_names_every_unmet_section() {
    let mut book = Book::default();
    let decided = book.publish("2020-01", &[("a", V::Unmet), ("b", V::Met), ("source", V::UnmetSource)]);
    assert_eq!((decided.len(), book.warned()), (1, vec![("2020-01".to_owned(), 2)]));
    assert_eq!(book.publish("2020-02", &[("a", V::Met), ("b", V::Dry)]), vec![]);
}

#[test]
fn two_unmet_months_without_improvement_require_one_interview() {
    let book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-01/2020-02"]);
}

#[test]
fn an_improving_second_month_does_not_qualify_but_a_third_that_is_no_better_does() {
    let mut book = after(&[("2020-01", V::At(140)), ("2020-02", V::At(130))]);
    assert_eq!(book.interviews(), [""; 0]);
    book.publish("2020-03", &[("a", V::At(130))]);
    assert_eq!(book.interviews(), ["2020-03 required: a 2020-02/2020-03"]);
}

#[test]
fn a_met_month_ends_a_streak() {
    let book = after(&[("2020-01", V::Unmet), ("2020-02", V::Met), ("2020-03", V::Unmet)]);
    assert_eq!(book.interviews(), [""; 0]);
}

#[test]
fn an_unassessed_month_is_bridged_or_breaks_as_the_rule_says() {
    let months = [("2020-01", V::Unmet), ("2020-02", V::Dry), ("2020-03", V::Unmet)];
    assert_eq!(after(&months).interviews(), ["2020-03 required: a 2020-01/2020-03"]);
    let mut book = Book::default();
    book.rules.gap = Gap::Break;
    for (month, v) in &months {
        book.publish(month, &[("a", *v)]);
    }
    assert_eq!(book.interviews(), [""; 0]);
}

#[test]
fn a_round_that_was_not_published_does_not_exist_for_a_streak() {
    let mut book = Book::default();
    book.rules.gap = Gap::Break;
    book.publish("2020-01", &[("a", V::Unmet)]);
    book.publish("2020-05", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-05 required: a 2020-01/2020-05"]);
}

#[test]
fn a_streak_runs_over_the_years_end_or_restarts_as_the_rule_says() {
    let months = [("2020-12", V::Unmet), ("2021-01", V::Unmet)];
    assert_eq!(after(&months).interviews(), ["2021-01 required: a 2020-12/2021-01"]);
    let mut book = Book::default();
    book.rules.year_boundary = YearBoundary::Restart;
    for (month, v) in &months {
        book.publish(month, &[("a", *v)]);
    }
    assert_eq!(book.interviews(), [""; 0]);
}

#[test]
fn after_a_qualification_the_streak_starts_again_or_runs_on_as_the_rule_says() {
    let months = ["2020-01", "2020-02", "2020-03", "2020-04"];
    let grounds = |book: &Book| book.county.interviews.raised.values().map(|r| r.grounds.len()).sum::<usize>();
    assert_eq!(grounds(&after(&months.map(|m| (m, V::Unmet)))), 2);
    let mut book = Book::default();
    book.rules.after_interview = AfterInterview::Continue;
    for month in &months {
        book.publish(month, &[("a", V::Unmet)]);
    }
    assert_eq!(grounds(&book), 3);
}

#[test]
fn an_open_interview_absorbs_new_grounds_and_a_held_one_does_not() {
    let mut book = Book::default();
    for month in ["2020-01", "2020-02"] {
        book.publish(month, &[("a", V::Unmet), ("b", V::Unmet)]);
    }
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-01/2020-02, b 2020-01/2020-02"]);
    book.publish("2020-03", &[("a", V::Unmet)]);
    book.publish("2020-04", &[("a", V::Unmet)]);
    assert_eq!(book.interviews().len(), 1);
    book.hold("2020-05-20").expect("open");
    book.publish("2020-05", &[("a", V::Unmet), ("b", V::Met)]);
    book.publish("2020-06", &[("a", V::Unmet), ("b", V::Met)]);
    assert_eq!(book.interviews().last().expect("two"), "2020-06 required: a 2020-05/2020-06");
}

#[test]
fn monthly_and_quarterly_streaks_are_separate() {
    let mut book = after(&[("2020-03", V::Unmet)]);
    book.publish("2020-Q1", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), [""; 0]);
    book.publish("2020-Q2", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-Q2 required: a 2020-Q1/2020-Q2"]);
}

#[test]
fn rounds_published_out_of_order_count_in_time_order() {
    let book = after(&[("2020-03", V::Unmet), ("2020-02", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-02/2020-03"]);
    let book = after(&[("2020-03", V::Unmet), ("2020-01", V::Unmet), ("2020-02", V::Met)]);
    assert_eq!(book.interviews(), ["2020-01 required: a 2020-01/2020-03"]);
}

#[test]
fn an_interview_cannot_be_held_when_none_is_open() {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    book.hold("2020-03-10").expect("open");
    assert_eq!(book.hold("2020-03-11"), Err(Refusal::NoOpenInterview { county: "c".to_owned() }));
}

#[test]
fn an_interview_cannot_be_held_in_the_future() {
    let book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    let hold = |today: &str| {
        let (held_on, today) = ("2020-03-10".parse().expect("date"), today.parse().expect("date"));
        let impact = Impact::Determination;
        act(
            &book.county,
            "c",
            InterviewCommand::Hold { held_on, today, attended: vec![], interviews_per_year: 2, impact },
        )
    };
    assert!(matches!(hold("2020-03-09"), Err(Refusal::ImpossibleDate { .. })));
    assert!(hold("2020-03-10").is_ok());
}

#[test]
fn minutes_need_a_held_interview() {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    let minutes = || InterviewCommand::Minutes { raised_by: at("2020-02"), minutes: "m".to_owned() };
    assert!(matches!(act(&book.county, "c", minutes()), Err(Refusal::UnknownInterview { .. })));
    book.hold("2020-03-10").expect("open");
    assert!(act(&book.county, "c", minutes()).is_ok());
}

fn two_interviews() -> Book {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    book.hold("2020-03-10").expect("open");
    book.publish("2020-03", &[("a", V::Unmet)]);
    book.publish("2020-04", &[("a", V::Unmet)]);
    book
}

#[test]
fn the_second_interview_of_a_year_drafts_a_proposal_that_a_person_decides_once() {
    let mut book = two_interviews();
    assert_eq!(book.determine(2020, true), Err(Refusal::NoDraftedProposal { county: "c".to_owned(), year: 2020 }));
    book.hold("2020-05-10").expect("open");
    assert_eq!(book.proposals(), [(2020, "drafted".to_owned(), 2, false)]);
    book.determine(2020, true).expect("drafted");
    assert_eq!(book.proposals(), [(2020, "issued".to_owned(), 2, false)]);
    assert!(book.determine(2020, false).is_err());
}

#[test]
fn a_proposal_without_serious_effect_is_shelved() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.determine(2020, false).expect("drafted");
    assert_eq!(book.proposals(), [(2020, "shelved".to_owned(), 2, false)]);
}

#[test]
fn interviews_of_two_calendar_years_draft_nothing() {
    let mut book = two_interviews();
    book.hold("2021-01-10").expect("open");
    assert_eq!(book.proposals(), []);
}

#[test]
fn a_third_interview_is_added_before_the_determination_and_not_after() {
    for (determined, counted) in [(false, 3), (true, 2)] {
        let mut book = two_interviews();
        book.hold("2020-05-10").expect("open");
        if determined {
            book.determine(2020, true).expect("drafted");
        }
        book.publish("2020-05", &[("a", V::Unmet)]);
        book.publish("2020-06", &[("a", V::Unmet)]);
        book.hold("2020-07-10").expect("open");
        assert_eq!(book.proposals()[0].2, counted);
    }
}

#[test]
fn with_impact_always_a_proposal_is_issued_without_a_determination() {
    let mut book = two_interviews();
    book.impact = Impact::Always;
    book.hold("2020-05-10").expect("open");
    assert_eq!(book.proposals(), [(2020, "issued".to_owned(), 2, false)]);
}

#[test]
fn a_correction_withdraws_the_notice_and_cancels_an_interview_not_held() {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.interviews(), ["2020-02 cancelled: a 2020-01/2020-02"]);
    assert_eq!(book.warned(), [("2020-01".to_owned(), 1), ("2020-02".to_owned(), 0)]);
    book.correct("2020-02", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 required: a 2020-01/2020-02"]);
    assert_eq!(book.warned(), [("2020-01".to_owned(), 1), ("2020-02".to_owned(), 1)]);
}

#[test]
fn a_held_interview_that_lost_its_grounds_stays_and_no_longer_counts() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.interviews(), ["2020-02 held lost: a 2020-01/2020-02", "2020-04 held: a 2020-03/2020-04"]);
    assert_eq!(book.proposals(), [(2020, "withdrawn".to_owned(), 1, false)]);
    book.correct("2020-02", &[("a", V::Unmet)]);
    assert_eq!(book.proposals(), [(2020, "drafted".to_owned(), 2, false)]);
}

#[test]
fn a_held_interview_answers_for_what_the_corrected_record_has_open() {
    let mut book = Book::default();
    book.publish("2020-01", &[("a", V::Unmet)]);
    book.publish("2020-02", &[("a", V::Met)]);
    book.publish("2020-03", &[("a", V::Unmet)]);
    book.publish("2020-04", &[("a", V::Unmet)]);
    book.hold("2020-05-10").expect("open");
    book.correct("2020-02", &[("a", V::Unmet)]);
    assert_eq!(book.interviews(), ["2020-02 held: a 2020-01/2020-02, a 2020-03/2020-04"]);
}

#[test]
fn an_issued_proposal_keeps_its_status_and_may_lose_its_grounds() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.determine(2020, true).expect("drafted");
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.proposals(), [(2020, "issued".to_owned(), 1, true)]);
}

#[test]
fn a_shelved_proposal_never_has_lost_grounds() {
    let mut book = two_interviews();
    book.hold("2020-05-10").expect("open");
    book.determine(2020, false).expect("drafted");
    book.correct("2020-02", &[("a", V::Met)]);
    assert_eq!(book.proposals(), [(2020, "shelved".to_owned(), 1, false)]);
}

#[test]
fn nothing_follows_before_the_last_part_of_a_round() {
    let mut book = Book::default();
    let part = |part, section: &str| CountyEvent::RoundJudged {
        period: at("2020-01"),
        rules: RoundRules::of(&RuleSet::default()),
        part,
        parts: 2,
        verdicts: vec![verdict(section, V::Unmet)],
    };
    assert_eq!(book.record(&[part(1, "a")]), vec![]);
    book.record(&[part(2, "b")]);
    assert_eq!(book.warned(), [("2020-01".to_owned(), 2)]);
    assert_eq!(book.interviews(), [""; 0]);
    let held = book.county.interviews.lines().iter().filter(|l| l.status == InterviewStatus::Held).count();
    assert_eq!(held, 0);
}

/// The grounds of the interview that these events require, parts included.
pub(crate) fn grounds(events: &[CountyEvent]) -> Vec<interview::Ground> {
    use interview::InterviewEvent::{GroundsListed, InterviewRequired};
    let mut listed = Vec::new();
    for event in events {
        if let CountyEvent::Interview(InterviewRequired { grounds, .. } | GroundsListed { grounds, .. }) = event {
            listed.extend_from_slice(grounds);
        }
    }
    listed
}
