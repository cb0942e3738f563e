//! Interviews and accountability proposals as people see them.

use bishui_domain::escalation::accountability_proposal::ProposalStatus;
use bishui_domain::escalation::interview::{Ground, InterviewLine, InterviewStatus};
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::period::{Cadence, Period};
use bishui_domain::plan::book::PlanBook;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Scope, county_name, section_name};
use crate::register::Register;

/// One interview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InterviewView {
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// The round that raised it.
    #[schema(value_type = String)]
    pub period: Period,
    /// How it stands.
    #[schema(value_type = String)]
    pub status: InterviewStatus,
    /// The day set for it.
    #[schema(value_type = Option<String>)]
    pub scheduled_on: Option<Date>,
    /// The place set for it.
    pub place: Option<String>,
    /// The day it was held.
    #[schema(value_type = Option<String>)]
    pub held_on: Option<Date>,
    /// Who attended.
    pub attended: Vec<String>,
    /// The minutes.
    pub minutes: Option<String>,
    /// Whether a correction took its grounds away after it was held.
    pub grounds_lost: bool,
    /// Its grounds.
    pub grounds: Vec<GroundView>,
}

/// One ground: a section that was unmet in a row without improvement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroundView {
    /// The section.
    #[schema(value_type = String)]
    pub section: SectionId,
    /// Its name.
    pub name: String,
    /// The cadence of its streak.
    #[schema(value_type = String)]
    pub cadence: Cadence,
    /// The unmet period compared with, and the newest.
    #[schema(value_type = Vec<String>)]
    pub periods: Vec<Period>,
}

/// One accountability proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// The calendar year.
    pub year: i16,
    /// How it stands.
    #[schema(value_type = String)]
    pub status: ProposalStatus,
    /// The days of its interviews.
    #[schema(value_type = Vec<String>)]
    pub held_on: Vec<Date>,
    /// Interviews that must remain.
    pub needed: u32,
    /// The basis of the determination.
    pub basis: Option<String>,
    /// Whether it was issued and has lost its grounds.
    pub grounds_lost: bool,
}

impl InterviewView {
    /// Whether it is required and not yet held.
    pub fn is_open(&self) -> bool {
        self.status == InterviewStatus::Required
    }
}

/// Every interview the asker sees, by county and round.
pub fn interviews(register: &Register, scope: &Scope) -> Vec<InterviewView> {
    let mut views = Vec::new();
    for (id, county) in register.counties.iter().filter(|(id, _)| scope.sees(id)) {
        views.extend(county.interviews.lines().iter().map(|line| interview(&register.plans, id, line)));
    }
    views
}

/// Every proposal the asker sees, by county and year.
pub fn proposals(register: &Register, scope: &Scope) -> Vec<ProposalView> {
    let mut views = Vec::new();
    for (id, county) in register.counties.iter().filter(|(id, _)| scope.sees(id)) {
        let held_on = |number: &u32| county.interviews.meetings.get(*number as usize).map(|meeting| meeting.held_on);
        for (year, proposal) in &county.proposals.by_year {
            views.push(ProposalView {
                county: id.clone(),
                county_name: county_name(&register.plans, id),
                year: *year,
                status: proposal.status,
                held_on: proposal.meetings.iter().filter_map(held_on).collect(),
                needed: proposal.needed,
                basis: proposal.basis.clone(),
                grounds_lost: proposal.grounds_lost,
            });
        }
    }
    views
}

fn interview(plans: &PlanBook, county: &CountyId, line: &InterviewLine<'_>) -> InterviewView {
    InterviewView {
        county: county.clone(),
        county_name: county_name(plans, county),
        period: line.raised_by,
        status: line.status,
        scheduled_on: line.scheduled.map(|(on, _)| *on),
        place: line.scheduled.map(|(_, place)| place.clone()),
        held_on: line.meeting.map(|meeting| meeting.held_on),
        attended: line.meeting.map(|meeting| meeting.attended.clone()).unwrap_or_default(),
        minutes: line.meeting.and_then(|meeting| meeting.minutes.clone()),
        grounds_lost: line.grounds_lost,
        grounds: line.grounds.iter().map(|ground| ground_view(plans, ground)).collect(),
    }
}

fn ground_view(plans: &PlanBook, ground: &Ground) -> GroundView {
    GroundView {
        section: ground.section.clone(),
        name: section_name(plans, &ground.section),
        cadence: ground.cadence,
        periods: ground.periods.clone(),
    }
}
