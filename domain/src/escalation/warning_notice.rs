//! Warning notice (预警通报), R4, 三(六): in every published round, each county with at least one unmet section gets
//! one notice that lists all of them, drinking-water sources included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::county::County;
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
        /// The unmet sections in order of id.
        sections: Vec<SectionVerdict>,
    },
    /// A correction changed what the standing notice says (R8).
    WarningNoticeSupplemented {
        /// The round.
        period: Period,
        /// The unmet sections as they stand.
        sections: Vec<SectionVerdict>,
    },
    /// A correction left no unmet section (R8).
    WarningNoticeWithdrawn {
        /// The round.
        period: Period,
    },
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
        match county.warnings.by_round.get(&period) {
            Some(named) if *named == sections => {}
            None if sections.is_empty() => {}
            Some(_) if sections.is_empty() => events.push(WarningEvent::WarningNoticeWithdrawn { period }),
            Some(named) if !named.is_empty() => {
                events.push(WarningEvent::WarningNoticeSupplemented { period, sections });
            }
            Some(_) | None => events.push(WarningEvent::WarningNoticeRaised { period, sections }),
        }
    }
    events
}

/// The notices after an event.
pub fn evolve(warnings: &mut Warnings, event: &WarningEvent) {
    match event {
        WarningEvent::WarningNoticeRaised { period, sections }
        | WarningEvent::WarningNoticeSupplemented { period, sections } => {
            warnings.by_round.insert(*period, sections.clone());
        }
        WarningEvent::WarningNoticeWithdrawn { period } => {
            warnings.by_round.insert(*period, vec![]);
        }
    }
}
