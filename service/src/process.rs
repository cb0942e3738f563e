//! Process managers: each reads the log after its checkpoint and appends what follows.
//!
//! They run under one lease, so on one node at a time; another node takes over when that one is gone. A process that
//! cannot get past an event stops there, visibly, and the others go on. A step answers all that one batch asks of the
//! process, and is a batch itself: the warnings of a round are raised together. Its id and idempotency key come from the
//! events it answers, and it adds only what is not recorded yet, so a step that is taken again after a crash, in other
//! company or by another node records nothing twice. The checkpoint moves only after the step is durable. None of them
//! sends anything: the mail worker does, from what they queue.

mod compensation;
mod dispatch;
mod drafting;
mod escalation;
mod run;
mod settlement;
mod stops;

use std::collections::HashSet;
use std::ops::ControlFlow;

use bishui_domain::county::CountyEvent;
use bishui_domain::event::Event;
use bishui_domain::ids::CountyId;
use bishui_infra::codec::{self, CodecError};
use bishui_infra::event_log::{EventLog, EventRef, Position, Recorded};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator};

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::Draft;

pub(crate) use run::run_all;
pub(crate) use stops::Stops;

/// The process managers, in the order in which they are given a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter, EnumString, Display)]
#[strum(serialize_all = "snake_case")]
pub enum Process {
    /// Raises notices, interviews and proposals from a county's record (R4–R6, R8).
    Escalation,
    /// Charges and reverses (R7, R8).
    Compensation,
    /// Drafts notices from what escalation raised, and approves them where the plan says so (R9).
    Drafting,
    /// Queues the mail of approved notices and reminders, and records what was sent (R9, R10).
    Dispatch,
    /// Keeps ordered settlements level with the record (R7).
    Settlement,
}

impl Process {
    /// The name of its checkpoint, which is also the actor of its steps.
    pub(crate) fn checkpoint(self) -> String {
        format!("process/{self}")
    }

    /// Adds to a draft what these events of one batch call for.
    async fn step(self, office: &Office, causes: &[&Recorded], draft: &mut Draft) -> Result<(), OfficeError> {
        match self {
            Self::Escalation => escalation::step(office, causes, draft).await,
            Self::Compensation => compensation::step(office, causes, draft).await,
            Self::Drafting => drafting::step(office, causes, draft).await,
            Self::Dispatch => dispatch::step(office, causes, draft).await,
            Self::Settlement => settlement::step(office, causes, draft).await,
        }
    }

    /// Whether events of this type can call for a step; the others are passed over unread.
    fn concerns(self, kind: &str) -> bool {
        let (family, name) = kind.split_once('.').unwrap_or_default();
        match self {
            Self::Escalation | Self::Compensation => family == "county",
            Self::Drafting => matches!(family, "county" | "notice"),
            Self::Dispatch => matches!(family, "notice" | "mail"),
            Self::Settlement => match family {
                "section" => matches!(name, "section_declared" | "declaration_withdrawn"),
                family => matches!(family, "settlement" | "compensation" | "readings" | "plan"),
            },
        }
    }
}

/// The next `most` events after a position and up to another whose type is `wanted`, and how far the log was looked
/// through. Only these are copied out of the store: a round of many sections is mostly readings and assessments that
/// nobody waits for.
pub(crate) async fn select(
    log: &dyn EventLog,
    (after, until): (Position, Position),
    most: usize,
    wanted: impl Fn(&str) -> bool + Send + Sync,
) -> Result<(Vec<Recorded>, Position), OfficeError> {
    let (mut selected, mut last) = (Vec::new(), after);
    let mut visit = |event: EventRef<'_>| {
        last = event.position;
        if wanted(event.kind) {
            selected.push(event.to_recorded());
        }
        if selected.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    log.replay(after, until, &mut visit).await?;
    Ok((selected, last))
}

/// The counties that events of a `wanted` kind stand in, each once: a step reads the whole record of a county.
fn counties_of(causes: &[&Recorded], wanted: impl Fn(&CountyEvent) -> bool) -> Result<Vec<CountyId>, OfficeError> {
    let (mut counties, mut streams) = (Vec::new(), HashSet::new());
    for &cause in causes {
        if !streams.contains(&cause.stream)
            && let Event::County(event) = codec::decode(cause)?
            && wanted(&event)
        {
            counties.push(county_of(cause)?);
            streams.insert(&cause.stream);
        }
    }
    Ok(counties)
}

/// The county whose stream an event stands in.
fn county_of(cause: &Recorded) -> Result<CountyId, OfficeError> {
    Ok(cause.stream.key().parse().map_err(|_| CodecError::unreadable(cause))?)
}

/// How far each process is behind the head, in events.
///
/// # Errors
/// A failure of the store.
pub async fn lag(office: &Office) -> Result<Vec<(Process, u64)>, OfficeError> {
    let head = office.log().head().await?;
    let mut lags = Vec::new();
    for process in Process::iter() {
        let Position(done) = office.log().checkpoint(&process.checkpoint()).await?;
        lags.push((process, head.0.saturating_sub(done)));
    }
    Ok(lags)
}
