//! Accountability proposal (问责建议), R6, 三(六): two interviews held in a calendar year, and the city's own result
//! seriously affected, which a person determines with a basis. One proposal a county and year, decided once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::county::{County, CountyEvent};
use crate::escalation::interview::Meeting;
use crate::plan::rules::Impact;
use crate::refusal::Refusal;

/// What happens to a county's proposal of a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalEvent {
    /// The number of interviews is reached.
    ProposalDrafted {
        /// The calendar year.
        year: i16,
        /// Interviews that must remain for the proposal to have grounds.
        needed: u32,
        /// The interviews, by their number from 0.
        meetings: Vec<u32>,
    },
    /// A further interview was held before the determination, or interviews have lost or regained their grounds.
    ProposalMeetingsChanged {
        /// The calendar year.
        year: i16,
        /// The interviews that count.
        meetings: Vec<u32>,
        /// Whether an issued proposal has lost its grounds.
        grounds_lost: bool,
    },
    /// Issued without a determination (`impact = "always"`).
    ProposalIssued {
        /// The calendar year.
        year: i16,
    },
    /// A correction left too few interviews for a draft (R8).
    ProposalWithdrawn {
        /// The calendar year.
        year: i16,
        /// The interviews that remain.
        meetings: Vec<u32>,
    },
}

/// How a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProposalStatus {
    /// Waits for a determination.
    Drafted,
    /// Issued.
    Issued,
    /// Determined not to be serious.
    Shelved,
    /// A correction left too few interviews.
    Withdrawn,
}

/// A proposal as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// How it stands.
    pub status: ProposalStatus,
    /// Interviews that must remain.
    pub needed: u32,
    /// The interviews that count, by their number from 0.
    pub meetings: Vec<u32>,
    /// The interviews it was decided on, once decided.
    pub decided_on: Vec<u32>,
    /// The basis of the determination.
    pub basis: Option<String>,
    /// Whether it was issued and has lost its grounds.
    pub grounds_lost: bool,
}

/// A county's proposals by calendar year.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Proposals {
    /// At most one a year.
    pub by_year: BTreeMap<i16, Proposal>,
}

impl Proposals {
    /// The state after a person's determination.
    pub(crate) fn determined(&mut self, year: i16, serious: bool, basis: &str, meetings: &[u32]) {
        if let Some(proposal) = self.by_year.get_mut(&year) {
            proposal.status = if serious { ProposalStatus::Issued } else { ProposalStatus::Shelved };
            proposal.decided_on = meetings.to_vec();
            proposal.basis = Some(basis.to_owned());
        }
    }
}

/// The interviews of `year` that have grounds, by their number.
fn meetings_of(county: &County, year: i16) -> Vec<(u32, &Meeting)> {
    let counts = |meeting: &Meeting| meeting.answers_for.is_some() && meeting.held_on.year() == year;
    (0u32..).zip(&county.interviews.meetings).filter(|(_, meeting)| counts(meeting)).collect()
}

fn numbers(meetings: &[(u32, &Meeting)]) -> Vec<u32> {
    meetings.iter().map(|(number, _)| *number).collect()
}

/// Differences between the proposals that the meetings demand and those recorded.
pub fn decide(county: &County) -> Vec<ProposalEvent> {
    let mut years: Vec<i16> = county.interviews.meetings.iter().map(|meeting| meeting.held_on.year()).collect();
    years.extend(county.proposals.by_year.keys());
    years.sort_unstable();
    years.dedup();
    years.into_iter().flat_map(|year| decide_year(county, year)).collect()
}

fn decide_year(county: &County, year: i16) -> Vec<ProposalEvent> {
    let held = meetings_of(county, year);
    // The rules in force on the day of the interview that reaches the number decide.
    let reached = (1usize..).zip(&held).find(|(count, (_, meeting))| *count >= meeting.interviews_per_year as usize);
    let Some(proposal) = county.proposals.by_year.get(&year) else {
        return reached.map_or_else(Vec::new, |(count, (_, meeting))| draft(year, &held, count, meeting));
    };
    let changed = |meetings: Vec<u32>, grounds_lost| {
        let same = meetings == proposal.meetings && grounds_lost == proposal.grounds_lost;
        if same { vec![] } else { vec![ProposalEvent::ProposalMeetingsChanged { year, meetings, grounds_lost }] }
    };
    match proposal.status {
        ProposalStatus::Drafted => match reached {
            Some(_) => changed(numbers(&held), false),
            None => vec![ProposalEvent::ProposalWithdrawn { year, meetings: numbers(&held) }],
        },
        ProposalStatus::Withdrawn => match reached {
            Some((count, (_, meeting))) => draft(year, &held, count, meeting),
            None => changed(numbers(&held), false),
        },
        ProposalStatus::Issued | ProposalStatus::Shelved => {
            let remaining: Vec<u32> =
                numbers(&held).into_iter().filter(|number| proposal.decided_on.contains(number)).collect();
            let lost = proposal.status == ProposalStatus::Issued && remaining.len() < proposal.needed as usize;
            changed(remaining, lost)
        }
    }
}

fn draft(year: i16, held: &[(u32, &Meeting)], count: usize, meeting: &Meeting) -> Vec<ProposalEvent> {
    let needed = meeting.interviews_per_year;
    match meeting.impact {
        Impact::Determination => vec![ProposalEvent::ProposalDrafted { year, needed, meetings: numbers(held) }],
        Impact::Always => {
            let meetings = numbers(&held[..count]);
            vec![ProposalEvent::ProposalDrafted { year, needed, meetings }, ProposalEvent::ProposalIssued { year }]
        }
    }
}

/// The proposals after an event.
pub fn evolve(proposals: &mut Proposals, event: &ProposalEvent) {
    match event {
        ProposalEvent::ProposalDrafted { year, needed, meetings } => {
            let proposal = Proposal {
                status: ProposalStatus::Drafted,
                needed: *needed,
                meetings: meetings.clone(),
                decided_on: vec![],
                basis: None,
                grounds_lost: false,
            };
            proposals.by_year.insert(*year, proposal);
        }
        ProposalEvent::ProposalMeetingsChanged { year, meetings, grounds_lost } => {
            if let Some(proposal) = proposals.by_year.get_mut(year) {
                proposal.meetings.clone_from(meetings);
                proposal.grounds_lost = *grounds_lost;
            }
        }
        ProposalEvent::ProposalIssued { year } => {
            if let Some(proposal) = proposals.by_year.get_mut(year) {
                proposal.status = ProposalStatus::Issued;
                proposal.decided_on = proposal.meetings.clone();
            }
        }
        ProposalEvent::ProposalWithdrawn { year, meetings } => {
            if let Some(proposal) = proposals.by_year.get_mut(year) {
                proposal.status = ProposalStatus::Withdrawn;
                proposal.meetings.clone_from(meetings);
            }
        }
    }
}

/// Records a person's determination of serious effect (R6).
///
/// # Errors
/// No proposal of that year waits for one.
pub fn determine(
    county: &County,
    name: &str,
    year: i16,
    serious: bool,
    basis: String,
) -> Result<Vec<CountyEvent>, Refusal> {
    match county.proposals.by_year.get(&year) {
        Some(proposal) if proposal.status == ProposalStatus::Drafted => {
            Ok(vec![CountyEvent::ImpactDetermined { year, serious, basis, meetings: proposal.meetings.clone() }])
        }
        Some(_) | None => Err(Refusal::NoDraftedProposal { county: name.to_owned(), year }),
    }
}
