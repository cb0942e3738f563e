//! The office: loads what an act concerns, decides, appends, and follows through what the act sets off.
//!
//! A decision that another writer overtook is taken again on the newer state. Nothing is answered before it is durable.

mod counties;
mod follow;
mod notices;
mod perform;
mod plans;
mod readings;
mod rounds;

use std::sync::Arc;
use std::time::Duration;

use bishui_domain::calendar::WorkCalendar;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::period::beijing_date;
use bishui_domain::plan::Plan;
use bishui_domain::plan::book::{PlanBook, TargetCorrection};
use bishui_domain::plan::revision::PlanRevision;
use bishui_domain::plan::rules::Approval;
use bishui_domain::refusal::Refusal;
use bishui_infra::attachments::Attachments;
use bishui_infra::event_log::{EventLog, Position, Recorded, StreamId, StreamVersion};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::act::Act;
use crate::clock::Clock;
use crate::delivery::Change;
use crate::error::OfficeError;
use crate::lease::{Leases, Work};
use crate::process::Stops;
use crate::projection::Projections;
use crate::records::{Draft, Records};
use crate::register::Register;

pub(crate) use notices::{drafted_notice, notice_mail, reminder_mail};
pub use readings::ImportReport;

/// Settings of an office that are not rules of the plan.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether notices are approved as drafted, whatever the plan says (drills).
    pub approval: Option<Approval>,
    /// The host part of Message-IDs.
    pub mail_host: String,
    /// Whether readings dated after now and rounds of periods that are not over are refused; the clock of a drill stands
    /// still between acts, so a drill takes them.
    pub refuse_future: bool,
    /// Where attachments are kept; without it none are taken.
    pub attachments: Option<Attachments>,
    /// Whether this node sends mail; otherwise that is left to other nodes of the store.
    pub sends_mail: bool,
    /// Time for which a lease of background work is taken; a service renews it after a third of that.
    pub lease_time: Duration,
    /// Longest wait for another node to follow an act through, or for a position to be shown.
    pub wait_within: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            approval: None,
            mail_host: "bishui.invalid".to_owned(),
            refuse_future: true,
            attachments: None,
            sends_mail: true,
            lease_time: Duration::from_secs(6),
            wait_within: Duration::from_secs(10),
        }
    }
}

/// Who acts, and by which request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The name that is recorded.
    pub actor: String,
    /// The client's key, by which a repetition is recognised.
    pub idempotency_key: Option<String>,
    /// The act is meant for this stream at this version only.
    pub if_match: Option<(StreamId, StreamVersion)>,
}

impl Request {
    /// A request of `actor` without a key.
    pub fn by(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), ..Self::default() }
    }
}

/// An event of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventLine {
    /// Its position.
    #[schema(value_type = u64)]
    pub position: Position,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its stream.
    pub stream: String,
}

impl From<&Recorded> for EventLine {
    fn from(recorded: &Recorded) -> Self {
        let stream = recorded.stream.as_str().to_owned();
        Self { position: recorded.position, kind: recorded.kind.clone(), stream }
    }
}

/// What an act has led to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Receipt {
    /// The head of the log once everything that follows was recorded; read from here to see the act's effects.
    #[schema(value_type = u64)]
    pub position: Position,
    /// The act's own events; at most a thousand are listed.
    pub events: Vec<EventLine>,
    /// True when the act had been recorded before under the same key.
    pub duplicate: bool,
    /// Whether what follows from it was recorded too; where false, background work does that later, and the
    /// position may be the act's own.
    pub followed: bool,
    /// What became of the rows of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportReport>,
}

/// A decided act: what would be recorded, and the report of its file.
#[derive(Debug, Default)]
struct Decided {
    draft: Draft,
    import: Option<ImportReport>,
}

impl From<Draft> for Decided {
    fn from(draft: Draft) -> Self {
        Self { draft, import: None }
    }
}

/// The office.
pub struct Office {
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) calendar: Arc<WorkCalendar>,
    pub(crate) settings: Settings,
    pub(crate) projections: Projections,
    pub(crate) leases: Leases,
    pub(crate) stops: Stops,
    pub(crate) turns: Turns,
    ids: Box<dyn Fn() -> Uuid + Send + Sync>,
}

/// One turn of each piece of work at a time within this program.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) processes: Mutex<()>,
    /// The mail worker's, with how attempts ended that it could not record yet.
    pub(crate) mail: Mutex<Vec<Change>>,
    pub(crate) deadlines: Mutex<()>,
}

impl Office {
    /// An office on `log`, whose register is empty until [`Office::follow_through`] has run.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, calendar: Arc<WorkCalendar>, settings: Settings) -> Self {
        Self::starting_from(Register::default(), log, clock, calendar, settings)
    }

    fn starting_from(
        register: Register,
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        calendar: Arc<WorkCalendar>,
        settings: Settings,
    ) -> Self {
        let left = (!settings.sends_mail).then_some(Work::Mail);
        Self {
            records: Records::new(log),
            clock,
            calendar,
            projections: Projections::from(register),
            leases: Leases::new(Uuid::now_v7(), settings.lease_time, left),
            settings,
            stops: Stops::default(),
            turns: Turns::default(),
            ids: Box::new(Uuid::now_v7),
        }
    }

    /// The same office with ids that follow from `seed`: a drill gives the same log every time.
    #[must_use]
    pub fn with_seeded_ids(mut self, seed: Uuid) -> Self {
        let drawn = std::sync::atomic::AtomicU64::new(0);
        self.ids = Box::new(move || {
            let number = drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Uuid::new_v5(&seed, &number.to_be_bytes())
        });
        self
    }

    /// An office on `log` that starts from what this one knew at a position of it: for previews.
    pub(crate) fn fork(&self, register: Register, log: Arc<dyn EventLog>) -> Self {
        let (clock, calendar) = (Arc::clone(&self.clock), Arc::clone(&self.calendar));
        Self::starting_from(register, log, clock, calendar, self.settings.clone())
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        self.records.log()
    }

    /// The leases of this node.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The streams of the log, read into states.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Where attachments are kept.
    ///
    /// # Errors
    /// This office keeps none.
    pub fn attachments(&self) -> Result<&Attachments, OfficeError> {
        let what = || "this office keeps no attachments".to_owned();
        self.settings.attachments.as_ref().ok_or_else(|| OfficeError::Input { what: what() })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Today in Beijing.
    pub fn today(&self) -> Date {
        beijing_date(self.now())
    }

    /// The read model; it is level with the log after an act.
    pub fn register(&self) -> std::sync::RwLockReadGuard<'_, Register> {
        self.projections.register()
    }

    async fn decide(&self, act: &Act) -> Result<Decided, OfficeError> {
        match act {
            Act::AdoptPlan { plan } => self.adopt_plan(Plan::clone(plan)).await,
            Act::AmendPlan { plan, from, reason } => self.amend_plan(Plan::clone(plan), *from, reason).await,
            Act::CorrectTarget { section, from, until, target, reason } => {
                let (section, from, until, target) = (section.clone(), *from, *until, *target);
                self.correct_target(TargetCorrection { section, from, until, target }, reason).await
            }
            Act::Import { csv, mapping, .. } => self.decide_import(csv, mapping.as_deref()).await,
            Act::Revise { csv, reason, evidence, .. } => self.decide_revision(csv, reason, evidence.clone()).await,
            Act::Declare { section, period, reason } => self.decide_declaration(section, *period, *reason).await,
            Act::WithdrawDeclaration { section, period, reason } => {
                self.decide_withdrawn_declaration(section, *period, reason).await
            }
            Act::Publish { period, declare_rest } => self.decide_publication(*period, *declare_rest).await,
            Act::ScheduleInterview { county, on, place } => self.schedule_interview(county, *on, place).await,
            Act::HoldInterview { county, on, attended } => self.hold_interview(county, *on, attended.clone()).await,
            Act::RecordMinutes { county, raised_by, minutes } => self.record_minutes(county, *raised_by, minutes).await,
            Act::DetermineImpact { county, year, serious, basis } => {
                self.determine_impact(county, *year, *serious, basis).await
            }
            Act::Pay { county, fen, year } => self.book_payment(county, *fen, *year).await,
            Act::Settle { year, provincial_payable } => self.order_settlement(*year, *provincial_payable).await,
            Act::ApproveNotice { notice } => {
                let mut draft = Draft::default();
                self.approve(*notice, &mut draft).await?;
                Ok(draft.into())
            }
            Act::DeliverNotice { notice } => self.deliver_notice(*notice).await,
            Act::WithdrawNotice { notice, reason } => self.withdraw_notice(*notice, reason).await,
            Act::AcknowledgeNotice { notice, signed_by } => self.acknowledge_notice(*notice, signed_by).await,
            Act::AnswerNotice { notice, summary, attachments } => {
                self.answer_notice(*notice, summary, attachments).await
            }
            Act::CloseNotice { notice, note } => self.close_notice(*notice, note).await,
            Act::RetryMail { mail } => self.retry_mail(*mail).await,
            Act::ResolveMail { mail, arrived, basis } => self.resolve_mail(*mail, *arrived, basis).await,
            Act::RetryConsumer { consumer } => Ok(self.retry_consumer(consumer).await?.into()),
            Act::SkipEvent { consumer, position, reason } => {
                Ok(self.skip_event(consumer, *position, reason).await?.into())
            }
        }
    }

    /// The plan in force today, or the one adopted last when none is: an office prepares the coming year.
    pub(crate) fn current_revision<'a>(&self, book: &'a PlanBook) -> Result<&'a PlanRevision, Refusal> {
        let month = bishui_domain::period::Month::of(self.today());
        month.and_then(|month| book.in_force(month)).or(book.latest()).ok_or(Refusal::NoPlanInForce)
    }

    fn known_county(book: &PlanBook, county: &CountyId) -> Result<(), Refusal> {
        let known = book.revisions().iter().any(|revision| revision.county(county).is_some());
        if known { Ok(()) } else { Err(Refusal::UnknownCounty { county: county.to_string() }) }
    }

    fn known_section(book: &PlanBook, section: &SectionId) -> Result<(), Refusal> {
        match book.find_section(section) {
            Some(_) => Ok(()),
            None => Err(Refusal::UnknownSection { section: section.to_string() }),
        }
    }
}
