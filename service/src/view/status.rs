//! The status of a county: where it stands and how far the next step is.

use bishui_domain::county::County;
use bishui_domain::escalation::accountability_proposal::ProposalStatus;
use bishui_domain::escalation::interview::{Streak, streaks};
use bishui_domain::ids::{CountyId, NoticeId, SectionId};
use bishui_domain::money::Fen;
use bishui_domain::notice::Duty;
use bishui_domain::period::{Cadence, Month, Period};
use bishui_domain::plan::rules::Impact;
use bishui_domain::standard::{Target, WaterClass};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::escalation::{InterviewView, ProposalView, interviews, proposals};
use super::notices::{DeadlineView, deadlines};
use super::{Scope, all_counties, county_name, revision_on, section_name};
use crate::register::Register;

/// Where one county stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountyStatus {
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// Its name.
    pub name: String,
    /// Streaks of its sections, monthly before quarterly.
    pub streaks: Vec<StreakView>,
    /// Interviews held this year that count toward a proposal.
    pub interviews_held: u32,
    /// Interviews in a year that lead to a proposal.
    pub interviews_needed: u32,
    /// The interview that is required and not yet held.
    pub open_interview: Option<InterviewView>,
    /// Proposals of any year.
    pub proposals: Vec<ProposalView>,
    /// Compensation by year.
    pub compensation: Vec<YearAccount>,
    /// Duties that are open, the earliest first.
    pub deadlines: Vec<OpenDeadline>,
    /// What would bring the next step, in words.
    pub next_steps: Vec<String>,
}

/// One section's streak of one cadence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreakView {
    /// The section.
    #[schema(value_type = String)]
    pub section: SectionId,
    /// Its name.
    pub name: String,
    /// The cadence.
    #[schema(value_type = String)]
    pub cadence: Cadence,
    /// Unmet periods in a row that count.
    pub count: u32,
    /// Those periods, in time order.
    #[schema(value_type = Vec<String>)]
    pub periods: Vec<Period>,
    /// Unmet periods in a row that qualify for an interview.
    pub needed: u32,
    /// The newest published period.
    #[schema(value_type = Option<String>)]
    pub latest_period: Option<Period>,
    /// The class in it; none when unassessed.
    #[schema(value_type = Option<String>)]
    pub latest_class: Option<WaterClass>,
    /// The verdict in it: `met`, `unmet` or `unassessed`.
    pub latest_verdict: Option<String>,
    /// The target.
    #[schema(value_type = Option<String>)]
    pub target: Option<Target>,
}

/// A year's compensation of a county.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct YearAccount {
    /// The year.
    pub year: i16,
    /// Charged, net of reversals.
    #[schema(value_type = i64)]
    pub charged_fen: Fen,
    /// Paid, credit included.
    #[schema(value_type = i64)]
    pub paid_fen: Fen,
    /// Owed; negative for a credit.
    #[schema(value_type = i64)]
    pub balance_fen: Fen,
}

/// An open duty with the notice it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenDeadline {
    /// The notice.
    #[schema(value_type = String)]
    pub notice: NoticeId,
    /// Its document number.
    pub number: Option<String>,
    /// The duty and how its day was counted.
    #[serde(flatten)]
    pub deadline: DeadlineView,
}

/// The status of every county the asker sees, in order of id.
pub fn status(register: &Register, scope: &Scope, today: Date) -> Vec<CountyStatus> {
    let counties = all_counties(&register.plans);
    counties.into_iter().filter(|id| scope.sees(id)).map(|id| county_status(register, scope, id, today)).collect()
}

fn county_status(register: &Register, scope: &Scope, id: CountyId, today: Date) -> CountyStatus {
    let empty = County::default();
    let county = register.counties.get(&id).unwrap_or(&empty);
    let own = Scope::County(id.clone());
    let held =
        county.interviews.meetings.iter().filter(|m| m.answers_for.is_some() && m.held_on.year() == today.year());
    let held = u32::try_from(held.count()).unwrap_or(u32::MAX);
    let rules = revision_on(&register.plans, today).map(|revision| revision.plan.rules.clone()).unwrap_or_default();
    let open = interviews(register, &own).into_iter().find(InterviewView::is_open);
    let streaks = streak_views(register, county);
    let mut next_steps: Vec<String> = streaks.iter().filter_map(|streak| distance(streak, open.is_some())).collect();
    next_steps.extend(proposal_distance(county, held, rules.interviews_per_year, rules.impact, today));
    CountyStatus {
        name: county_name(&register.plans, &id),
        interviews_held: held,
        interviews_needed: rules.interviews_per_year,
        open_interview: open,
        proposals: proposals(register, &own),
        compensation: accounts(register, &id),
        deadlines: open_deadlines(register, scope, &id, today),
        next_steps,
        streaks,
        county: id,
    }
}

fn streak_views(register: &Register, county: &County) -> Vec<StreakView> {
    let view = |streak: Streak| {
        let of_cadence = county.rounds.iter().filter(|round| round.period.cadence() == streak.cadence);
        let verdicts = of_cadence.filter_map(|round| Some((round.period, round.verdicts.get(&streak.section)?)));
        let latest = verdicts.max_by_key(|(period, _)| *period);
        let target = register
            .plans
            .find_section(&streak.section)
            .zip(latest)
            .map(|(section, (period, _))| register.plans.target(section, period.last_month()));
        StreakView {
            name: section_name(&register.plans, &streak.section),
            cadence: streak.cadence,
            count: u32::try_from(streak.periods.len()).unwrap_or(u32::MAX),
            needed: streak.needed,
            latest_period: latest.map(|(period, _)| period),
            latest_class: latest.and_then(|(_, verdict)| verdict.class),
            latest_verdict: latest.map(|(_, verdict)| verdict.verdict.word().to_owned()),
            target: latest.map(|(_, verdict)| verdict.target).or(target),
            periods: streak.periods,
            section: streak.section,
        }
    };
    let mut views: Vec<_> = streaks(county).into_iter().map(view).collect();
    views.sort_by(|a, b| (a.cadence, &a.section).cmp(&(b.cadence, &b.section)));
    views
}

/// How far a section is from an interview; nothing for one without a streak.
fn distance(streak: &StreakView, open: bool) -> Option<String> {
    let left = streak.needed.saturating_sub(streak.count).max(1);
    let unit = match streak.cadence {
        Cadence::Month => "month",
        Cadence::Quarter => "quarter",
    };
    let name = &streak.name;
    let consequence = if open { "adds a ground to the open interview" } else { "requires an interview" };
    match (streak.count, left) {
        (0, _) => None,
        (_, 1) => Some(format!("one more unmet {unit} without improvement at {name} {consequence}")),
        (_, left) => Some(format!(
            "{left} more unmet {unit}s at {name}, the last without improvement, {consequence}",
            consequence = consequence.replace("requires", "require").replace("adds", "add")
        )),
    }
}

/// How far the county is from an accountability proposal.
fn proposal_distance(county: &County, held: u32, needed: u32, impact: Impact, today: Date) -> Option<String> {
    let year = today.year();
    match county.proposals.by_year.get(&year).map(|proposal| proposal.status) {
        Some(ProposalStatus::Drafted) => {
            return Some(format!("a determination of serious effect decides the accountability proposal of {year}"));
        }
        Some(ProposalStatus::Issued | ProposalStatus::Shelved) => return None,
        Some(ProposalStatus::Withdrawn) | None => {}
    }
    if held == 0 && county.interviews.open().is_none() {
        return None;
    }
    let verb = match impact {
        Impact::Determination => "drafts",
        Impact::Always => "issues",
    };
    let left = needed.saturating_sub(held);
    Some(match left {
        0 | 1 => format!("the next interview held in {year} {verb} an accountability proposal"),
        left => format!("{left} interviews to be held in {year} until one {verb} an accountability proposal"),
    })
}

fn accounts(register: &Register, county: &CountyId) -> Vec<YearAccount> {
    let Some(account) = register.compensation.get(county) else { return vec![] };
    let charged = account.charges.keys().map(|month: &Month| month.year());
    let mut years: Vec<i16> = charged.chain(account.payments.keys().copied()).collect();
    years.sort_unstable();
    years.dedup();
    let line = |year| YearAccount {
        year,
        charged_fen: account.charged(year),
        paid_fen: account.paid(year),
        balance_fen: account.balance(year),
    };
    years.into_iter().map(line).collect()
}

fn open_deadlines(register: &Register, scope: &Scope, county: &CountyId, today: Date) -> Vec<OpenDeadline> {
    let mut open = Vec::new();
    for (id, notice) in register.notice.iter().filter(|(_, n)| n.county == *county && scope.sees_notice(n)) {
        for deadline in deadlines(notice, today).into_iter().filter(|deadline| deadline.open) {
            let number = notice.number.as_ref().map(ToString::to_string);
            open.push(OpenDeadline { notice: *id, number, deadline });
        }
    }
    open.sort_by_key(|line| (line.deadline.due_on, line.deadline.duty == Duty::Report, line.notice));
    open
}
