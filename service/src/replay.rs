//! Replay (R13): every recorded decision derived again from the recorded facts and rule sets.
//!
//! The log is read once, in order. Facts (plans, readings, declarations, meetings, payments) are taken as they stand;
//! each decision (assessments, verdicts, notices, interviews, proposals, charges, settlements, document numbers) must be
//! exactly what today's program decides at that place. Nothing is written and nothing is sent. A step that a person had a
//! process skip is no difference: it is listed with its reason.

mod decisions;
mod state;

use bishui_domain::consumer::Skip;
use bishui_domain::event::Event;
use bishui_domain::parts::InParts;
use bishui_infra::codec;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use jiff::Timestamp;
use serde::Serialize;

use crate::error::OfficeError;
use crate::process::Process;
use state::State;

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

    fn skip(&mut self, recorded: &Recorded, skip: &Skip) {
        self.skipped.push(Skipped {
            consumer: recorded.stream.key().to_owned(),
            position: Position(skip.position),
            kind: skip.kind.clone(),
            stream: skip.stream.clone(),
            reason: skip.reason.clone(),
            actor: recorded.actor.clone(),
            recorded_at: recorded.recorded_at,
        });
    }

    /// The positions that a process was had to skip.
    fn skips(&self, process: Process) -> impl Iterator<Item = Position> {
        let name = process.to_string();
        self.skipped.iter().filter(move |skipped| skipped.consumer == name).map(|skipped| skipped.position)
    }

    /// Compares a recorded decision with what the facts give.
    fn compare(&mut self, recorded: &Recorded, expected: Option<&Event>, event: &Event) {
        self.decisions += 1;
        if expected != Some(event) {
            self.differ(Difference {
                position: recorded.position,
                stream: recorded.stream.as_str().to_owned(),
                kind: recorded.kind.clone(),
                expected: expected.map(|event| codec::encode(event).payload),
                recorded: Some(recorded.payload.clone()),
            });
        }
    }

    /// Notes decisions that the facts up to `after` give and that are not recorded.
    fn missing(&mut self, after: &Recorded, expected: &Event) {
        let encoded = codec::encode(expected);
        self.differ(Difference {
            position: after.position,
            stream: after.stream.as_str().to_owned(),
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
pub async fn replay(log: &dyn EventLog, mut progress: impl FnMut(Position)) -> Result<Replayed, OfficeError> {
    const PAGE: usize = 1_000;
    let (mut state, mut replayed) = (State::default(), Replayed::default());
    let mut after = Position(0);
    let (mut unread, mut arriving) = (Vec::new(), None);
    loop {
        let page = log.read_all(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for recorded in page {
            replayed.events += 1;
            match codec::decode(&recorded) {
                Ok(event) => {
                    if let Some((recorded, event)) = arrive(&mut arriving, recorded, event) {
                        decisions::check(&mut state, &mut replayed, &recorded, &event);
                        state.take(&recorded, &event);
                    }
                }
                // Whether a person had it skipped stands further on in the log.
                Err(error) => unread.push((recorded.position, error)),
            }
        }
        progress(after);
    }
    let known = |position| replayed.skipped.iter().any(|skipped| skipped.position == position);
    if let Some((_, error)) = unread.into_iter().find(|(position, _)| !known(*position)) {
        return Err(error.into());
    }
    decisions::check_nothing_is_missing(&mut state, &mut replayed);
    // What is missing shows only when something else stands in its place; the report is in the order of the log.
    replayed.differences.sort_by_key(|difference| difference.position);
    Ok(replayed)
}

/// An event once all its parts are there: they stand right after it, in its batch. One whose parts are not all there
/// counts for nothing, so that what it decided is missing.
fn arrive(arriving: &mut Option<(Recorded, Event)>, recorded: Recorded, event: Event) -> Option<(Recorded, Event)> {
    let (first, whole) = match arriving.take() {
        Some((first, mut whole)) => match whole.join(event) {
            Ok(()) => (Recorded { payload: codec::encode(&whole).payload, ..first }, whole),
            Err(other) => (recorded, other),
        },
        None => (recorded, event),
    };
    if whole.parts() == 0 {
        return Some((first, whole));
    }
    *arriving = Some((first, whole));
    None
}
