//! Escalation (三(六)): what must follow from a county's record, step by step.
//!
//! Each step is one file with its own events and state. [`decide`] compares what the record demands with what was
//! recorded and returns the difference, so running it again changes nothing, and a correction needs no rule of its
//! own. A new step is a file here, a row in [`Step`], and what the compiler then points at.

pub mod accountability_proposal;
pub mod interview;
pub mod warning_notice;

use strum::{EnumIter, IntoEnumIterator};

use crate::county::{County, CountyEvent};

/// The steps in the order they are decided: a later one sees what an earlier one has just recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter)]
pub enum Step {
    /// 预警通报 (R4).
    WarningNotice,
    /// 约谈 (R5).
    Interview,
    /// 问责建议 (R6).
    AccountabilityProposal,
}

impl Step {
    fn decide(self, county: &County) -> Vec<CountyEvent> {
        match self {
            Self::WarningNotice => warning_notice::decide(county).into_iter().map(CountyEvent::Warning).collect(),
            Self::Interview => interview::decide(county).into_iter().map(CountyEvent::Interview).collect(),
            Self::AccountabilityProposal => {
                accountability_proposal::decide(county).into_iter().map(CountyEvent::Proposal).collect()
            }
        }
    }
}

/// The decisions that the county's facts demand and that are not yet recorded.
pub fn decide(county: &County) -> Vec<CountyEvent> {
    if county.rounds.iter().any(|round| !round.complete) {
        return vec![];
    }
    let (mut decided, mut county) = (Vec::new(), county.clone());
    for step in Step::iter() {
        let events = step.decide(&county);
        county = events.iter().fold(county, County::evolve);
        decided.extend(events);
    }
    decided
}

#[cfg(test)]
pub(crate) mod tests;
