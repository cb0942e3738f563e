//! What happens to a county's interviews, and the grounds they are required for (R5, R8).

use serde::{Deserialize, Serialize};

use crate::ids::SectionId;
use crate::parts::{InParts, Weigh};
use crate::period::{Cadence, Period};

/// Why an interview is required: one qualification of one section. Sorted by cadence, periods, section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ground {
    /// The cadence of its streak.
    pub cadence: Cadence,
    /// The unmet period compared with, and the newest.
    pub periods: Vec<Period>,
    /// The section.
    pub section: SectionId,
}

/// What happens to a county's interviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterviewEvent {
    /// Sections qualified and no interview was open.
    InterviewRequired {
        /// The round that raised it; with the county, the interview's identity.
        raised_by: Period,
        /// Its grounds, in order, without those of the parts that follow.
        grounds: Vec<Ground>,
        /// Parts that follow with the rest of them.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Grounds were added, or a correction changed them.
    InterviewGroundsChanged {
        /// The round that raised it.
        raised_by: Period,
        /// Its grounds as they stand, without those of the parts that follow.
        grounds: Vec<Ground>,
        /// Parts that follow with the rest of them.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Grounds of the interview that was just required or changed, after those it has.
    GroundsListed {
        /// The round that raised it.
        raised_by: Period,
        /// The grounds.
        grounds: Vec<Ground>,
    },
    /// A correction no longer raises it, and it was not held (R8).
    InterviewCancelled {
        /// The round that had raised it.
        raised_by: Period,
    },
    /// A correction no longer raises it, but a meeting was held under it (R8).
    InterviewSuperseded {
        /// The round that had raised it.
        raised_by: Period,
    },
    /// After a correction a meeting answers for another interview, or for none: it has lost its grounds (R8).
    MeetingReassigned {
        /// Number of the meeting, from 0.
        meeting: u32,
        /// The round of the interview it answers for.
        answers_for: Option<Period>,
    },
}

impl Weigh for Ground {
    fn weight(&self) -> usize {
        120 + 12 * self.periods.len() + self.section.weight()
    }
}

impl InParts for InterviewEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::InterviewRequired { parts, .. } | Self::InterviewGroundsChanged { parts, .. } => *parts,
            Self::GroundsListed { .. }
            | Self::InterviewCancelled { .. }
            | Self::InterviewSuperseded { .. }
            | Self::MeetingReassigned { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (
                Self::InterviewRequired { grounds, parts, .. } | Self::InterviewGroundsChanged { grounds, parts, .. },
                Self::GroundsListed { grounds: more, .. },
            ) if *parts > 0 => {
                grounds.extend(more);
                *parts -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}
