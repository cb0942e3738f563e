//! The register: what people look things up in, built from the log in order.
//!
//! It serves lists and status; no decision is taken on it. Readings are not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bishui_domain::assessment::Reason;
use bishui_domain::compensation::{Compensation, CompensationEvent, Entry, entry};
use bishui_domain::county::County;
use bishui_domain::delivery::{Mail, MailEvent};
use bishui_domain::event::Event;
use bishui_domain::ids::{CountyId, MailId, NoticeId, SectionId};
use bishui_domain::notice::{Notice, NumberingEvent};
use bishui_domain::parts::InParts;
use bishui_domain::period::Period;
use bishui_domain::plan::book::PlanBook;
use bishui_domain::round::{RoundEvent, SectionEvent};
use bishui_domain::settlement::{SettlementEvent, SettlementFile};
use bishui_infra::codec::{self, CodecError};
use bishui_infra::event_log::{EventLog, EventRef, Position};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::error::OfficeError;

/// A published round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundLine {
    /// When it was published.
    pub published_at: Timestamp,
    /// Where in the log.
    pub position: Position,
    /// By whom.
    pub published_by: String,
    /// Corrections recorded since.
    pub corrections: u32,
}

/// A line of a county's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    /// Where in the log.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The county.
    pub county: CountyId,
    /// The double entry.
    pub entry: Entry,
    /// The event.
    pub event: CompensationEvent,
}

/// A void document number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoidNumber {
    /// The notice it was given to.
    pub notice: NoticeId,
    /// Why it is void.
    pub reason: String,
}

/// Everything people look up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Register {
    position: Position,
    /// The adopted plans.
    pub plans: PlanBook,
    /// Rounds by period.
    pub rounds: BTreeMap<Period, RoundLine>,
    /// Standing declarations.
    pub declarations: BTreeMap<(Period, SectionId), Reason>,
    /// Counties' records.
    pub counties: BTreeMap<CountyId, County>,
    /// Counties' compensation.
    pub compensation: BTreeMap<CountyId, Compensation>,
    /// Every movement of money in order.
    pub ledger: Vec<LedgerLine>,
    /// Settlements by year.
    pub settlements: BTreeMap<i16, SettlementFile>,
    /// The year settled last.
    pub last_settled: Option<i16>,
    /// Notices, in the order they were drafted.
    pub notices: Vec<(NoticeId, Position)>,
    /// Notices by id.
    pub notice: BTreeMap<NoticeId, Notice>,
    /// Void numbers by notice.
    pub void_numbers: Vec<VoidNumber>,
    /// Mails, in the order they were queued.
    pub mails: Vec<(MailId, Position)>,
    /// Mails by id.
    pub mail: BTreeMap<MailId, Mail>,
    /// Mails that were handed over, in the order of the first acceptance.
    pub sent: Vec<MailId>,
    handed_over: BTreeSet<MailId>,
}

impl Register {
    /// The last event taken in.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Leaves out the events up to a position: they leave nothing here, or a person decided so.
    pub(crate) fn pass_over(&mut self, position: Position) {
        self.position = position;
    }

    /// What the events of a log amount to that are `within` what is asked for, up to the first that is not; those
    /// `skipped` are left out.
    ///
    /// # Errors
    /// A failure of the store, or an event that cannot be read.
    pub(crate) async fn read(
        log: &dyn EventLog,
        within: impl Fn(&EventRef<'_>) -> bool + Send + Sync,
        skipped: impl Fn(Position) -> bool + Send + Sync,
    ) -> Result<Self, OfficeError> {
        let (mut register, mut read) = (Self::default(), Ok(()));
        let mut visit = |event: EventRef<'_>| {
            if !within(&event) {
                return ControlFlow::Break(());
            }
            if skipped(event.position) {
                register.pass_over(event.position);
            } else {
                read = register.apply(event);
            }
            if read.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        log.replay(Position(0), Position(u64::MAX), &mut visit).await?;
        read?;
        Ok(register)
    }

    /// Whether events of this type leave anything here. Readings and assessments, the bulk of a log, do not: what people
    /// look up of them stands in the county's record.
    pub(crate) fn keeps(kind: &str) -> bool {
        !kind.starts_with("readings.") && !matches!(kind, "section.section_assessed" | "section.assessment_corrected")
    }

    /// Takes in the next event of the log.
    ///
    /// # Errors
    /// The event cannot be read; the register stands as before.
    pub fn apply<'e>(&mut self, recorded: impl Into<EventRef<'e>>) -> Result<(), CodecError> {
        let recorded = recorded.into();
        let key = recorded.key();
        if !Self::keeps(recorded.kind) {
            self.position = recorded.position;
            return Ok(());
        }
        let event = codec::decode(recorded)?;
        self.position = recorded.position;
        match event {
            Event::Plan(event) => self.plans = std::mem::take(&mut self.plans).evolve(&event),
            Event::Readings(_) | Event::Consumer(_) => {}
            Event::Section(event) => self.apply_section(key, &event),
            Event::Round(event) => self.apply_round(&recorded, &event),
            Event::County(event) => {
                if let Ok(id) = key.parse::<CountyId>() {
                    let county = self.counties.entry(id).or_default();
                    *county = std::mem::take(county).evolve(&event);
                }
            }
            Event::Compensation(event) => self.apply_compensation(&recorded, event),
            Event::Settlement(event) => {
                if let Ok(year) = key.parse() {
                    if matches!(event, SettlementEvent::SettlementOrdered { .. }) {
                        self.last_settled = Some(year);
                    }
                    let file = self.settlements.entry(year).or_default();
                    *file = std::mem::take(file).evolve(&event);
                }
            }
            Event::Notice(event) => {
                if let Ok(id) = key.parse::<NoticeId>()
                    && let Some(notice) = Notice::evolve(self.notice.remove(&id), &event)
                {
                    if recorded.version.0 == 1 {
                        self.notices.push((id, recorded.position));
                    }
                    self.notice.insert(id, notice);
                }
            }
            Event::Numbering(event) => self.apply_numbering(event),
            Event::Mail(event) => self.apply_mail(&recorded, &event),
        }
        Ok(())
    }

    fn apply_section(&mut self, key: &str, event: &SectionEvent) {
        let Ok(section) = key.parse::<SectionId>() else { return };
        match event {
            SectionEvent::SectionDeclared { period, reason } => {
                self.declarations.insert((*period, section), *reason);
            }
            SectionEvent::DeclarationWithdrawn { period, .. } => {
                self.declarations.remove(&(*period, section));
            }
            SectionEvent::SectionAssessed(_) | SectionEvent::AssessmentCorrected(_) => {}
        }
    }

    fn apply_round(&mut self, recorded: &EventRef<'_>, event: &RoundEvent) {
        match event {
            RoundEvent::RoundPublished { period, .. } => {
                let line = RoundLine {
                    published_at: recorded.recorded_at,
                    position: recorded.position,
                    published_by: recorded.actor.to_owned(),
                    corrections: 0,
                };
                self.rounds.insert(*period, line);
            }
            RoundEvent::RoundCorrected { period, .. } => {
                if let Some(line) = self.rounds.get_mut(period) {
                    line.corrections += 1;
                }
            }
        }
    }

    fn apply_compensation(&mut self, recorded: &EventRef<'_>, event: CompensationEvent) {
        let Ok(county) = recorded.key().parse::<CountyId>() else { return };
        let account = self.compensation.entry(county.clone()).or_default();
        *account = std::mem::take(account).evolve(&event);
        let (position, recorded_at) = (recorded.position, recorded.recorded_at);
        match (entry(&event), self.ledger.last_mut()) {
            (Some(entry), _) => self.ledger.push(LedgerLine { position, recorded_at, county, entry, event }),
            // A part stands right after what it belongs to, and any other changes nothing.
            (None, Some(line)) => drop(line.event.join(event)),
            (None, None) => {}
        }
    }

    fn apply_numbering(&mut self, event: NumberingEvent) {
        match event {
            NumberingEvent::NumberAssigned { .. } => {}
            NumberingEvent::NumberVoided { notice, reason, .. } => {
                self.void_numbers.push(VoidNumber { notice, reason });
            }
        }
    }

    fn apply_mail(&mut self, recorded: &EventRef<'_>, event: &MailEvent) {
        let Ok(id) = recorded.key().parse::<MailId>() else { return };
        let Some(mail) = Mail::evolve(self.mail.remove(&id), event) else { return };
        if recorded.version.0 == 1 {
            self.mails.push((id, recorded.position));
        }
        if mail.is_accepted() && self.handed_over.insert(id) {
            self.sent.push(id);
        }
        self.mail.insert(id, mail);
    }

    /// Mails whose next attempt is due, in the order they were queued.
    pub fn due_mails(&self, now: Timestamp) -> Vec<MailId> {
        let due = |id: &MailId| self.mail.get(id).and_then(Mail::due_at).is_some_and(|at| at <= now);
        let idle = |id: &MailId| self.mail.get(id).is_some_and(|mail| mail.trying().is_empty());
        self.mails.iter().map(|(id, _)| *id).filter(|id| due(id) && idle(id)).collect()
    }

    /// When the next attempt is due, if any waits.
    pub fn next_mail(&self) -> Option<Timestamp> {
        self.mail.values().filter_map(Mail::due_at).min()
    }

    /// Mails with an attempt that began and has not ended.
    pub fn interrupted_mails(&self) -> Vec<MailId> {
        let trying = |(_, mail): &(&MailId, &Mail)| !mail.trying().is_empty();
        self.mail.iter().filter(trying).map(|(id, _)| *id).collect()
    }

    /// Notices with a reminder due on `today`, the earliest first.
    pub fn notices_to_remind(&self, today: Date) -> Vec<NoticeId> {
        let next = self.notice.iter().filter_map(|(id, notice)| Some((notice.next_reminder()?, *id)));
        let mut due: Vec<_> = next.filter(|(on, _)| *on <= today).collect();
        due.sort();
        due.into_iter().map(|(_, id)| id).collect()
    }
}
