//! Projections: views built from the log in order, read while they are built, and switched when a new one is level.
//!
//! A projection that cannot read an event stays in service as it stood before it, which is shown as an incident. A new
//! one is built beside the one in service; until it is level, and whenever it fails, the old one goes on. A log that has
//! gone back, as a database does when an older copy of it is put in service, is noticed and the register built anew.

use std::ops::ControlFlow;
use std::sync::{Mutex, RwLock, RwLockReadGuard};
use std::time::Duration;

use bishui_domain::consumer::Stop;
use bishui_infra::codec::CodecError;
use bishui_infra::event_log::{EventRef, LogError, Position, Recorded};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::OfficeError;
use crate::incident::{Incident, in_words, incident};
use crate::records::Records;
use crate::register::Register;

/// Name of the projection that people look things up in.
pub const REGISTER: &str = "register";
/// Version of the register's form; a new one whenever the same events give another view.
pub const REGISTER_VERSION: u32 = 1;

/// Events read at a time, and those that end their batch.
const PAGE: usize = 1_000;

/// A projection as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProjectionLine {
    /// Its name.
    pub name: &'static str,
    /// Version of its form.
    pub version: u32,
    /// The last event it shows.
    #[schema(value_type = u64)]
    pub position: Position,
    /// Events that it does not show yet.
    pub lag: u64,
    /// How far the one that is being built has come; none while none is built.
    #[schema(value_type = Option<u64>)]
    pub building: Option<Position>,
    /// Times a new one was switched to since the start.
    pub switched: u32,
}

/// A projection that was built anew and switched to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rebuilt {
    /// Its name.
    pub name: &'static str,
    /// Version of its form.
    pub version: u32,
    /// The last event both had taken in at the switch.
    #[schema(value_type = u64)]
    pub position: Position,
    /// Whether the new one equals the one it replaced.
    pub equal: bool,
}

/// The event that the projection in service, or the one being built, cannot read.
#[derive(Debug, Clone)]
struct Fault {
    stop: Stop,
    since: Timestamp,
    attempts: u32,
}

/// Which of the two registers a fault is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    InService,
    Building,
}

/// The faults of the register in service and of the one that was built last.
#[derive(Debug, Default)]
struct Faults {
    in_service: Option<Fault>,
    building: Option<Fault>,
}

impl Faults {
    fn of(&mut self, which: Which) -> &mut Option<Fault> {
        match which {
            Which::InService => &mut self.in_service,
            Which::Building => &mut self.building,
        }
    }
}

/// The projections of one node.
#[derive(Debug)]
pub(crate) struct Projections {
    register: RwLock<Register>,
    /// The event at the position of the register in service, where it is known.
    last: Mutex<Option<Mark>>,
    /// Position of the register in service.
    level: watch::Sender<Position>,
    /// Held while the register in service takes events in or is switched.
    leveling: tokio::sync::Mutex<()>,
    /// Held while a new one is built.
    building: tokio::sync::Mutex<()>,
    built: Mutex<(Option<Position>, u32)>,
    faults: Mutex<Faults>,
}

impl Projections {
    /// Projections that start from `register`.
    pub(crate) fn from(register: Register) -> Self {
        let level = watch::Sender::new(register.position());
        let (leveling, building) = (tokio::sync::Mutex::new(()), tokio::sync::Mutex::new(()));
        let (last, built, faults) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { register: RwLock::new(register), last, level, leveling, building, built, faults }
    }

    /// The register in service.
    pub(crate) fn register(&self) -> RwLockReadGuard<'_, Register> {
        self.register.read().expect("the register is never left half written")
    }

    /// Brings the register in service level with the log, or up to the event it cannot read.
    pub(crate) async fn bring_level(&self, records: &Records, now: Timestamp) -> Result<(), OfficeError> {
        let _turn = self.leveling.lock().await;
        self.take_in(records, now).await
    }

    async fn take_in(&self, records: &Records, now: Timestamp) -> Result<(), OfficeError> {
        loop {
            let position = self.register().position();
            let head = records.log().head().await?;
            if head == position {
                self.sound(Which::InService);
                return Ok(());
            }
            let known = *self.last();
            let page = Page::after((position, known), Position(u64::MAX), records).await?;
            let Some(page) = page.filter(|_| position < head) else {
                return self.begin_anew((position, head), records, now).await;
            };
            let outcome = {
                let mut register = self.register.write().expect("the register is never left half written");
                page.take_into(&mut register)
            };
            *self.last() = page.end.filter(|_| outcome.is_ok());
            self.level.send_replace(self.register().position());
            let Err((failing, error)) = outcome else { continue };
            if !skips(records, failing).await? {
                self.note(Which::InService, failing, &error, now);
                return Ok(());
            }
            self.register.write().expect("the register is never left half written").pass_over(failing.position);
        }
    }

    /// Builds the register from what the log is now, and fails once: people were shown what is not recorded any more.
    async fn begin_anew(
        &self,
        (position, head): (Position, Position),
        records: &Records,
        now: Timestamp,
    ) -> Result<(), OfficeError> {
        let what = format!(
            "it has gone back: what was shown up to event {position} is not what it holds, which ends at {head}; \
             an older copy of it seems to be in service"
        );
        tracing::error!(position = position.0, head = head.0, "the log has gone back; the register is built anew");
        records.forget();
        let mut fresh = Register::default();
        let filled = self.fill((&mut fresh, None), records, Position(u64::MAX), now).await;
        self.built().0 = None;
        self.switch(fresh, filled?);
        Err(LogError::Corrupt { what }.into())
    }

    /// Builds a new register beside the one in service and switches to it when it is level. Reads and writes go on
    /// meanwhile; only the last stretch holds up the taking in of new events.
    ///
    /// # Errors
    /// A failure of the store, or an event that cannot be read: then the one in service stays.
    pub(crate) async fn rebuild(&self, records: &Records, now: Timestamp) -> Result<Rebuilt, OfficeError> {
        let _building = self.building.lock().await;
        let built = self.build(records, now).await;
        self.built().0 = None;
        built
    }

    async fn build(&self, records: &Records, now: Timestamp) -> Result<Rebuilt, OfficeError> {
        let mut fresh = Register::default();
        let last = self.fill((&mut fresh, None), records, Position(u64::MAX), now).await?;
        let _turn = self.leveling.lock().await;
        self.take_in(records, now).await?;
        // The new one is never ahead of the one in service, which was just brought level; where that one has stopped,
        // the new one went as far as it can.
        let until = self.register().position().max(fresh.position());
        let last = self.fill((&mut fresh, last), records, until, now).await?;
        let position = fresh.position();
        let equal = fresh == *self.register();
        self.switch(fresh, last);
        tracing::info!(position = position.0, equal, "a new register is in service");
        Ok(Rebuilt { name: REGISTER, version: REGISTER_VERSION, position, equal })
    }

    /// Puts a register in service that ends with the event `last`.
    fn switch(&self, fresh: Register, last: Option<Mark>) {
        let position = fresh.position();
        *self.register.write().expect("the register is never left half written") = fresh;
        *self.last() = last;
        self.sound(Which::InService);
        self.sound(Which::Building);
        self.level.send_replace(position);
        self.built().1 += 1;
    }

    /// Takes events into a register that ends with the event `last`; gives the one that it ends with then.
    async fn fill(
        &self,
        (fresh, mut last): (&mut Register, Option<Mark>),
        records: &Records,
        until: Position,
        now: Timestamp,
    ) -> Result<Option<Mark>, OfficeError> {
        while fresh.position() < until {
            let position = fresh.position();
            self.built().0 = Some(position);
            let Some(page) = Page::after((position, last), until, records).await? else {
                let what = format!("it has gone back behind event {position} while a register was built");
                return Err(LogError::Corrupt { what }.into());
            };
            if page.last == position {
                return Ok(last);
            }
            let taken = page.take_into(fresh);
            last = page.end.filter(|_| taken.is_ok());
            let Err((failing, error)) = taken else { continue };
            if !skips(records, failing).await? {
                self.note(Which::Building, failing, &error, now);
                let (consumer, position) = (REGISTER.to_owned(), failing.position);
                return Err(OfficeError::Stopped { consumer, position, error: in_words(&error) });
            }
            fresh.pass_over(failing.position);
        }
        Ok(last)
    }

    /// Waits until the register in service shows `position`; woken when it moves.
    ///
    /// # Errors
    /// It was not reached in time.
    pub(crate) async fn wait_for(&self, position: Position, within: Duration) -> Result<(), OfficeError> {
        let mut level = self.level.subscribe();
        let reached = tokio::time::timeout(within, level.wait_for(|level| *level >= position)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(OfficeError::Behind { position, reached: *self.level.borrow() }),
        }
    }

    /// The projections, with how far each is behind `head`.
    pub(crate) fn lines(&self, head: Position) -> Vec<ProjectionLine> {
        let position = self.register().position();
        let (building, switched) = *self.built();
        let lag = head.0.saturating_sub(position.0);
        vec![ProjectionLine { name: REGISTER, version: REGISTER_VERSION, position, lag, building, switched }]
    }

    /// The event that cannot be read, if there is one: by the register in service, or by the one built last.
    pub(crate) fn stop(&self) -> Option<Stop> {
        self.fault().map(|fault| fault.stop)
    }

    /// The incident of the register.
    pub(crate) fn incident(&self) -> Option<Incident> {
        let Fault { stop, since, attempts } = self.fault()?;
        Some(Incident { since: Some(since), attempts, ..incident(REGISTER.to_owned(), stop) })
    }

    fn fault(&self) -> Option<Fault> {
        let faults = self.faults();
        faults.in_service.as_ref().or(faults.building.as_ref()).cloned()
    }

    fn sound(&self, which: Which) {
        if self.faults().of(which).take().is_some() {
            tracing::info!(?which, "a register that had stopped goes on");
        }
    }

    fn note(&self, which: Which, failing: &Recorded, error: &CodecError, now: Timestamp) {
        let mut faults = self.faults();
        let fault = faults.of(which);
        if let Some(known) = fault.as_mut().filter(|known| known.stop.event == failing.id) {
            known.attempts = known.attempts.saturating_add(1);
            return;
        }
        let Position(position) = failing.position;
        tracing::error!(
            error = error as &dyn std::error::Error,
            position,
            ?which,
            "a register has stopped at an event"
        );
        let (event, kind, code) = (failing.id, failing.kind.clone(), "store_damaged".to_owned());
        let stream = failing.stream.as_str().to_owned();
        let stop = Stop { position, event, kind, stream, code, error: in_words(error) };
        *fault = Some(Fault { stop, since: now, attempts: 1 });
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().expect("a fault is never left half noted")
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Mark>> {
        self.last.lock().expect("an event is never left half noted")
    }

    fn built(&self) -> std::sync::MutexGuard<'_, (Option<Position>, u32)> {
        self.built.lock().expect("the progress of a build is never left half noted")
    }
}

/// An event by what it is, wherever it stands: its batch, and its place there.
type Mark = (Uuid, u32);

/// A stretch of the log: the events of it that leave anything in the register.
struct Page {
    events: Vec<Recorded>,
    last: Position,
    /// The event at `last`.
    end: Option<Mark>,
}

impl Page {
    /// What follows a position, at which the event `known` stands; none where another does, or none any more.
    async fn after(
        (position, known): (Position, Option<Mark>),
        until: Position,
        records: &Records,
    ) -> Result<Option<Self>, OfficeError> {
        let mut page = Self { events: Vec::new(), last: position, end: None };
        let mut visit = |event: EventRef<'_>| {
            let mark = (event.batch, event.place);
            // A batch is taken in whole: nobody is shown a list without its last parts.
            let full = page.events.len() >= PAGE && page.end.is_none_or(|(batch, _)| batch != event.batch);
            if full || (event.position == position && known != Some(mark)) {
                return ControlFlow::Break(());
            }
            (page.last, page.end) = (event.position, Some(mark));
            if event.position > position && Register::keeps(event.kind) {
                page.events.push(event.to_recorded());
            }
            ControlFlow::Continue(())
        };
        // The event before is read again: who stands there tells a log that has gone back and grown since.
        let from = known.map_or(position, |_| Position(position.0.saturating_sub(1)));
        records.log().replay(from, until, &mut visit).await?;
        let continues = known.is_none() || page.end.is_some();
        Ok(continues.then_some(page))
    }

    /// Takes it in, up to an event that cannot be read.
    fn take_into(&self, register: &mut Register) -> Result<(), (&Recorded, CodecError)> {
        for recorded in &self.events {
            if let Err(error) = register.apply(recorded) {
                // What stands before it and leaves nothing here is taken in all the same.
                register.pass_over(Position(recorded.position.0 - 1));
                return Err((recorded, error));
            }
        }
        register.pass_over(self.last);
        Ok(())
    }
}

/// Whether a person has had the register skip an event.
async fn skips(records: &Records, failing: &Recorded) -> Result<bool, OfficeError> {
    Ok(records.consumer(REGISTER).await?.0.skips(failing.position.0))
}
