//! Replay (R13): every recorded decision derived again from the recorded facts and rule sets.
//!
//! The log is read once, in order. Facts (plans, readings, declarations, meetings, payments) are taken as they stand;
//! each decision (assessments, verdicts, notices, interviews, proposals, charges, settlements, document numbers) must be
//! exactly what today's program decides at that place. Nothing is written and nothing is sent. A step that a person had a
//! process skip is no difference: it is listed with its reason.

mod decisions;
mod state;

use std::ops::ControlFlow;

use bishui_domain::consumer::Skip;
use bishui_domain::event::Event;
use bishui_domain::parts::InParts;
use bishui_infra::codec::{self, CodecError};
use bishui_infra::event_log::{EventLog, EventRef, Position, Recorded};
use jiff::Timestamp;
use serde::Serialize;

use crate::error::OfficeError;
use crate::process::Process;
use state::{Place, State};

/// Differences listed in a report; more are counted.
const LISTED_MAX: usize = 100;

/// A recorded decision that the facts do not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where it stands; for a decision that is missing, the fact after which it should stand.
    pub position: Position,
    /// The stream.
    pub stream: String,
    /// The type of the recorded event.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the facts give, as JSON; none when nothing should stand there.
    pub expected: Option<String>,
    /// What is recorded; none when it is missing.
    pub recorded: Option<String>,
}

/// An event that a person had a consumer skip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The consumer.
    pub consumer: String,
    /// The event it skipped.
    pub position: Position,
    /// The type of that event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The stream of that event.
    pub stream: String,
    /// Why.
    pub reason: String,
    /// Who decided it.
    pub actor: String,
    /// When.
    pub recorded_at: Timestamp,
}

/// The result of a replay.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Events read.
    pub events: u64,
    /// Decisions derived again.
    pub decisions: u64,
    /// Differences found.
    pub differing: u64,
    /// The first of them, in order.
    pub differences: Vec<Difference>,
    /// Events that a person had a consumer skip.
    pub skipped: Vec<Skipped>,
    /// Decisions that are missing for that reason, and are not counted as differing.
    pub left_out: u64,
}

impl Replayed {
    fn differ(&mut self, difference: Difference) {
        self.differing += 1;
        if self.differences.len() < LISTED_MAX {
            self.differences.push(difference);
        }
    }

    fn skip(&mut self, recorded: &EventRef<'_>, skip: &Skip) {
        self.skipped.push(Skipped {
            consumer: recorded.key().to_owned(),
            position: Position(skip.position),
            kind: skip.kind.clone(),
            stream: skip.stream.clone(),
            reason: skip.reason.clone(),
            actor: recorded.actor.to_owned(),
            recorded_at: recorded.recorded_at,
        });
    }

    /// The positions that a process was had to skip.
    fn skips(&self, process: Process) -> impl Iterator<Item = Position> {
        let name = process.to_string();
        self.skipped.iter().filter(move |skipped| skipped.consumer == name).map(|skipped| skipped.position)
    }

    /// Compares a recorded decision with what the facts give.
    fn compare(&mut self, recorded: &EventRef<'_>, expected: Option<&Event>, event: &Event) {
        self.decisions += 1;
        if expected != Some(event) {
            self.differ(Difference {
                position: recorded.position,
                stream: recorded.stream.to_owned(),
                kind: recorded.kind.to_owned(),
                expected: expected.map(|event| codec::encode(event).payload),
                recorded: Some(recorded.payload.to_owned()),
            });
        }
    }

    /// Notes decisions that the facts up to `after` give and that are not recorded.
    fn missing(&mut self, after: &Place, expected: &Event) {
        let encoded = codec::encode(expected);
        self.differ(Difference {
            position: after.position,
            stream: after.stream.clone(),
            kind: encoded.kind,
            expected: Some(encoded.payload),
            recorded: None,
        });
    }
}

/// Replays a log up to its head; `progress` is told how far it has come.
///
/// # Errors
/// The log cannot be read, or holds an event that is none of this program's.
pub async fn replay(log: &dyn EventLog, mut progress: impl FnMut(Position) + Send) -> Result<Replayed, OfficeError> {
    /// Events after which the progress is told.
    const TELL: u64 = 1_000;
    let mut pass = Pass::default();
    let mut visit = |event: EventRef<'_>| {
        pass.visit(event);
        if pass.replayed.events.is_multiple_of(TELL) {
            progress(event.position);
        }
        ControlFlow::Continue(())
    };
    log.replay(Position(0), Position(u64::MAX), &mut visit).await?;
    let Pass { mut state, mut replayed, unread, .. } = pass;
    let known = |position| replayed.skipped.iter().any(|skipped| skipped.position == position);
    if let Some((_, error)) = unread.into_iter().find(|(position, _)| !known(*position)) {
        return Err(error.into());
    }
    decisions::check_nothing_is_missing(&mut state, &mut replayed);
    // What is missing shows only when something else stands in its place; the report is in the order of the log.
    replayed.differences.sort_by_key(|difference| difference.position);
    Ok(replayed)
}

/// A pass over the log.
#[derive(Default)]
struct Pass {
    state: State,
    replayed: Replayed,
    /// Events that cannot be read. Whether a person had them skipped stands further on in the log.
    unread: Vec<(Position, CodecError)>,
    /// The event whose parts are being read.
    arriving: Option<(Recorded, Event)>,
}

impl Pass {
    fn visit(&mut self, recorded: EventRef<'_>) {
        self.replayed.events += 1;
        match codec::decode(recorded) {
            Ok(event) => self.arrive(recorded, event),
            Err(error) => self.unread.push((recorded.position, error)),
        }
    }

    /// Checks an event once all its parts are there: they stand right after it, in its batch. One whose parts are not
    /// all there counts for nothing, so that what it decided is missing.
    fn arrive(&mut self, recorded: EventRef<'_>, event: Event) {
        let event = match self.arriving.take() {
            Some((first, mut whole)) => match whole.join(event) {
                Ok(()) if whole.parts() > 0 => {
                    self.arriving = Some((first, whole));
                    return;
                }
                Ok(()) => {
                    let first = Recorded { payload: codec::encode(&whole).payload, ..first };
                    return self.check(EventRef::from(&first), &whole);
                }
                Err(other) => other,
            },
            None => event,
        };
        if event.parts() > 0 {
            self.arriving = Some((recorded.to_recorded(), event));
        } else {
            self.check(recorded, &event);
        }
    }

    fn check(&mut self, recorded: EventRef<'_>, event: &Event) {
        decisions::check(&mut self.state, &mut self.replayed, &recorded, event);
        self.state.take(&recorded, event);
    }
}
