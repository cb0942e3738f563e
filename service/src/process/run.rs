//! Turns of the processes: each is taken along the log from its checkpoint, and stops at an event it cannot get past.

use bishui_domain::consumer::{ConsumerEvent, ConsumerFile, Stop};
use bishui_infra::event_log::{Batch, Idempotency, Lease, LogError, Position, Recorded};
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::{Process, select};
use crate::error::OfficeError;
use crate::incident::in_words;
use crate::office::Office;
use crate::records::{Draft, stream};

/// Events a process reads at a time.
const PAGE: usize = 500;
/// Times a step is decided again when another writer was first.
const ATTEMPTS_MAX: usize = 20;
/// Times a step that answers several events is decided again, before each is answered by itself.
const ATTEMPTS_TOGETHER: usize = 3;

/// Gives every process its turn until none has anything left to do. A process that stops at an event does not hold up
/// the others.
pub(crate) async fn run_all(office: &Office, lease: &Lease) -> Result<(), OfficeError> {
    loop {
        let mut progressed = false;
        for process in Process::iter() {
            progressed |= Turn { office, process, lease }.run().await?;
        }
        if !progressed {
            return Ok(());
        }
    }
}

/// A turn of one process, under the lease that its batches carry. The checkpoint carries none: whoever moves it has
/// recorded the steps before it under a lease, and a node that finds it moved stops and reads it again.
#[derive(Clone, Copy)]
struct Turn<'a> {
    office: &'a Office,
    process: Process,
    lease: &'a Lease,
}

impl Turn<'_> {
    /// Takes the process to the end of the log, or to the event it cannot get past; true when it came further.
    async fn run(self) -> Result<bool, OfficeError> {
        let log = self.office.log();
        let name = self.process.checkpoint();
        let mut done = log.checkpoint(&name).await?;
        let mut progressed = false;
        loop {
            let stopped = self.office.stops.of(self.process).is_some_and(|tried| tried.position.0 == done.0 + 1);
            let most = if stopped { 1 } else { PAGE };
            let (causes, last) =
                select(log.as_ref(), (done, Position(u64::MAX)), most, |kind| self.process.concerns(kind)).await?;
            if last == done {
                return Ok(progressed);
            }
            let reached = self.pass(&causes, last).await?;
            if reached > done {
                log.move_checkpoint(&name, done, reached).await?;
                (done, progressed) = (reached, true);
            }
            if reached < last {
                return Ok(progressed);
            }
        }
    }

    /// Takes the steps that these events, all it is concerned with up to `last`, call for; gives the last position it is
    /// done with.
    async fn pass(self, causes: &[Recorded], last: Position) -> Result<Position, OfficeError> {
        let Self { office, process, .. } = self;
        let (file, _) = office.records.consumer(&process.to_string()).await?;
        let causes: Vec<_> = causes.iter().filter(|cause| !file.skips(cause.position.0)).collect();
        for of_one_batch in causes.chunk_by(|one, next| one.batch == next.batch) {
            if self.answer_together(of_one_batch).await? {
                continue;
            }
            for cause in of_one_batch {
                if !self.answer(cause, &file).await? {
                    return Ok(Position(cause.position.0 - 1));
                }
            }
        }
        if office.stops.of(process).is_some_and(|tried| tried.position <= last) {
            office.stops.passed(process);
        }
        Ok(last)
    }

    /// Answers the events of one batch in one step; false where that cannot be, and each is answered by itself, so that
    /// the one it cannot get past is known.
    async fn answer_together(self, causes: &[&Recorded]) -> Result<bool, OfficeError> {
        if causes.len() < 2 || self.office.stops.of(self.process).is_some() {
            return Ok(false);
        }
        match self.take_step(causes, ATTEMPTS_TOGETHER).await {
            Err(error) if error.lies_in_the_event() => Ok(false),
            taken => taken,
        }
    }

    /// Answers an event; false when the process has stopped at it.
    async fn answer(self, cause: &Recorded, file: &ConsumerFile) -> Result<bool, OfficeError> {
        let Self { office, process, .. } = self;
        if !office.stops.may_try(process, cause.position, file.retries, office.now()) {
            return Ok(false);
        }
        match self.take_step(&[cause], ATTEMPTS_MAX).await {
            Ok(true) => Ok(true),
            Ok(false) => {
                let position = cause.position;
                let what =
                    format!("other writers were first at every attempt of process {process} at event {position}");
                Err(LogError::Unavailable { what, source: None }.into())
            }
            Err(error) if error.lies_in_the_event() => {
                self.stop(cause, file, &error).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Records once that the process cannot get past an event, and when it is tried again.
    async fn stop(self, cause: &Recorded, file: &ConsumerFile, error: &OfficeError) -> Result<(), OfficeError> {
        let Self { office, process, lease } = self;
        office.stops.failed(process, cause.position, file.retries, office.now());
        let Position(position) = cause.position;
        if file.stopped.as_ref().is_some_and(|stop| stop.position == position) {
            return Ok(());
        }
        tracing::error!(error = error as &dyn std::error::Error, %process, position, "a process has stopped at an event");
        let (event, kind, code) = (cause.id, cause.kind.clone(), error.code().to_owned());
        let stream = cause.stream.as_str().to_owned();
        let stop = Stop { position, event, kind, stream, code, error: in_words(error) };
        let name = process.to_string();
        let (_, version) = office.records.consumer(&name).await?;
        let mut draft = Draft::default();
        draft.write(stream::consumer(&name), version, [ConsumerEvent::ConsumerStopped(stop)]);
        let batch = Batch {
            id: Uuid::new_v5(&cause.id, format!("{process}/stopped").as_bytes()),
            recorded_at: office.now(),
            // Not the actor of a step: a stop does not answer its event.
            actor: format!("consumer/{process}"),
            causation: Some(cause.id),
            correlation: cause.correlation,
            idempotency: Some(Idempotency { key: format!("stopped/{process}/{}", cause.id), request: cause.id }),
            lease: Some(lease.clone()),
            writes: draft.into_writes(),
        };
        match office.log().append(batch).await {
            // A person asked for something meanwhile: the next attempt records the stop.
            Ok(_) | Err(LogError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Records the step that answers these events of one batch; false when other writers were first at every attempt.
    async fn take_step(self, causes: &[&Recorded], attempts: usize) -> Result<bool, OfficeError> {
        let Self { office, process, lease } = self;
        let (Some(first), Some(last)) = (causes.first(), causes.last()) else { return Ok(true) };
        // The step that answers one event is known by that event alone.
        let name = if causes.len() == 1 { process.to_string() } else { format!("{process}/{}", first.id) };
        let id = Uuid::new_v5(&last.id, name.as_bytes());
        let key = format!("process/{name}/{}", last.id);
        for _ in 0..attempts {
            let mut draft = Draft::default();
            process.step(office, causes, &mut draft).await?;
            if draft.is_empty() {
                return Ok(true);
            }
            let batch = Batch {
                id,
                recorded_at: office.now(),
                actor: process.checkpoint(),
                causation: Some(last.id),
                correlation: last.correlation,
                idempotency: Some(Idempotency { key: key.clone(), request: last.id }),
                lease: Some(lease.clone()),
                writes: draft.into_writes(),
            };
            match office.log().append(batch).await {
                Ok(appended) => {
                    let (first, last, correlation) = (appended.first.0, appended.last.0, last.correlation);
                    tracing::info!(%process, causes = causes.len(), ?correlation, first, last, "a step is recorded");
                    return Ok(true);
                }
                Err(LogError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}
