//! The end state of a scenario (contract: Scenario): everything that stands, in one object with every key present.

use std::collections::BTreeMap;

use bishui_domain::county::County;
use bishui_domain::escalation::interview::{InterviewLine, InterviewStatus};
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::indicator::Indicator;
use bishui_domain::money::Fen;
use bishui_domain::notice::NoticeKind;
use bishui_domain::period::{Cadence, Month, Period};
use bishui_domain::standard::{Target, WaterClass};
use bishui_domain::value::Value;
use bishui_domain::verdict::SectionVerdict;
use jiff::civil::Date;
use serde::Serialize;

use crate::register::Register;

/// A refused act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its number, from 1.
    pub act: u32,
    /// The refusal's code.
    pub code: String,
}

/// Everything that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndState {
    /// Verdicts of published rounds as corrected.
    pub verdicts: Vec<VerdictLine>,
    /// Warning notices by round and county.
    pub warnings: Vec<WarningLine>,
    /// Interviews by county and round.
    pub interviews: Vec<InterviewEntry>,
    /// Proposals by county and year.
    pub proposals: Vec<ProposalLine>,
    /// Charges by month and county, net of reversals.
    pub charges: Vec<ChargeLine>,
    /// The settlement ordered last.
    pub settlement: Option<SettlementLine>,
    /// Notices sent, in the order they were sent.
    pub mails: Vec<MailLine>,
    /// Refused acts.
    pub refusals: Vec<Refused>,
    /// Events in the log.
    pub positions: u64,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct VerdictLine {
    pub cadence: Cadence,
    pub period: Period,
    pub section: SectionId,
    pub verdict: &'static str,
    pub class: Option<WaterClass>,
    pub target: Target,
    pub evaluated: u8,
    pub unmet: Vec<UnmetLine>,
    pub undecidable: Vec<Indicator>,
    pub reason: Option<String>,
}

/// One unmet indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct UnmetLine {
    pub indicator: Indicator,
    pub value: Value,
    pub limit: String,
    pub multiple: Option<String>,
}

/// One warning notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct WarningLine {
    pub cadence: Cadence,
    pub period: Period,
    pub county: CountyId,
    pub sections: Vec<SectionId>,
    pub status: &'static str,
}

/// One interview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct InterviewEntry {
    pub county: CountyId,
    pub cadence: Cadence,
    pub period: Period,
    pub status: InterviewStatus,
    pub held_on: Option<Date>,
    pub grounds_lost: bool,
    pub grounds: Vec<GroundLine>,
}

/// One ground of an interview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct GroundLine {
    pub section: SectionId,
    pub cadence: Cadence,
    pub periods: Vec<Period>,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct ProposalLine {
    pub county: CountyId,
    pub year: i16,
    pub held_on: Vec<Date>,
    pub status: String,
    pub grounds_lost: bool,
}

/// One month's charge of a county.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct ChargeLine {
    pub county: CountyId,
    pub period: Month,
    pub sections: Vec<SectionId>,
    pub fen: Fen,
}

/// A settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct SettlementLine {
    pub year: i16,
    pub collected_fen: Fen,
    pub provincial_fen: Fen,
    pub shortfall_fen: Fen,
    pub municipal_fen: Fen,
    pub rewards: Vec<RewardLine>,
}

/// A county's reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct RewardLine {
    pub county: CountyId,
    pub fen: Fen,
}

/// One notice sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys are those of the contract")]
pub struct MailLine {
    pub kind: NoticeKind,
    pub county: CountyId,
    pub cadence: Option<Cadence>,
    pub period: Option<Period>,
    pub to: Vec<String>,
    pub message_id: String,
}

impl EndState {
    /// What stands in `register`.
    pub fn of(register: &Register, refusals: Vec<Refused>) -> Self {
        Self {
            verdicts: verdicts(register),
            warnings: warnings(register),
            interviews: register.counties.iter().flat_map(|(id, county)| interviews(id, county)).collect(),
            proposals: register.counties.iter().flat_map(|(id, county)| proposals(id, county)).collect(),
            charges: charges(register),
            settlement: settlement(register),
            mails: mails(register),
            refusals,
            positions: register.position().0,
        }
    }
}

/// One line of a section's verdict in a round.
pub fn verdict_line(period: Period, verdict: &SectionVerdict) -> VerdictLine {
    let unmet = verdict.unmet.iter().map(|unmet| UnmetLine {
        indicator: unmet.indicator,
        value: unmet.value.clone(),
        limit: unmet.limit.clone(),
        multiple: unmet.multiple.clone(),
    });
    VerdictLine {
        cadence: period.cadence(),
        period,
        section: verdict.section.clone(),
        verdict: verdict.verdict.word(),
        class: verdict.class,
        target: verdict.target,
        evaluated: verdict.evaluated,
        unmet: unmet.collect(),
        undecidable: verdict.undecidable.clone(),
        reason: verdict.verdict.reason().map(|reason| reason.to_string()),
    }
}

fn verdicts(register: &Register) -> Vec<VerdictLine> {
    let mut sorted = BTreeMap::new();
    for round in register.counties.values().flat_map(|county| &county.rounds) {
        for (section, verdict) in &round.verdicts {
            sorted.insert((round.period, section), verdict_line(round.period, verdict));
        }
    }
    sorted.into_values().collect()
}

fn warnings(register: &Register) -> Vec<WarningLine> {
    let mut sorted = BTreeMap::new();
    for (id, county) in &register.counties {
        for (period, sections) in &county.warnings.by_round {
            let line = WarningLine {
                cadence: period.cadence(),
                period: *period,
                county: id.clone(),
                sections: sections.iter().map(|verdict| verdict.section.clone()).collect(),
                status: if sections.is_empty() { "withdrawn" } else { "standing" },
            };
            sorted.insert((*period, id), line);
        }
    }
    sorted.into_values().collect()
}

fn interviews(id: &CountyId, county: &County) -> Vec<InterviewEntry> {
    let entry = |line: InterviewLine<'_>| InterviewEntry {
        county: id.clone(),
        cadence: line.raised_by.cadence(),
        period: line.raised_by,
        status: line.status,
        held_on: line.meeting.map(|meeting| meeting.held_on),
        grounds_lost: line.grounds_lost,
        grounds: line
            .grounds
            .iter()
            .map(|ground| GroundLine {
                section: ground.section.clone(),
                cadence: ground.cadence,
                periods: ground.periods.clone(),
            })
            .collect(),
    };
    county.interviews.lines().into_iter().map(entry).collect()
}

fn proposals(id: &CountyId, county: &County) -> Vec<ProposalLine> {
    let held_on = |number: &u32| county.interviews.meetings.get(*number as usize).map(|meeting| meeting.held_on);
    let mut lines = Vec::new();
    for (year, proposal) in &county.proposals.by_year {
        lines.push(ProposalLine {
            county: id.clone(),
            year: *year,
            held_on: proposal.meetings.iter().filter_map(held_on).collect(),
            status: proposal.status.to_string(),
            grounds_lost: proposal.grounds_lost,
        });
    }
    lines
}

fn charges(register: &Register) -> Vec<ChargeLine> {
    let mut sorted = BTreeMap::new();
    for (id, account) in &register.compensation {
        for charge in account.charges.values() {
            let line = ChargeLine {
                county: id.clone(),
                period: charge.month,
                sections: charge.sections.clone(),
                fen: charge.fen,
            };
            sorted.insert((charge.month, id), line);
        }
    }
    sorted.into_values().collect()
}

fn settlement(register: &Register) -> Option<SettlementLine> {
    let made = register.settlements.get(&register.last_settled?)?.made.as_ref()?;
    Some(SettlementLine {
        year: made.year,
        collected_fen: made.collected,
        provincial_fen: made.provincial,
        shortfall_fen: made.shortfall,
        municipal_fen: made.municipal,
        rewards: made.rewards.iter().map(|(county, fen)| RewardLine { county: county.clone(), fen: *fen }).collect(),
    })
}

fn mails(register: &Register) -> Vec<MailLine> {
    let mut lines: Vec<MailLine> = register
        .sent
        .iter()
        .filter_map(|id| Some(&register.mail.get(id)?.message))
        .filter(|message| !message.reminder)
        .map(|message| MailLine {
            kind: message.kind,
            county: message.county.clone(),
            cadence: message.period.map(Period::cadence),
            period: message.period,
            to: message.to.clone(),
            message_id: message.message_id.clone(),
        })
        .collect();
    lines.sort_by(|a, b| (a.period, &a.county, a.kind).cmp(&(b.period, &b.county, b.kind)));
    lines
}
