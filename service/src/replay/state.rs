//! What the facts and decisions read so far amount to.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bishui_domain::compensation::Compensation;
use bishui_domain::county::{County, CountyEvent};
use bishui_domain::escalation::interview::InterviewEvent;
use bishui_domain::escalation::warning_notice::WarningEvent;
use bishui_domain::event::Event;
use bishui_domain::ids::{CountyId, NoticeId, SectionId};
use bishui_domain::notice::{NoticeEvent, NoticeKind, Numbering, Subject};
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::PlanBook;
use bishui_domain::readings::MonthReadings;
use bishui_domain::round::{Dossier, SectionFile};
use bishui_domain::settlement::SettlementFile;
use bishui_infra::event_log::{EventRef, Position};

use crate::office::drafted_notice;
use crate::records::stream;

/// A county's record with the decisions that its facts still call for.
#[derive(Default)]
pub(super) struct CountyDesk {
    pub(super) county: County,
    pub(super) account: Compensation,
    /// Decided and not yet met in the log.
    pub(super) escalation: VecDeque<Event>,
    pub(super) compensation: VecDeque<Event>,
    /// The last fact, after which they should stand.
    pub(super) last_fact: Option<Place>,
    /// Where it was judged last, which is what charges answer.
    pub(super) last_judged: Option<Position>,
}

/// Where an event stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) stream: String,
}

impl Place {
    fn of(recorded: &EventRef<'_>) -> Self {
        Self { position: recorded.position, stream: recorded.stream.to_owned() }
    }
}

/// The state of everything, in memory.
#[derive(Default)]
pub(super) struct State {
    pub(super) book: PlanBook,
    pub(super) sections: HashMap<SectionId, SectionFile>,
    /// Readings with the version of their stream, by the key of its name.
    pub(super) readings: HashMap<String, (MonthReadings, u64)>,
    pub(super) counties: BTreeMap<CountyId, CountyDesk>,
    pub(super) settlements: BTreeMap<i16, SettlementFile>,
    /// The last event of each settlement, after which a missing one should stand.
    pub(super) settlement_events: BTreeMap<i16, Place>,
    pub(super) numbering: HashMap<String, Numbering>,
    /// What counties' records call for, by the notice that is drafted for it and that has not been met yet.
    pub(super) causes: HashMap<NoticeId, (Place, CountyEvent)>,
}

impl State {
    /// Takes in an event after it was checked.
    pub(super) fn take(&mut self, recorded: &EventRef<'_>, event: &Event) {
        let key = recorded.key();
        match event {
            Event::Plan(event) => self.book = std::mem::take(&mut self.book).evolve(event),
            Event::Readings(event) => {
                let entry = self.readings.entry(key.to_owned()).or_default();
                *entry = (std::mem::take(&mut entry.0).evolve(event), recorded.version.0);
            }
            Event::Section(event) => {
                let Ok(section) = key.parse::<SectionId>() else { return };
                let file = self.sections.entry(section).or_default();
                *file = std::mem::take(file).evolve(event);
            }
            Event::County(event) => {
                let Ok(county) = key.parse::<CountyId>() else { return };
                let desk = self.counties.entry(county).or_default();
                desk.county = std::mem::take(&mut desk.county).evolve(event);
                if event.is_fact() {
                    desk.last_fact = Some(Place::of(recorded));
                }
                // The verdicts of a round, the bulk of a county's record, call for no notice by themselves.
                if matches!(event, CountyEvent::RoundJudged { .. } | CountyEvent::RoundRejudged { .. }) {
                    desk.last_judged = Some(recorded.position);
                } else {
                    let cause = (Place::of(recorded), event.clone());
                    self.causes.insert(drafted_notice(recorded.id()), cause);
                }
            }
            Event::Compensation(event) => {
                let Ok(county) = key.parse::<CountyId>() else { return };
                let desk = self.counties.entry(county).or_default();
                desk.account = std::mem::take(&mut desk.account).evolve(event);
            }
            Event::Settlement(event) => {
                let Ok(year) = key.parse::<i16>() else { return };
                self.settlement_events.insert(year, Place::of(recorded));
                let file = self.settlements.entry(year).or_default();
                *file = std::mem::take(file).evolve(event);
            }
            Event::Numbering(event) => {
                let numbering = self.numbering.entry(key.to_owned()).or_default();
                *numbering = std::mem::take(numbering).evolve(event);
            }
            Event::Notice(NoticeEvent::NoticeDrafted { .. }) => {
                if let Ok(notice) = key.parse::<NoticeId>() {
                    self.causes.remove(&notice);
                }
            }
            Event::Round(_) | Event::Notice(_) | Event::Mail(_) | Event::Consumer(_) => {}
        }
    }

    /// A section's file and its readings of `months`.
    pub(super) fn dossier(&self, section: &SectionId, months: &[Month]) -> Dossier {
        let reading = |month: &Month| {
            let readings = self.readings.get(stream::readings(section, *month).key());
            (*month, readings.cloned().unwrap_or_default())
        };
        Dossier {
            file: self.sections.get(section).cloned().unwrap_or_default(),
            readings: months.iter().map(reading).collect(),
        }
    }

    /// The section's assessment of a round as it stands.
    pub(super) fn judged(&self, section: &SectionId, period: Period) -> Option<&bishui_domain::round::Judged> {
        Some(&self.sections.get(section)?.rounds.get(&period)?.judged)
    }
}

/// The notice that a decision of a county always calls for; corrections call for one only where something was sent.
pub(super) fn announced_as(county: &str, event: &CountyEvent) -> Option<NoticeEvent> {
    let (kind, subject) = match event {
        CountyEvent::Warning(WarningEvent::WarningNoticeRaised { period, sections, .. }) => {
            (NoticeKind::WarningNotice, Subject::Round { period: *period, sections: sections.clone() })
        }
        CountyEvent::Interview(InterviewEvent::InterviewRequired { raised_by, grounds, .. }) => {
            (NoticeKind::InterviewNotice, Subject::Interview { raised_by: *raised_by, grounds: grounds.clone() })
        }
        CountyEvent::Warning(_)
        | CountyEvent::Interview(_)
        | CountyEvent::Proposal(_)
        | CountyEvent::RoundJudged { .. }
        | CountyEvent::RoundRejudged { .. }
        | CountyEvent::InterviewScheduled { .. }
        | CountyEvent::InterviewHeld { .. }
        | CountyEvent::MinutesRecorded { .. }
        | CountyEvent::ImpactDetermined { .. } => return None,
    };
    Some(NoticeEvent::NoticeDrafted { kind, county: county.parse().ok()?, subject, refers_to: None, parts: 0 })
}
