//! R4–R6 and R8, as given-when-then over a county's record: the record, and by step what must follow from it.

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

mod corrections;
mod interviews;
mod proposals;
mod streaks;

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

fn two_interviews() -> Book {
    let mut book = after(&[("2020-01", V::Unmet), ("2020-02", V::Unmet)]);
    book.hold("2020-03-10").expect("open");
    book.publish("2020-03", &[("a", V::Unmet)]);
    book.publish("2020-04", &[("a", V::Unmet)]);
    book
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
