//! The book of adopted plans: which revision is in force for a month, and which targets were corrected (R3, R8).
//!
//! A plan is in force from its year on until another replaces it; an amendment from its effective month on. A
//! published round keeps the number of the revision that judged it.

use serde::{Deserialize, Serialize};

use crate::ids::SectionId;
use crate::parts::{InParts, count};
use crate::period::Month;
use crate::plan::parts::{self, Entries};
use crate::plan::revision::PlanRevision;
use crate::plan::{Plan, Section};
use crate::refusal::Refusal;
use crate::standard::Target;

/// Number of an adopted revision, from 1 in the order of adoption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionNumber(pub u32);

/// Events of the plan stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanEvent {
    /// A plan was adopted, in force from `effective_from` on.
    PlanAdopted {
        /// First month it holds for: January of its year.
        effective_from: Month,
        /// The plan, without the entries of the parts that follow.
        plan: Plan,
        /// Parts that follow with the rest of its entries; it holds once the last one is there.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Targets, sections or rules were amended from a month on.
    PlanAmended {
        /// First month the amended text holds for.
        effective_from: Month,
        /// Why.
        reason: String,
        /// The amended plan, without the entries of the parts that follow.
        plan: Plan,
        /// Parts that follow with the rest of its entries; it holds once the last one is there.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Entries of the plan that was just adopted or amended, after those it has.
    EntriesListed(Entries),
    /// A target was wrong and is corrected, for published rounds too (R8).
    TargetCorrected {
        /// The correction.
        correction: TargetCorrection,
        /// Why.
        reason: String,
    },
}

impl InParts for PlanEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::PlanAdopted { parts, .. } | Self::PlanAmended { parts, .. } => *parts,
            Self::EntriesListed(_) | Self::TargetCorrected { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (
                Self::PlanAdopted { plan, parts: left, .. } | Self::PlanAmended { plan, parts: left, .. },
                Self::EntriesListed(entries),
            ) if *left > 0 => {
                parts::add(plan, entries);
                *left -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}

/// A corrected target of one section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCorrection {
    /// The section.
    pub section: SectionId,
    /// First month it holds for.
    pub from: Month,
    /// Last month it holds for; open when absent.
    pub until: Option<Month>,
    /// The right target.
    pub target: Target,
}

/// Everything adopted so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PlanBook {
    revisions: Vec<PlanRevision>,
    arriving: Option<Arriving>,
    corrections: Vec<TargetCorrection>,
}

/// A plan of which parts are still to come. They stand in one batch with it, so only a reader of single events meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arriving {
    effective_from: Month,
    plan: Plan,
    parts: u32,
}

/// Commands on the plan stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanCommand {
    /// Adopt a plan for its year and on.
    Adopt {
        /// The plan.
        plan: Plan,
    },
    /// Amend the plan from a month on.
    Amend {
        /// The whole amended plan.
        plan: Plan,
        /// First month it holds for.
        effective_from: Month,
        /// Why.
        reason: String,
    },
    /// Correct a target.
    CorrectTarget {
        /// The correction.
        correction: TargetCorrection,
        /// Why.
        reason: String,
    },
}

impl PlanBook {
    /// What follows from a command.
    ///
    /// # Errors
    /// An unsound plan, an amendment before any adoption, or a correction of a section no revision knows.
    pub fn decide(&self, command: PlanCommand) -> Result<Vec<PlanEvent>, Refusal> {
        let sound = |plan: &Plan| match plan.faults().into_iter().next() {
            Some(fault) => Err(Refusal::UnsoundPlan { fault: fault.to_string() }),
            None => Ok(()),
        };
        match command {
            PlanCommand::Adopt { plan } => {
                sound(&plan)?;
                let effective_from = Month::new(plan.plan.year, 1).ok_or(Refusal::NoPlanInForce)?;
                if self.revisions.last().is_some_and(|last| *last.plan == plan && last.effective_from == effective_from)
                {
                    return Ok(vec![]);
                }
                Ok(in_parts(plan, |plan, parts| PlanEvent::PlanAdopted { effective_from, plan, parts }))
            }
            PlanCommand::Amend { plan, effective_from, reason } => {
                sound(&plan)?;
                if self.in_force(effective_from).is_none() {
                    return Err(Refusal::NoPlanInForce);
                }
                Ok(in_parts(plan, |plan, parts| PlanEvent::PlanAmended { effective_from, reason, plan, parts }))
            }
            PlanCommand::CorrectTarget { correction, reason } => {
                if self.find_section(&correction.section).is_none() {
                    return Err(Refusal::UnknownSection { section: correction.section.to_string() });
                }
                Ok(vec![PlanEvent::TargetCorrected { correction, reason }])
            }
        }
    }

    /// The book after an event.
    #[must_use]
    pub fn evolve(mut self, event: &PlanEvent) -> Self {
        match event {
            PlanEvent::PlanAdopted { effective_from, plan, parts }
            | PlanEvent::PlanAmended { effective_from, plan, parts, .. } => {
                self.arrive(Arriving { effective_from: *effective_from, plan: plan.clone(), parts: *parts });
            }
            PlanEvent::EntriesListed(entries) => {
                if let Some(mut arriving) = self.arriving.take() {
                    parts::add(&mut arriving.plan, entries.clone());
                    arriving.parts = arriving.parts.saturating_sub(1);
                    self.arrive(arriving);
                }
            }
            PlanEvent::TargetCorrected { correction, .. } => self.corrections.push(correction.clone()),
        }
        self
    }

    fn arrive(&mut self, arriving: Arriving) {
        if arriving.parts > 0 {
            self.arriving = Some(arriving);
            return;
        }
        let number = RevisionNumber(u32::try_from(self.revisions.len()).unwrap_or(u32::MAX) + 1);
        self.revisions.push(PlanRevision::new(number, arriving.effective_from, arriving.plan));
    }

    /// The revision in force for `month`: the one that starts last at or before it; of two that start together, the
    /// one adopted later.
    pub fn in_force(&self, month: Month) -> Option<&PlanRevision> {
        self.revisions
            .iter()
            .filter(|revision| revision.effective_from <= month)
            .max_by_key(|revision| (revision.effective_from, revision.number))
    }

    /// The revision with this number.
    pub fn revision(&self, number: RevisionNumber) -> Option<&PlanRevision> {
        self.revisions.iter().find(|revision| revision.number == number)
    }

    /// The revision adopted last.
    pub fn latest(&self) -> Option<&PlanRevision> {
        self.revisions.last()
    }

    /// All revisions in the order of adoption.
    pub fn revisions(&self) -> &[PlanRevision] {
        &self.revisions
    }

    /// The newest entry about a section in any revision.
    pub fn find_section(&self, id: &SectionId) -> Option<&Section> {
        self.revisions.iter().rev().find_map(|revision| revision.section(id))
    }

    /// The target of `section` in `month`: the plan's, or the correction recorded last for that month.
    pub fn target(&self, section: &Section, month: Month) -> Target {
        let holds = |correction: &&TargetCorrection| {
            correction.section == section.id
                && correction.from <= month
                && correction.until.is_none_or(|until| month <= until)
        };
        self.corrections.iter().rev().find(holds).map_or(section.target, |correction| correction.target)
    }
}

/// The events of a plan: `first` with the number of parts that follow, and these.
fn in_parts(plan: Plan, first: impl FnOnce(Plan, u32) -> PlanEvent) -> Vec<PlanEvent> {
    let (plan, rest) = parts::divide(plan);
    std::iter::once(first(plan, count(rest.len()))).chain(rest.into_iter().map(PlanEvent::EntriesListed)).collect()
}
