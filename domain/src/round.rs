//! Rounds (考核): declaring, publishing and judging again (R3, R8).
//!
//! Publication fixes the verdicts of every active section in one step; a correction judges the affected rounds again
//! under their own rules.

mod publishing;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::assessment::{Assessment, Reason, assess};
use crate::ids::{CountyId, SectionId};
use crate::indicator::Indicator;
use crate::monthly::{Derived, QUARTER_MONTHS_MIN, monthly_values, value_over};
use crate::period::{Month, Period};
use crate::plan::Section;
use crate::plan::book::{PlanBook, RevisionNumber};
use crate::plan::revision::PlanRevision;
use crate::readings::MonthReadings;
use crate::refusal::Refusal;
use crate::verdict::SectionVerdict;

pub use publishing::{Conclusion, Publishing};

/// Events of a round's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundEvent {
    /// An officer published the round.
    RoundPublished {
        /// The round.
        period: Period,
        /// The plan revision that judged it.
        revision: RevisionNumber,
        /// The reason given for sections without a complete assessment.
        declare_rest: Option<Reason>,
        /// Sections met.
        met: u32,
        /// Sections unmet.
        unmet: u32,
        /// Sections unassessed.
        unassessed: u32,
    },
    /// A correction changed verdicts of the published round.
    RoundCorrected {
        /// The round.
        period: Period,
        /// Why.
        reason: String,
        /// The sections whose assessment changed.
        sections: Vec<SectionId>,
    },
}

/// Events of a section's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionEvent {
    /// The section is declared unassessed in a period.
    SectionDeclared {
        /// The period.
        period: Period,
        /// Why.
        reason: Reason,
    },
    /// A declaration is withdrawn.
    DeclarationWithdrawn {
        /// The period.
        period: Period,
        /// Why.
        reason: String,
    },
    /// The section was assessed in a published round.
    SectionAssessed(Judged),
    /// The assessment of a published round was corrected.
    AssessmentCorrected(Judged),
}

/// An assessment with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The round.
    pub period: Period,
    /// The plan revision that judged it.
    pub revision: RevisionNumber,
    /// Version of each month's readings that were used.
    pub readings: Vec<(Month, u64)>,
    /// The assessment.
    pub assessment: Assessment,
}

/// What is recorded about a section apart from its readings.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SectionFile {
    /// Standing declarations.
    pub declarations: BTreeMap<Period, Reason>,
    /// Published rounds. A tree keeps room for more than it has, so each is held apart from it.
    pub rounds: BTreeMap<Period, Box<PublishedRound>>,
}

/// A section in a published round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRound {
    /// The assessment as it stands.
    pub judged: Judged,
    /// The months that were declared when the round was published. A month declared later is no correction of that
    /// round, so judging the round again does not leave it out (contract: Corrections).
    left_out: Vec<Month>,
    /// Versions of the readings that the round was published on. A later import is no correction of it either.
    published_on: Vec<(Month, u64)>,
}

impl SectionFile {
    /// The state after an event.
    #[must_use]
    pub fn evolve(mut self, event: &SectionEvent) -> Self {
        match event {
            SectionEvent::SectionDeclared { period, reason } => {
                self.declarations.insert(*period, *reason);
            }
            SectionEvent::DeclarationWithdrawn { period, .. } => {
                self.declarations.remove(period);
                if let Period::Month(month) = period {
                    for round in self.rounds.values_mut() {
                        round.left_out.retain(|left_out| left_out != month);
                    }
                }
            }
            SectionEvent::SectionAssessed(judged) => {
                let left_out = judged.period.months().into_iter().filter(|month| self.is_declared(*month)).collect();
                let (published_on, judged) = (judged.readings.clone(), judged.clone());
                self.rounds.insert(judged.period, Box::new(PublishedRound { judged, left_out, published_on }));
            }
            SectionEvent::AssessmentCorrected(judged) => {
                if let Some(round) = self.rounds.get_mut(&judged.period) {
                    round.judged = judged.clone();
                }
            }
        }
        self
    }

    fn is_declared(&self, month: Month) -> bool {
        self.declarations.contains_key(&Period::Month(month))
    }

    /// Whether `month` does not count for `period`: declared, and already so when the round was published.
    fn leaves_out(&self, period: Period, month: Month) -> bool {
        let published = self.rounds.get(&period);
        published.map_or_else(|| self.is_declared(month), |round| round.left_out.contains(&month))
    }

    /// Declares the section; the same reason again changes nothing.
    ///
    /// # Errors
    /// The round is published: its verdicts are fixed.
    pub fn declare(&self, period: Period, reason: Reason, published: bool) -> Result<Vec<SectionEvent>, Refusal> {
        if published {
            return Err(Refusal::RoundAlreadyPublished { period });
        }
        if self.declarations.get(&period) == Some(&reason) {
            return Ok(vec![]);
        }
        Ok(vec![SectionEvent::SectionDeclared { period, reason }])
    }

    /// Withdraws a declaration, which is a correction where the round is published.
    ///
    /// # Errors
    /// No declaration stands.
    pub fn withdraw(&self, section: &SectionId, period: Period, reason: String) -> Result<SectionEvent, Refusal> {
        if !self.declarations.contains_key(&period) {
            return Err(Refusal::NotDeclared { section: section.to_string(), period });
        }
        Ok(SectionEvent::DeclarationWithdrawn { period, reason })
    }
}

/// A section's readings of the months that matter, with the version of each stream.
pub type SectionReadings = BTreeMap<Month, (MonthReadings, u64)>;

/// What is known of one section when a round is judged.
#[derive(Debug, Default, Clone)]
pub struct Dossier {
    /// Declarations and earlier assessments.
    pub file: SectionFile,
    /// Readings of the round's months.
    pub readings: SectionReadings,
}

/// The values that `section` is assessed by in `period` under the rules of `revision`.
pub fn values_of(
    revision: &PlanRevision,
    section: &Section,
    period: Period,
    dossier: &Dossier,
) -> BTreeMap<Indicator, Derived> {
    let rules = &revision.plan.rules;
    let mut months = BTreeMap::new();
    for month in period.months() {
        let counts = match period {
            Period::Month(_) => true,
            Period::Quarter(_) => section.is_active(month) && !dossier.file.leaves_out(period, month),
        };
        if let (true, Some((readings, _))) = (counts, dossier.readings.get(&month)) {
            let published_on = dossier.file.rounds.get(&period).map(|round| &round.published_on);
            let seen = published_on.into_iter().flatten().find(|(of, _)| *of == month).map(|(_, version)| *version);
            months.insert(month, monthly_values(&readings.as_of(seen.unwrap_or(u64::MAX)), rules));
        }
    }
    match period {
        Period::Month(month) => months.remove(&month).unwrap_or_default(),
        Period::Quarter(_) => value_over(&months, QUARTER_MONTHS_MIN),
    }
}

/// The assessment of `section` in `period` under `revision`.
pub fn judge(book: &PlanBook, revision: &PlanRevision, section: &Section, period: Period, dossier: &Dossier) -> Judged {
    let values = values_of(revision, section, period, dossier);
    let target = book.target(section, period.last_month());
    let declared = dossier.file.declarations.get(&period).copied();
    Judged {
        period,
        revision: revision.number,
        readings: dossier.readings.iter().map(|(month, (_, version))| (*month, *version)).collect(),
        assessment: assess(&values, section.body(), target, declared, &revision.plan.rules),
    }
}

/// The published rounds of a section that depend on `months` (its monthly round and the quarter's).
pub fn affected_rounds(file: &SectionFile, months: &BTreeSet<Month>) -> Vec<Period> {
    file.rounds.keys().filter(|period| period.months().iter().any(|month| months.contains(month))).copied().collect()
}

/// What judging one published round of a section again yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejudgement {
    /// The corrected assessment.
    pub judged: Judged,
    /// The county that answered for the section in that round.
    pub county: CountyId,
    /// The verdict, where it changed in what escalation or compensation see.
    pub verdict: Option<SectionVerdict>,
}

/// Judges a published round of a section again under its own rules; `None` when the assessment does not change.
pub fn rejudge(book: &PlanBook, section: &SectionId, period: Period, dossier: &Dossier) -> Option<Rejudgement> {
    let standing = &dossier.file.rounds.get(&period)?.judged;
    let revision = book.revision(standing.revision)?;
    let section = revision.section(section)?;
    let judged = judge(book, revision, section, period, dossier);
    if judged.assessment == standing.assessment {
        return None;
    }
    let verdict_of = |assessment| SectionVerdict::of(section.id.clone(), section.kind, assessment);
    let (before, after) = (verdict_of(&standing.assessment), verdict_of(&judged.assessment));
    Some(Rejudgement { judged, county: section.county.clone(), verdict: (before != after).then_some(after) })
}

#[cfg(test)]
mod tests;
