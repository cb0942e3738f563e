//! Each kind of decision, derived again at its place in the log.

use std::collections::VecDeque;

use bishui_domain::compensation::{self, CompensationEvent};
use bishui_domain::consumer::ConsumerEvent;
use bishui_domain::county::{CountyEvent, RoundRules};
use bishui_domain::escalation;
use bishui_domain::escalation::warning_notice::WarningEvent;
use bishui_domain::event::Event;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::money::Fen;
use bishui_domain::notice::{NoticeEvent, NumberingEvent, Subject};
use bishui_domain::parts::InParts;
use bishui_domain::period::{Month, Period};
use bishui_domain::round::{Judged, RoundEvent, SectionEvent, judge, rejudge};
use bishui_domain::settlement::{SettlementBasis, SettlementEvent, meets_annual_target, months_of, rewarded_counties};
use bishui_domain::verdict::SectionVerdict;
use bishui_infra::event_log::{EventRef, Position};

use super::Replayed;
use super::state::{CountyDesk, State, announced_as};
use crate::process::Process;

/// Checks one recorded event against the state before it.
pub(super) fn check(state: &mut State, replayed: &mut Replayed, recorded: &EventRef<'_>, event: &Event) {
    let key = recorded.key();
    match event {
        Event::Section(SectionEvent::SectionAssessed(judged)) => {
            let expected = assessed(state, key, judged).map(SectionEvent::SectionAssessed).map(Event::from);
            replayed.compare(recorded, expected.as_ref(), event);
        }
        Event::Section(SectionEvent::AssessmentCorrected(judged)) => {
            let expected = corrected(state, key, judged.period).map(SectionEvent::AssessmentCorrected).map(Event::from);
            replayed.compare(recorded, expected.as_ref(), event);
        }
        Event::Round(RoundEvent::RoundPublished { .. }) => {
            let expected = published(state, event);
            replayed.compare(recorded, expected.as_ref(), event);
        }
        Event::County(decided) => check_county(state, replayed, recorded, decided),
        Event::Compensation(CompensationEvent::Charged { .. } | CompensationEvent::ChargeReversed { .. }) => {
            let Some(desk) = desk(state, key) else { return };
            if desk.compensation.is_empty() {
                desk.compensation = whole(compensation::decide(&desk.county, &desk.account));
            }
            let expected = desk.compensation.pop_front();
            replayed.compare(recorded, expected.as_ref(), event);
        }
        Event::Settlement(SettlementEvent::SettlementMade { settlement, .. }) => {
            let expected = settled(state, settlement.year);
            replayed.compare(recorded, expected.as_ref(), event);
        }
        Event::Numbering(NumberingEvent::NumberAssigned { notice, .. }) => {
            let number = state.numbering.get(key).map_or(1, bishui_domain::notice::Numbering::next);
            let expected = Event::from(NumberingEvent::NumberAssigned { number, notice: *notice });
            replayed.compare(recorded, Some(&expected), event);
        }
        Event::Notice(NoticeEvent::NoticeDrafted { .. }) => {
            if let Some(expected) = drafted(state, recorded, event) {
                replayed.compare(recorded, Some(&expected), event);
            }
        }
        Event::Consumer(ConsumerEvent::EventSkipped(skip)) => replayed.skip(recorded, skip),
        Event::Consumer(_)
        | Event::Section(_)
        | Event::Round(_)
        | Event::Compensation(_)
        | Event::Settlement(_)
        | Event::Numbering(_)
        | Event::Notice(_)
        | Event::Plan(_)
        | Event::Readings(_)
        | Event::Mail(_) => {}
    }
}

fn desk<'a>(state: &'a mut State, key: &str) -> Option<&'a mut CountyDesk> {
    Some(state.counties.entry(key.parse::<CountyId>().ok()?).or_default())
}

fn assessed(state: &State, key: &str, recorded: &Judged) -> Option<Judged> {
    let id: SectionId = key.parse().ok()?;
    let period = recorded.period;
    let revision = state.book.in_force(period.last_month())?;
    let section = revision.section(&id)?;
    Some(judge(&state.book, revision, section, period, &state.dossier(&id, &period.months())))
}

fn corrected(state: &State, key: &str, period: Period) -> Option<Judged> {
    let id: SectionId = key.parse().ok()?;
    Some(rejudge(&state.book, &id, period, &state.dossier(&id, &period.months()))?.judged)
}

/// The publication event that the sections' assessments add up to.
fn published(state: &State, event: &Event) -> Option<Event> {
    let Event::Round(RoundEvent::RoundPublished { period, declare_rest, .. }) = event else { return None };
    let revision = state.book.in_force(period.last_month())?;
    let (mut met, mut unmet, mut unassessed) = (0, 0, 0);
    for section in revision.plan.active_sections(&period.months()) {
        let verdict = state.judged(&section.id, *period)?.assessment.verdict;
        match verdict {
            bishui_domain::assessment::Verdict::Met => met += 1,
            bishui_domain::assessment::Verdict::Unmet => unmet += 1,
            bishui_domain::assessment::Verdict::Unassessed(_) => unassessed += 1,
        }
    }
    let (period, revision, declare_rest) = (*period, revision.number, *declare_rest);
    Some(Event::from(RoundEvent::RoundPublished { period, revision, declare_rest, met, unmet, unassessed }))
}

fn check_county(state: &mut State, replayed: &mut Replayed, recorded: &EventRef<'_>, decided: &CountyEvent) {
    let event = Event::from(decided.clone());
    match decided {
        CountyEvent::RoundJudged { period, part, parts, verdicts, .. } => {
            let expected = state.book.in_force(period.last_month()).map(|revision| {
                let rules = RoundRules::of(&revision.plan.rules);
                let verdicts = standing(state, *period, verdicts);
                Event::from(CountyEvent::RoundJudged { period: *period, rules, part: *part, parts: *parts, verdicts })
            });
            replayed.compare(recorded, expected.as_ref(), &event);
        }
        CountyEvent::RoundRejudged { period, reason, verdicts } => {
            let verdicts = standing(state, *period, verdicts);
            let expected = CountyEvent::RoundRejudged { period: *period, reason: reason.clone(), verdicts };
            replayed.compare(recorded, Some(&expected.into()), &event);
        }
        CountyEvent::InterviewScheduled { .. }
        | CountyEvent::InterviewHeld { .. }
        | CountyEvent::MinutesRecorded { .. }
        | CountyEvent::ImpactDetermined { .. } => {}
        CountyEvent::Warning(_) | CountyEvent::Interview(_) | CountyEvent::Proposal(_) => {
            let Some(desk) = desk(state, recorded.key()) else { return };
            if desk.escalation.is_empty() {
                desk.escalation = whole(escalation::decide(&desk.county));
            }
            let expected = desk.escalation.pop_front();
            replayed.compare(recorded, expected.as_ref(), &event);
            return;
        }
    }
    // A fact that arrives while decisions are outstanding: those were never recorded.
    if let Some(desk) = desk(state, recorded.key()) {
        report_outstanding(desk, replayed);
    }
}

/// The verdicts of these sections from their own assessments.
fn standing(state: &State, period: Period, verdicts: &[SectionVerdict]) -> Vec<SectionVerdict> {
    let verdict = |recorded: &SectionVerdict| {
        let judged = state.judged(&recorded.section, period)?;
        let kind = state.book.revision(judged.revision)?.section(&recorded.section)?.kind;
        Some(SectionVerdict::of(recorded.section.clone(), kind, &judged.assessment))
    };
    verdicts.iter().filter_map(verdict).collect()
}

fn settled(state: &State, year: i16) -> Option<Event> {
    let revision = Month::new(year, 12).and_then(|last| state.book.in_force(last))?;
    let months = months_of(year);
    let meets = |section: &bishui_domain::plan::Section| {
        meets_annual_target(&state.book, revision, section, year, &state.dossier(&section.id, &months))
    };
    let basis = SettlementBasis {
        year,
        collected: state.counties.values().map(|desk| desk.account.paid(year)).sum::<Fen>(),
        municipal_share: revision.plan.rules.municipal_share,
        reward: revision.plan.rules.reward,
        rewarded: rewarded_counties(revision, year, meets),
    };
    whole(state.settlements.get(&year)?.decide(&basis)).pop_front()
}

/// The draft of a notice that was raised: it must say what its cause says. Corrections depend on what had been sent.
fn drafted(state: &State, recorded: &EventRef<'_>, event: &Event) -> Option<Event> {
    let Event::Notice(NoticeEvent::NoticeDrafted { kind, county, subject, refers_to, .. }) = event else { return None };
    let (_, cause) = state.causes.get(&recorded.key().parse().ok()?)?;
    let subject = match cause {
        CountyEvent::Warning(
            WarningEvent::WarningNoticeRaised { period, sections, .. }
            | WarningEvent::WarningNoticeSupplemented { period, sections, .. },
        ) => Subject::Round { period: *period, sections: sections.clone() },
        CountyEvent::Interview(
            escalation::interview::InterviewEvent::InterviewRequired { raised_by, grounds, .. }
            | escalation::interview::InterviewEvent::InterviewGroundsChanged { raised_by, grounds, .. },
        ) => Subject::Interview { raised_by: *raised_by, grounds: grounds.clone() },
        CountyEvent::Warning(_)
        | CountyEvent::Interview(_)
        | CountyEvent::Proposal(_)
        | CountyEvent::RoundJudged { .. }
        | CountyEvent::RoundRejudged { .. }
        | CountyEvent::InterviewScheduled { .. }
        | CountyEvent::InterviewHeld { .. }
        | CountyEvent::MinutesRecorded { .. }
        | CountyEvent::ImpactDetermined { .. } => subject.clone(),
    };
    let (kind, county, refers_to) = (*kind, county.clone(), *refers_to);
    Some(NoticeEvent::NoticeDrafted { kind, county, subject, refers_to, parts: 0 }.into())
}

/// The decisions of these events, each with its parts: how a decision was divided is none of its own.
fn whole<E: Into<Event>>(events: Vec<E>) -> VecDeque<Event> {
    let mut decided: VecDeque<Event> = VecDeque::new();
    for event in events.into_iter().map(Into::into) {
        match decided.back_mut() {
            Some(before) => {
                if let Err(next) = before.join(event) {
                    decided.push_back(next);
                }
            }
            None => decided.push_back(event),
        }
    }
    decided
}

fn report_outstanding(desk: &mut CountyDesk, replayed: &mut Replayed) {
    let outstanding: VecDeque<Event> = desk.escalation.drain(..).chain(desk.compensation.drain(..)).collect();
    if let Some(fact) = &desk.last_fact {
        for event in &outstanding {
            replayed.missing(fact, event);
        }
    }
}

/// At the end of the log nothing that the facts call for may be outstanding, and what was raised has its notice. What a
/// process would have decided at its last event is left out if a person had it skip that event; its next step would
/// have caught up with any earlier one.
pub(super) fn check_nothing_is_missing(state: &mut State, replayed: &mut Replayed) {
    for desk in state.counties.values_mut() {
        if desk.escalation.is_empty() {
            desk.escalation = whole(escalation::decide(&desk.county));
        }
        let last_fact = desk.last_fact.as_ref().map(|fact| fact.position);
        leave_out(&mut desk.escalation, replayed, Process::Escalation, last_fact);
        if desk.compensation.is_empty() {
            desk.compensation = whole(compensation::decide(&desk.county, &desk.account));
        }
        leave_out(&mut desk.compensation, replayed, Process::Compensation, desk.last_judged);
        report_outstanding(desk, replayed);
    }
    for (year, last) in &state.settlement_events {
        if let Some(outstanding) = settled(state, *year) {
            // Whatever a settlement rests on can have been skipped; a later step would stand after it.
            if replayed.skips(Process::Settlement).any(|skipped| skipped >= last.position) {
                replayed.left_out += 1;
            } else {
                replayed.missing(last, &outstanding);
            }
        }
    }
    for (raised, event) in state.causes.values() {
        let county = raised.stream.split_once('/').map_or("", |(_, county)| county);
        if let Some(draft) = announced_as(county, event) {
            if replayed.skips(Process::Drafting).any(|skipped| skipped == raised.position) {
                replayed.left_out += 1;
            } else {
                replayed.missing(raised, &draft.into());
            }
        }
    }
}

fn leave_out(due: &mut VecDeque<Event>, replayed: &mut Replayed, process: Process, last: Option<Position>) {
    let skipped = replayed.skips(process).any(|skipped| Some(skipped) == last);
    if skipped {
        replayed.left_out += due.len() as u64;
        due.clear();
    }
}
