//! Incidents: consumers of the log that cannot get past an event, shown until they are past it.

use std::fmt;
use std::str::FromStr;

use bishui_domain::consumer::{self, ConsumerEvent, Stop};
use bishui_domain::refusal::Refusal;
use bishui_infra::event_log::{Position, StreamVersion};
use jiff::Timestamp;
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::OfficeError;
use crate::office::Office;
use crate::process::Process;
use crate::projection;
use crate::records::{Draft, stream};

/// Most characters of a failure that are kept.
const ERROR_CHARS_MAX: usize = 2_000;

/// Whatever follows the log event by event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// A process manager; its stops are recorded.
    Process(Process),
    /// The register, which every node builds for itself; its stops are found again at each start.
    Register,
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(process) => process.fmt(f),
            Self::Register => f.write_str(projection::REGISTER),
        }
    }
}

impl FromStr for Consumer {
    type Err = Refusal;

    fn from_str(name: &str) -> Result<Self, Refusal> {
        if name == projection::REGISTER {
            return Ok(Self::Register);
        }
        let known = name.parse().map(Self::Process);
        known.map_err(|_| Refusal::UnknownConsumer { consumer: name.chars().take(100).collect() })
    }
}

/// A consumer that cannot get past an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Incident {
    /// The consumer.
    pub consumer: String,
    /// The event it cannot get past.
    #[schema(value_type = u64)]
    pub position: Position,
    /// The event's id.
    #[schema(value_type = String)]
    pub event: Uuid,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event's stream.
    pub stream: String,
    /// Stable code of the failure.
    pub code: String,
    /// The failure with its causes.
    pub error: String,
    /// Since when; none where this cannot be read.
    #[schema(value_type = Option<String>)]
    pub since: Option<Timestamp>,
    /// Attempts made by the node that answers.
    pub attempts: u32,
    /// When that node tries again; none where another node does, or at every look.
    #[schema(value_type = Option<String>)]
    pub next_attempt_at: Option<Timestamp>,
}

/// An error with its causes, bounded.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words.chars().take(ERROR_CHARS_MAX).collect()
}

impl Office {
    /// The consumers that cannot get past an event, in the order of their turns; the register last.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn incidents(&self) -> Result<Vec<Incident>, OfficeError> {
        let mut incidents = Vec::new();
        for process in Process::iter() {
            let Some((stop, since)) = self.stop_of(process).await? else { continue };
            let tried = self.stops.of(process).filter(|tried| tried.position.0 == stop.position);
            incidents.push(Incident {
                since,
                attempts: tried.map_or(0, |tried| tried.attempts),
                next_attempt_at: tried.map(|tried| tried.next),
                ..incident(process.to_string(), stop)
            });
        }
        incidents.extend(self.projections.incident());
        Ok(incidents)
    }

    /// Fails if a consumer has stopped: for those who need everything to have been followed through.
    ///
    /// # Errors
    /// The first consumer that has stopped, or a failure of the store.
    pub async fn check_no_consumer_has_stopped(&self) -> Result<(), OfficeError> {
        match self.incidents().await?.into_iter().next() {
            None => Ok(()),
            Some(Incident { consumer, position, error, .. }) => Err(OfficeError::Stopped { consumer, position, error }),
        }
    }

    /// Has a stopped consumer try again at once.
    pub(crate) async fn retry_consumer(&self, name: &str) -> Result<Draft, OfficeError> {
        self.act_on_stopped(name, |open| consumer::retry(name, open)).await
    }

    /// Has a stopped consumer skip the event it stopped at.
    pub(crate) async fn skip_event(&self, name: &str, at: Position, reason: &str) -> Result<Draft, OfficeError> {
        self.act_on_stopped(name, |open| consumer::skip(name, open, at.0, reason)).await
    }

    async fn act_on_stopped(
        &self,
        name: &str,
        decide: impl FnOnce(Option<&Stop>) -> Result<Vec<ConsumerEvent>, Refusal>,
    ) -> Result<Draft, OfficeError> {
        let known = name.parse()?;
        let (_, version) = self.records.consumer(name).await?;
        let open = match known {
            Consumer::Process(process) => self.stop_of(process).await?.map(|(stop, _)| stop),
            Consumer::Register => self.projections.stop(),
        };
        let mut draft = Draft::default();
        draft.write(stream::consumer(name), version, decide(open.as_ref())?);
        Ok(draft)
    }

    /// Where a process stopped and since when, if that is not over.
    async fn stop_of(&self, process: Process) -> Result<Option<(Stop, Option<Timestamp>)>, OfficeError> {
        let Position(done) = self.log().checkpoint(&process.checkpoint()).await?;
        let name = process.to_string();
        let (file, _) = self.records.consumer(&name).await?;
        let Some(stop) = file.open(done) else { return Ok(None) };
        let events = self.records.events(&stream::consumer(&name), StreamVersion(0)).await?;
        let recorded = events.iter().rev().find(|event| event.causation == Some(stop.event));
        Ok(Some((stop.clone(), recorded.map(|event| event.recorded_at))))
    }
}

/// An incident that nobody has tried yet.
pub(crate) fn incident(consumer: String, stop: Stop) -> Incident {
    let Stop { position, event, kind, stream, code, error } = stop;
    let (position, since, attempts, next_attempt_at) = (Position(position), None, 0, None);
    Incident { consumer, position, event, kind, stream, code, error, since, attempts, next_attempt_at }
}
