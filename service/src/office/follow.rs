//! What an act sets off, and its receipt: the processes' turn when this node has their lease, else a wait for the node that
//! has it.

use std::collections::VecDeque;
use std::time::Duration;

use bishui_infra::event_log::{Appended, LogError, Position};
use strum::IntoEnumIterator;
use tokio::time::Instant;

use super::{EventLine, ImportReport, Office, Receipt};
use crate::error::OfficeError;
use crate::lease::Work;
use crate::process::{self, Process};
use crate::projection::{ProjectionLine, REGISTER, Rebuilt};

/// Pause between two looks at the checkpoints of another node, which wake nobody here when they move.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What another node has yet to be done with: the processes that are not past a position, in the order of their turns.
struct Awaited {
    processes: VecDeque<Process>,
    position: Position,
}

impl Office {
    /// The receipt of a recorded act. It is done whatever fails from here on: told as failed, it would be done again.
    pub(super) async fn receipt(&self, appended: Appended, import: Option<ImportReport>) -> Receipt {
        let Appended { first, last: position, duplicate } = appended;
        let mut receipt = Receipt { position, events: vec![], duplicate, followed: false, import };
        if let Err(error) = self.follow_act(appended, &mut receipt).await {
            let (error, first, last) = (&error as &dyn std::error::Error, first.0, position.0);
            tracing::error!(error, first, last, "an act is recorded, what follows from it not yet");
        }
        receipt
    }

    async fn follow_act(&self, appended: Appended, receipt: &mut Receipt) -> Result<(), OfficeError> {
        const EVENTS_MAX: usize = 1_000;
        let count = usize::try_from(appended.last.0 + 1 - appended.first.0).unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
        let events = self.log().read_all(Position(appended.first.0.saturating_sub(1)), count).await?;
        receipt.events = events.iter().map(EventLine::from).collect();
        let followed = self.follow_through().await?;
        receipt.position = self.log().head().await?;
        receipt.followed = followed;
        Ok(())
    }

    /// Lets the processes take every step that recorded events call for, and brings the register level. Where another
    /// node has the processes, waits for it to be past what is recorded now; a node that is gone is taken over from
    /// when its lease is over. Gives false when that takes longer than the settings allow: what is recorded stays recorded
    /// and is followed through later.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn follow_through(&self) -> Result<bool, OfficeError> {
        let mut awaited = Awaited { processes: Process::iter().collect(), position: self.log().head().await? };
        let mut head = self.log().watch();
        let patience = Instant::now() + self.settings.wait_within;
        let mut in_time = true;
        while !self.run_processes().await? && !self.processes_are_past(&mut awaited).await? {
            if Instant::now() >= patience {
                let position = awaited.position.0;
                tracing::warn!(position, "another node has not followed this through in time");
                in_time = false;
                break;
            }
            tokio::select! {
                _ = head.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        self.bring_level().await?;
        Ok(in_time)
    }

    /// Gives the processes a turn if their lease is free or held here, and brings the register level even where they
    /// fail. Waits for nobody.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn advance(&self) -> Result<(), OfficeError> {
        let ran = self.run_processes().await;
        self.bring_level().await?;
        ran.map(drop)
    }

    /// Like [`Office::advance`], for readers: what the processes fail with is an incident of theirs, and reads go on.
    ///
    /// # Errors
    /// The register cannot be brought level: a failure of the store.
    pub async fn advance_for_readers(&self) -> Result<(), OfficeError> {
        self.run_processes().await.ok();
        self.bring_level().await
    }

    /// Brings the register level with the log, as far as it can be read.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn bring_level(&self) -> Result<(), OfficeError> {
        self.projections.bring_level(&self.records, self.now()).await
    }

    /// Waits until what is read shows `position`: until the register has taken it in. For a receipt's position that
    /// includes all that followed from the act.
    ///
    /// # Errors
    /// It was not reached within `within`.
    pub async fn wait_for(&self, position: Position, within: Duration) -> Result<(), OfficeError> {
        if self.register().position() < position && self.log().head().await? >= position {
            self.bring_level().await?;
        }
        self.projections.wait_for(position, within).await
    }

    /// The projections, with how far they are behind the log.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn projections(&self) -> Result<Vec<ProjectionLine>, OfficeError> {
        Ok(self.projections.lines(self.log().head().await?))
    }

    /// Builds a projection anew beside the one in service, and switches to it when it is level.
    ///
    /// # Errors
    /// No projection has this name, an event cannot be read, or the store fails; the one in service then stays.
    pub async fn rebuild(&self, name: &str) -> Result<Rebuilt, OfficeError> {
        if name != REGISTER {
            return Err(OfficeError::NotFound { what: "a projection of this name".to_owned() });
        }
        self.projections.rebuild(&self.records, self.now()).await
    }

    /// Runs the processes to the head; false when another node has them.
    async fn run_processes(&self) -> Result<bool, OfficeError> {
        let _turn = self.turns.processes.lock().await;
        let Some(lease) = self.leases.turn(&**self.log(), Work::Processes).await? else { return Ok(false) };
        match process::run_all(self, &lease).await {
            Err(OfficeError::Log(LogError::Deposed { .. } | LogError::CheckpointMoved { .. })) => {
                self.leases.lost(Work::Processes);
                Ok(false)
            }
            ran => {
                let ended = self.leases.done(&**self.log(), Work::Processes, &lease).await;
                ran?;
                ended?;
                Ok(true)
            }
        }
    }

    /// Whether every process is done with what is awaited, or has stopped. What one of them has recorded by then is
    /// awaited from those that come after it.
    async fn processes_are_past(&self, awaited: &mut Awaited) -> Result<bool, OfficeError> {
        while let Some(process) = awaited.processes.front() {
            let done = self.log().checkpoint(&process.checkpoint()).await?;
            if done < awaited.position && self.records.consumer(&process.to_string()).await?.0.open(done.0).is_none() {
                return Ok(false);
            }
            awaited.processes.pop_front();
            awaited.position = self.log().head().await?;
        }
        Ok(true)
    }
}
