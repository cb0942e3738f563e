//! Publishing a round (R3), section after section.

use std::collections::BTreeMap;

use super::{Dossier, RoundEvent, SectionEvent, judge};
use crate::assessment::{Reason, Verdict};
use crate::county::{CountyEvent, RoundRules};
use crate::ids::CountyId;
use crate::parts::{count, divide};
use crate::period::Period;
use crate::plan::Section;
use crate::plan::book::PlanBook;
use crate::plan::revision::PlanRevision;
use crate::refusal::Refusal;
use crate::verdict::SectionVerdict;

/// What a publication records after its sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// Events by county, in order of id.
    pub counties: Vec<(CountyId, Vec<CountyEvent>)>,
    /// The round's own event.
    pub round: RoundEvent,
}

/// A publication under way. It is given section after section, so that a round of any size needs room for its verdicts
/// only, not for all its readings and assessments at once.
#[derive(Debug)]
pub struct Publishing<'a> {
    book: &'a PlanBook,
    revision: &'a PlanRevision,
    period: Period,
    declare_rest: Option<Reason>,
    incomplete: Vec<String>,
    verdicts: BTreeMap<CountyId, Vec<SectionVerdict>>,
}

impl<'a> Publishing<'a> {
    /// Begins to publish a round; sections without a complete assessment are declared for the reason `declare_rest`.
    ///
    /// # Errors
    /// The round is published, or no plan is in force.
    pub fn begin(
        book: &'a PlanBook,
        period: Period,
        declare_rest: Option<Reason>,
        already_published: bool,
    ) -> Result<Self, Refusal> {
        if already_published {
            return Err(Refusal::RoundAlreadyPublished { period });
        }
        let revision = book.in_force(period.last_month()).ok_or(Refusal::NoPlanInForce)?;
        Ok(Self { book, revision, period, declare_rest, incomplete: Vec::new(), verdicts: BTreeMap::new() })
    }

    /// The sections to give, in order.
    pub fn sections(&self) -> Vec<&'a Section> {
        self.revision.plan.active_sections(&self.period.months())
    }

    /// Judges the next section and returns its events.
    pub fn judge(&mut self, section: &Section, dossier: &Dossier) -> Vec<SectionEvent> {
        let period = self.period;
        let mut judged = judge(self.book, self.revision, section, period, dossier);
        let mut events = Vec::new();
        if judged.assessment.verdict == Verdict::Unassessed(Reason::InsufficientData) {
            match self.declare_rest {
                None => self.incomplete.push(section.id.to_string()),
                Some(reason) => {
                    events.push(SectionEvent::SectionDeclared { period, reason });
                    judged.assessment.verdict = Verdict::Unassessed(reason);
                }
            }
        }
        let verdict = SectionVerdict::of(section.id.clone(), section.kind, &judged.assessment);
        self.verdicts.entry(section.county.clone()).or_default().push(verdict);
        events.push(SectionEvent::SectionAssessed(judged));
        events
    }

    /// What is recorded once every section was judged.
    ///
    /// # Errors
    /// A section is neither completely assessed nor declared.
    pub fn conclude(mut self) -> Result<Conclusion, Refusal> {
        let period = self.period;
        if !self.incomplete.is_empty() {
            self.incomplete.truncate(20);
            return Err(Refusal::RoundIncomplete { period, sections: self.incomplete });
        }
        let number = |wanted: fn(&SectionVerdict) -> bool| {
            let verdicts = self.verdicts.values().flatten();
            u32::try_from(verdicts.filter(|verdict| wanted(verdict)).count()).unwrap_or(u32::MAX)
        };
        let round = RoundEvent::RoundPublished {
            period,
            revision: self.revision.number,
            declare_rest: self.declare_rest,
            met: number(|verdict| verdict.verdict == Verdict::Met),
            unmet: number(SectionVerdict::is_unmet),
            unassessed: number(|verdict| verdict.verdict.reason().is_some()),
        };
        let rules = RoundRules::of(&self.revision.plan.rules);
        let events = |(county, verdicts): (CountyId, Vec<_>)| (county, county_events(period, &rules, verdicts));
        Ok(Conclusion { counties: self.verdicts.into_iter().map(events).collect(), round })
    }
}

/// A county's verdicts of a round, in as many events as they need.
fn county_events(period: Period, rules: &RoundRules, verdicts: Vec<SectionVerdict>) -> Vec<CountyEvent> {
    let divided = divide(verdicts);
    let parts = count(divided.len());
    let part = |(part, verdicts)| CountyEvent::RoundJudged { period, rules: rules.clone(), part, parts, verdicts };
    (1..).zip(divided).map(part).collect()
}
