//! Warning notice (预警通报), R4, 三(六): in every published round, each county with at least one unmet section gets
//! one notice that lists all of them, drinking-water sources included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::county::County;
use crate::parts::{InParts, in_parts};
use crate::period::Period;
use crate::verdict::SectionVerdict;

/// What happens to a county's warning notice of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningEvent {
    /// The round has unmet sections and no notice stands.
    WarningNoticeRaised {
        /// The round.
        period: Period,
        /// The unmet sections in order of id, without those of the parts that follow.
        sections: Vec<SectionVerdict>,
        /// Parts that follow with the rest of them.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// A correction changed what the standing notice says (R8).
    WarningNoticeSupplemented {
        /// The round.
        period: Period,
        /// The unmet sections as they stand, without those of the parts that follow.
        sections: Vec<SectionVerdict>,
        /// Parts that follow with the rest of them.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Unmet sections of the notice that was just raised or supplemented, after those it has.
    SectionsListed {
        /// The round.
        period: Period,
        /// The sections.
        sections: Vec<SectionVerdict>,
    },
    /// A correction left no unmet section (R8).
    WarningNoticeWithdrawn {
        /// The round.
        period: Period,
    },
}

impl InParts for WarningEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::WarningNoticeRaised { parts, .. } | Self::WarningNoticeSupplemented { parts, .. } => *parts,
            Self::SectionsListed { .. } | Self::WarningNoticeWithdrawn { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (
                Self::WarningNoticeRaised { sections, parts, .. }
                | Self::WarningNoticeSupplemented { sections, parts, .. },
                Self::SectionsListed { sections: more, .. },
            ) if *parts > 0 => {
                sections.extend(more);
                *parts -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}

/// A county's warning notices: by round, the sections named; none for a withdrawn notice.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Warnings {
    /// Sections named by the notice of each round.
    pub by_round: BTreeMap<Period, Vec<SectionVerdict>>,
}

/// Differences between the notices that the rounds demand and those recorded.
pub fn decide(county: &County) -> Vec<WarningEvent> {
    let mut events = Vec::new();
    for round in &county.rounds {
        let period = round.period;
        let sections: Vec<_> = round.unmet().cloned().collect();
        let more = |sections| WarningEvent::SectionsListed { period, sections };
        match county.warnings.by_round.get(&period) {
            Some(named) if *named == sections => {}
            None if sections.is_empty() => {}
            Some(_) if sections.is_empty() => events.push(WarningEvent::WarningNoticeWithdrawn { period }),
            Some(named) if !named.is_empty() => {
                let first = |sections, parts| WarningEvent::WarningNoticeSupplemented { period, sections, parts };
                events.extend(in_parts(sections, first, more));
            }
            Some(_) | None => {
                let first = |sections, parts| WarningEvent::WarningNoticeRaised { period, sections, parts };
                events.extend(in_parts(sections, first, more));
            }
        }
    }
    events
}

/// The notices after an event.
pub fn evolve(warnings: &mut Warnings, event: &WarningEvent) {
    match event {
        WarningEvent::WarningNoticeRaised { period, sections, .. }
        | WarningEvent::WarningNoticeSupplemented { period, sections, .. } => {
            warnings.by_round.insert(*period, sections.clone());
        }
        WarningEvent::SectionsListed { period, sections } => {
            warnings.by_round.entry(*period).or_default().extend_from_slice(sections);
        }
        WarningEvent::WarningNoticeWithdrawn { period } => {
            warnings.by_round.insert(*period, vec![]);
        }
    }
}
