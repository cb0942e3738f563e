//! Interview (约谈), R5, 三(六): two unmet periods in a row without an improving trend.
//!
//! Streaks run per section and cadence over the assessed periods of published rounds in time order. One round gives a
//! county at most one interview; while one is required and not held, new grounds are added to it.

mod event;
mod streak;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::county::{County, CountyEvent};
use crate::parts::in_parts;
use crate::period::Period;
use crate::plan::rules::Impact;
use crate::refusal::Refusal;

pub use event::{Ground, InterviewEvent};
pub use streak::{Streak, streaks};

/// An interview that was raised at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// Its grounds.
    pub grounds: Vec<Ground>,
    /// Whether the record still raises it.
    pub stands: bool,
    /// The date and place set for it.
    pub scheduled: Option<(Date, String)>,
}

/// A meeting that was held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// The round of the interview it was held for.
    pub held_for: Period,
    /// The round of the interview it answers for in the corrected record; none when it has lost its grounds.
    pub answers_for: Option<Period>,
    /// The day, Beijing time.
    pub held_on: Date,
    /// Who attended.
    pub attended: Vec<String>,
    /// The minutes, once recorded.
    pub minutes: Option<String>,
    /// Interviews in a year that lead to a proposal, in force on that day.
    pub interviews_per_year: u32,
    /// Whether a proposal needs a determination, in force on that day.
    pub impact: Impact,
}

/// A county's interviews.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Interviews {
    /// Every interview raised at some time, by the round that raised it.
    pub raised: BTreeMap<Period, Raised>,
    /// Meetings in the order they were held.
    pub meetings: Vec<Meeting>,
}

/// How an interview stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum InterviewStatus {
    /// Required and not yet held.
    Required,
    /// Held.
    Held,
    /// No longer raised, and never held.
    Cancelled,
}

/// One line of the list of interviews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterviewLine<'a> {
    /// The round it is listed under.
    pub raised_by: Period,
    /// How it stands.
    pub status: InterviewStatus,
    /// The meeting, where one was held.
    pub meeting: Option<&'a Meeting>,
    /// Whether its meeting has lost its grounds.
    pub grounds_lost: bool,
    /// Its grounds.
    pub grounds: &'a [Ground],
    /// The date and place set for it.
    pub scheduled: Option<&'a (Date, String)>,
}

impl Interviews {
    /// The round of the interview that is required and not yet held.
    pub fn open(&self) -> Option<Period> {
        let answered = |period: &Period| self.meetings.iter().any(|meeting| meeting.answers_for == Some(*period));
        self.raised.iter().find(|(period, raised)| raised.stands && !answered(period)).map(|(period, _)| *period)
    }

    /// Every interview as it stands, in order of the round it is listed under.
    pub fn lines(&self) -> Vec<InterviewLine<'_>> {
        let mut lines = Vec::new();
        for (period, raised) in &self.raised {
            let line = |status, meeting, grounds_lost| InterviewLine {
                raised_by: *period,
                status,
                meeting,
                grounds_lost,
                grounds: &raised.grounds,
                scheduled: raised.scheduled.as_ref(),
            };
            let answering = self.meetings.iter().find(|meeting| meeting.answers_for == Some(*period));
            if raised.stands {
                let status = if answering.is_some() { InterviewStatus::Held } else { InterviewStatus::Required };
                lines.push(line(status, answering, false));
            }
            let held_here = || self.meetings.iter().filter(|meeting| meeting.held_for == *period);
            for lost in held_here().filter(|meeting| meeting.answers_for.is_none()) {
                lines.push(line(InterviewStatus::Held, Some(lost), true));
            }
            if !raised.stands && held_here().next().is_none() {
                lines.push(line(InterviewStatus::Cancelled, None, false));
            }
        }
        lines
    }

    /// The state after one of the county's facts about interviews.
    pub(crate) fn evolve_fact(&mut self, event: &CountyEvent) {
        match event {
            CountyEvent::InterviewScheduled { raised_by, on, place } => {
                if let Some(raised) = self.raised.get_mut(raised_by) {
                    raised.scheduled = Some((*on, place.clone()));
                }
            }
            CountyEvent::InterviewHeld { raised_by, held_on, attended, interviews_per_year, impact } => {
                self.meetings.push(Meeting {
                    held_for: *raised_by,
                    answers_for: Some(*raised_by),
                    held_on: *held_on,
                    attended: attended.clone(),
                    minutes: None,
                    interviews_per_year: *interviews_per_year,
                    impact: *impact,
                });
            }
            CountyEvent::MinutesRecorded { raised_by, minutes } => {
                if let Some(meeting) = self.meetings.iter_mut().rev().find(|meeting| meeting.held_for == *raised_by) {
                    meeting.minutes = Some(minutes.clone());
                }
            }
            CountyEvent::RoundJudged { .. }
            | CountyEvent::RoundRejudged { .. }
            | CountyEvent::ImpactDetermined { .. }
            | CountyEvent::Warning(_)
            | CountyEvent::Interview(_)
            | CountyEvent::Proposal(_) => {}
        }
    }
}

/// Differences between the interviews that the record demands and those recorded.
pub fn decide(county: &County) -> Vec<InterviewEvent> {
    let recorded = &county.interviews;
    let demanded = streak::demanded(county);
    let mut events = Vec::new();
    for (raised_by, grounds) in &demanded.grounds {
        let (raised_by, grounds) = (*raised_by, grounds.clone());
        let more = |grounds| InterviewEvent::GroundsListed { raised_by, grounds };
        match recorded.raised.get(&raised_by) {
            Some(raised) if raised.stands && raised.grounds == grounds => {}
            Some(raised) if raised.stands => {
                let first = |grounds, parts| InterviewEvent::InterviewGroundsChanged { raised_by, grounds, parts };
                events.extend(in_parts(grounds, first, more));
            }
            Some(_) | None => {
                let first = |grounds, parts| InterviewEvent::InterviewRequired { raised_by, grounds, parts };
                events.extend(in_parts(grounds, first, more));
            }
        }
    }
    for (raised_by, raised) in &recorded.raised {
        if raised.stands && !demanded.grounds.contains_key(raised_by) {
            let raised_by = *raised_by;
            let held = recorded.meetings.iter().any(|meeting| meeting.held_for == raised_by);
            events.push(if held {
                InterviewEvent::InterviewSuperseded { raised_by }
            } else {
                InterviewEvent::InterviewCancelled { raised_by }
            });
        }
    }
    for (meeting, (recorded, answers_for)) in (0u32..).zip(recorded.meetings.iter().zip(demanded.answers)) {
        if recorded.answers_for != answers_for {
            events.push(InterviewEvent::MeetingReassigned { meeting, answers_for });
        }
    }
    events
}

/// The interviews after an event.
pub fn evolve(interviews: &mut Interviews, event: &InterviewEvent) {
    match event {
        InterviewEvent::InterviewRequired { raised_by, grounds, .. } => {
            let raised = Raised { grounds: grounds.clone(), stands: true, scheduled: None };
            interviews.raised.insert(*raised_by, raised);
        }
        InterviewEvent::InterviewGroundsChanged { raised_by, grounds, .. } => {
            if let Some(raised) = interviews.raised.get_mut(raised_by) {
                raised.grounds.clone_from(grounds);
            }
        }
        InterviewEvent::GroundsListed { raised_by, grounds } => {
            if let Some(raised) = interviews.raised.get_mut(raised_by) {
                raised.grounds.extend_from_slice(grounds);
            }
        }
        InterviewEvent::InterviewCancelled { raised_by } | InterviewEvent::InterviewSuperseded { raised_by } => {
            if let Some(raised) = interviews.raised.get_mut(raised_by) {
                raised.stands = false;
            }
        }
        InterviewEvent::MeetingReassigned { meeting, answers_for } => {
            if let Some(meeting) = interviews.meetings.get_mut(*meeting as usize) {
                meeting.answers_for = *answers_for;
            }
        }
    }
}

/// What an officer does about a county's open interview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterviewCommand {
    /// Set a date and place.
    Schedule {
        /// The day.
        on: Date,
        /// Where.
        place: String,
    },
    /// Record that it was held.
    Hold {
        /// The day, Beijing time; not after today.
        held_on: Date,
        /// Today, Beijing time.
        today: Date,
        /// Who attended.
        attended: Vec<String>,
        /// Interviews in a year that lead to a proposal, in force on that day.
        interviews_per_year: u32,
        /// Whether a proposal needs a determination, in force on that day.
        impact: Impact,
    },
    /// Record the minutes of a held interview.
    Minutes {
        /// The round that raised it.
        raised_by: Period,
        /// The text.
        minutes: String,
    },
}

/// What follows from an officer's act on a county's interviews.
///
/// # Errors
/// No interview is open, the date cannot be, or the interview named was not held.
pub fn act(county: &County, name: &str, command: InterviewCommand) -> Result<Vec<CountyEvent>, Refusal> {
    let open = || county.interviews.open().ok_or_else(|| Refusal::NoOpenInterview { county: name.to_owned() });
    match command {
        InterviewCommand::Schedule { on, place } => {
            Ok(vec![CountyEvent::InterviewScheduled { raised_by: open()?, on, place }])
        }
        InterviewCommand::Hold { held_on, today, attended, interviews_per_year, impact } => {
            let raised_by = open()?;
            if held_on > today {
                return Err(Refusal::ImpossibleDate {
                    what: "an interview",
                    date: held_on,
                    why: "it lies in the future",
                });
            }
            Ok(vec![CountyEvent::InterviewHeld { raised_by, held_on, attended, interviews_per_year, impact }])
        }
        InterviewCommand::Minutes { raised_by, minutes } => {
            if !county.interviews.meetings.iter().any(|meeting| meeting.held_for == raised_by) {
                return Err(Refusal::UnknownInterview { county: name.to_owned(), period: raised_by });
            }
            Ok(vec![CountyEvent::MinutesRecorded { raised_by, minutes }])
        }
    }
}
