//! The drill: plays a scenario on a throw-away log with a clock that is set and a mail sink, by the same acts and
//! processes as the service.

use std::sync::Arc;

use bishui_domain::calendar::WorkCalendar;
use bishui_domain::plan::rules::Approval;
use bishui_infra::event_log::EventLog;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::mail::{Mailer, SinkMailer};
use jiff::Timestamp;
use uuid::Uuid;

use crate::act::Act;
use crate::clock::ManualClock;
use crate::end_state::{EndState, Refused};
use crate::error::OfficeError;
use crate::office::{Office, Receipt, Request, Settings};
use crate::scenario::{DrillApproval, Play, ScenarioAct};
use crate::{deadlines, delivery};

/// The name under which a scenario's acts are recorded.
pub const ACTOR: &str = "scenario";
/// Ids of a scenario follow from this, so that the same scenario gives the same log.
const SEED: Uuid = Uuid::from_u128(0x6269_7368_7569_2d64_7269_6c6c_2d73_6564);
/// The sender of a drill's mail.
pub const MAIL_FROM: &str = "bishui@bishui.invalid";

/// A scenario being played on some log.
pub struct Stage {
    /// The office that acts.
    pub office: Office,
    clock: Arc<ManualClock>,
    mailer: Arc<dyn Mailer>,
}

impl Stage {
    /// A stage for `play` on `log`, at the time of its first act.
    pub fn new(play: &Play, log: Arc<dyn EventLog>, calendar: Arc<WorkCalendar>, mailer: Arc<dyn Mailer>) -> Self {
        let first = jiff::civil::date(play.plan.plan.year, 1, 1).at(0, 0, 0, 0);
        let start = jiff::tz::TimeZone::fixed(jiff::tz::offset(8)).to_timestamp(first).unwrap_or_default();
        let at = play.acts.first().map_or(start, |act| act.at);
        let stage = Self::resumed(play, log, calendar, mailer, at);
        Self { office: stage.office.with_seeded_ids(SEED), ..stage }
    }

    /// A stage on a log that an interrupted play has left, with the clock at `at`. Its ids are fresh: seeded ones would
    /// begin again with those that are recorded.
    pub fn resumed(
        play: &Play,
        log: Arc<dyn EventLog>,
        calendar: Arc<WorkCalendar>,
        mailer: Arc<dyn Mailer>,
        at: Timestamp,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(at));
        let approval = match play.drill.approval {
            DrillApproval::Automatic => Some(Approval::Automatic),
            DrillApproval::Plan => None,
        };
        let settings = Settings { approval, refuse_future: false, ..Settings::default() };
        Self { office: Office::new(log, clock.clone(), calendar, settings), clock, mailer }
    }

    /// Plays every act; `progress` is told the number of acts done after each.
    ///
    /// # Errors
    /// Anything but a refusal: those are listed and the play goes on.
    pub async fn play(&self, play: &Play, mut progress: impl FnMut(u32)) -> Result<Vec<Refused>, OfficeError> {
        let request = Request::by(ACTOR);
        self.adopt_plan(play, &request).await?;
        let mut refusals = Vec::new();
        for (number, scripted) in (1..).zip(&play.acts) {
            match self.perform(play, scripted, &request).await {
                Ok(_) => {}
                Err(OfficeError::Refused(refusal)) => {
                    refusals.push(Refused { act: number, code: refusal.code().to_owned() });
                }
                Err(error) => return Err(error),
            }
            self.let_time_pass().await?;
            progress(number);
        }
        Ok(refusals)
    }

    /// Adopts the plan of the scenario.
    ///
    /// # Errors
    /// Those of the act.
    pub async fn adopt_plan(&self, play: &Play, request: &Request) -> Result<Receipt, OfficeError> {
        self.office.perform(&Act::AdoptPlan { plan: Box::new(play.plan.clone()) }, request).await
    }

    /// Lets the time of an act come and carries it out.
    ///
    /// # Errors
    /// Those of the act.
    pub async fn perform(
        &self,
        play: &Play,
        scripted: &ScenarioAct,
        request: &Request,
    ) -> Result<Receipt, OfficeError> {
        self.clock.advance_to(scripted.at);
        self.let_time_pass().await?;
        self.office.perform(&play.act(&scripted.deed)?, request).await
    }

    /// What the service does by itself: mail and reminders that are due.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn let_time_pass(&self) -> Result<(), OfficeError> {
        delivery::deliver_due(&self.office, &*self.mailer, MAIL_FROM).await?;
        deadlines::fire_due(&self.office).await?;
        delivery::deliver_due(&self.office, &*self.mailer, MAIL_FROM).await?;
        Ok(())
    }
}

/// Plays a scenario on a log in memory and returns the end state.
///
/// # Errors
/// A file of the scenario that cannot be read; refusals are part of the end state.
pub async fn run(play: &Play, calendar: Arc<WorkCalendar>) -> Result<EndState, OfficeError> {
    let stage = Stage::new(play, Arc::new(MemoryLog::new()), calendar, Arc::new(SinkMailer::default()));
    let refusals = stage.play(play, |_| ()).await?;
    stage.office.check_no_consumer_has_stopped().await?;
    Ok(EndState::of(&stage.office.register(), refusals))
}
