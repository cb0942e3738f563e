//! A county's record: the rounds it was judged in, its interviews and determinations, and what followed from them.
//!
//! Facts (rounds, meetings, determinations) come from officers' acts. Decisions (notices, interviews, proposals) are
//! what [`crate::escalation::decide`] finds missing or standing wrongly after a fact.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::escalation::accountability_proposal::{self, ProposalEvent, Proposals};
use crate::escalation::interview::{self, InterviewEvent, Interviews};
use crate::escalation::warning_notice::{self, WarningEvent, Warnings};
use crate::ids::SectionId;
use crate::money::Fen;
use crate::parts::InParts;
use crate::period::Period;
use crate::plan::rules::{AfterInterview, Band, BandBasis, Gap, Impact, RuleSet, YearBoundary};
use crate::verdict::SectionVerdict;

/// The settings that escalation and compensation judge a round by, as they were when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundRules {
    /// What an unassessed period does to a streak.
    pub gap: Gap,
    /// Whether a streak runs over the year's end.
    pub year_boundary: YearBoundary,
    /// What a qualification does to the streak.
    pub after_interview: AfterInterview,
    /// Unmet periods in a row that qualify.
    pub consecutive_unmet: u32,
    /// What the charge band counts.
    pub band_basis: BandBasis,
    /// Charge bands.
    pub bands: Vec<Band>,
}

impl RoundRules {
    /// The part of a plan's rules that a round keeps.
    pub fn of(rules: &RuleSet) -> Self {
        Self {
            gap: rules.gap,
            year_boundary: rules.year_boundary,
            after_interview: rules.after_interview,
            consecutive_unmet: rules.consecutive_unmet,
            band_basis: rules.band_basis,
            bands: rules.bands.clone(),
        }
    }

    /// The rate a section and month for a county with `sections` sections (三(二)).
    pub fn rate(&self, sections: u32) -> Fen {
        let band = self.bands.iter().find(|band| band.sections_max.is_none_or(|max| sections <= max));
        band.map_or(Fen::ZERO, |band| band.fen)
    }
}

/// Events of a county's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountyEvent {
    /// A round was published; the county's verdicts, in one or several parts.
    RoundJudged {
        /// The round.
        period: Period,
        /// The settings of its plan.
        rules: RoundRules,
        /// Number of this part, from 1.
        part: u32,
        /// Number of parts; nothing follows before the last one.
        parts: u32,
        /// The verdicts in order of section.
        verdicts: Vec<SectionVerdict>,
    },
    /// A correction changed verdicts of a published round.
    RoundRejudged {
        /// The round.
        period: Period,
        /// Why.
        reason: String,
        /// The corrected verdicts.
        verdicts: Vec<SectionVerdict>,
    },
    /// A date was set for the open interview.
    InterviewScheduled {
        /// The round that raised it.
        raised_by: Period,
        /// The day.
        on: Date,
        /// Where.
        place: String,
    },
    /// The open interview was held.
    InterviewHeld {
        /// The round that raised it.
        raised_by: Period,
        /// The day, Beijing time.
        held_on: Date,
        /// Who attended.
        attended: Vec<String>,
        /// Interviews in a year that lead to a proposal, in force on that day.
        interviews_per_year: u32,
        /// Whether a proposal needs a determination, in force on that day.
        impact: Impact,
    },
    /// The minutes of a held interview.
    MinutesRecorded {
        /// The round that raised it.
        raised_by: Period,
        /// The text.
        minutes: String,
    },
    /// A person determined whether the city's own result was seriously affected (R6).
    ImpactDetermined {
        /// The year of the proposal.
        year: i16,
        /// Whether it was.
        serious: bool,
        /// On what grounds.
        basis: String,
        /// The interviews it was decided on, by their number from 0.
        meetings: Vec<u32>,
    },
    /// What follows for warning notices.
    #[serde(untagged)]
    Warning(WarningEvent),
    /// What follows for interviews.
    #[serde(untagged)]
    Interview(InterviewEvent),
    /// What follows for proposals.
    #[serde(untagged)]
    Proposal(ProposalEvent),
}

impl CountyEvent {
    /// Whether the event is a fact given by an officer's act, not a decision that follows from facts.
    pub fn is_fact(&self) -> bool {
        match self {
            Self::RoundJudged { .. }
            | Self::RoundRejudged { .. }
            | Self::InterviewScheduled { .. }
            | Self::InterviewHeld { .. }
            | Self::MinutesRecorded { .. }
            | Self::ImpactDetermined { .. } => true,
            Self::Warning(_) | Self::Interview(_) | Self::Proposal(_) => false,
        }
    }
}

impl InParts for CountyEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::Warning(event) => event.parts(),
            Self::Interview(event) => event.parts(),
            // The parts of a round are facts of their own: each says which it is.
            Self::RoundJudged { .. }
            | Self::RoundRejudged { .. }
            | Self::InterviewScheduled { .. }
            | Self::InterviewHeld { .. }
            | Self::MinutesRecorded { .. }
            | Self::ImpactDetermined { .. }
            | Self::Proposal(_) => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (Self::Warning(event), Self::Warning(part)) => event.join(part).map_err(Self::Warning),
            (Self::Interview(event), Self::Interview(part)) => event.join(part).map_err(Self::Interview),
            (_, other) => Err(other),
        }
    }
}

/// A published round as it stands for the county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRound {
    /// The round.
    pub period: Period,
    /// Its settings.
    pub rules: RoundRules,
    /// Verdicts by section, as corrected.
    pub verdicts: BTreeMap<SectionId, SectionVerdict>,
    /// Whether every part has arrived.
    pub complete: bool,
}

impl JudgedRound {
    /// The unmet sections in order of id.
    pub fn unmet(&self) -> impl Iterator<Item = &SectionVerdict> {
        self.verdicts.values().filter(|verdict| verdict.is_unmet())
    }
}

/// A moment of the county's record that the order of escalation depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The round at this place of `rounds` was published.
    Round(usize),
    /// The interview at this place of the meetings was held.
    Meeting(usize),
}

/// A county's record.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct County {
    /// Rounds in the order they were published.
    pub rounds: Vec<JudgedRound>,
    /// Publications and meetings in the order they happened.
    pub timeline: Vec<Moment>,
    /// Warning notices as recorded.
    pub warnings: Warnings,
    /// Interviews as recorded.
    pub interviews: Interviews,
    /// Proposals as recorded.
    pub proposals: Proposals,
}

impl County {
    /// The state after an event.
    #[must_use]
    pub fn evolve(mut self, event: &CountyEvent) -> Self {
        match event {
            CountyEvent::RoundJudged { period, rules, part, parts, verdicts } => {
                self.take_part(*period, rules, part == parts, verdicts);
            }
            CountyEvent::RoundRejudged { period, verdicts, .. } => {
                if let Some(round) = self.rounds.iter_mut().find(|round| round.period == *period) {
                    round.verdicts.extend(verdicts.iter().map(|verdict| (verdict.section.clone(), verdict.clone())));
                }
            }
            CountyEvent::InterviewHeld { .. } => {
                self.timeline.push(Moment::Meeting(self.interviews.meetings.len()));
                self.interviews.evolve_fact(event);
            }
            CountyEvent::InterviewScheduled { .. } | CountyEvent::MinutesRecorded { .. } => {
                self.interviews.evolve_fact(event);
            }
            CountyEvent::ImpactDetermined { year, serious, basis, meetings } => {
                self.proposals.determined(*year, *serious, basis, meetings);
            }
            CountyEvent::Warning(event) => warning_notice::evolve(&mut self.warnings, event),
            CountyEvent::Interview(event) => interview::evolve(&mut self.interviews, event),
            CountyEvent::Proposal(event) => accountability_proposal::evolve(&mut self.proposals, event),
        }
        self
    }

    fn take_part(&mut self, period: Period, rules: &RoundRules, last: bool, verdicts: &[SectionVerdict]) {
        let place = self.rounds.iter().position(|round| round.period == period).unwrap_or_else(|| {
            let round = JudgedRound { period, rules: rules.clone(), verdicts: BTreeMap::new(), complete: false };
            self.rounds.push(round);
            self.rounds.len() - 1
        });
        let round = &mut self.rounds[place];
        round.verdicts.extend(verdicts.iter().map(|verdict| (verdict.section.clone(), verdict.clone())));
        round.complete = last;
        if last {
            self.timeline.push(Moment::Round(place));
        }
    }
}
