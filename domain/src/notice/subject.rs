//! What a notice is about.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::escalation::interview::Ground;
use crate::period::{Cadence, Period};
use crate::verdict::SectionVerdict;

/// What a notice is about, with everything its text needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The unmet sections of a round.
    Round {
        /// The round.
        period: Period,
        /// The unmet sections; none in a withdrawal.
        sections: Vec<SectionVerdict>,
    },
    /// An interview.
    Interview {
        /// The round that raised it.
        raised_by: Period,
        /// Its grounds.
        grounds: Vec<Ground>,
    },
    /// The interviews of a year and the determination.
    Proposal {
        /// The calendar year.
        year: i16,
        /// The days of the interviews.
        held_on: Vec<Date>,
        /// Their grounds.
        grounds: Vec<Ground>,
        /// The basis of the determination; none where `impact = "always"`.
        basis: Option<String>,
    },
}

impl Subject {
    /// The round the notice belongs to; none for a proposal.
    pub fn period(&self) -> Option<Period> {
        match self {
            Self::Round { period, .. } | Self::Interview { raised_by: period, .. } => Some(*period),
            Self::Proposal { .. } => None,
        }
    }

    pub(super) fn list_sections(&mut self, more: &[SectionVerdict]) {
        match self {
            Self::Round { sections, .. } => sections.extend_from_slice(more),
            Self::Interview { .. } | Self::Proposal { .. } => {}
        }
    }

    pub(super) fn list_grounds(&mut self, more: &[Ground]) {
        match self {
            Self::Interview { grounds, .. } | Self::Proposal { grounds, .. } => grounds.extend_from_slice(more),
            Self::Round { .. } => {}
        }
    }

    /// The cadence of the round.
    pub fn cadence(&self) -> Option<Cadence> {
        self.period().map(Period::cadence)
    }
}
