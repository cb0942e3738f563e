//! Consumers of the log that cannot get past an event: where each stopped, and which events a person let it pass over.
//!
//! A consumer never passes over an event by itself. It stops there, which is recorded once, and goes on when a later
//! attempt succeeds or when a person has it skip exactly this event, for a reason that stays in the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::{Refusal, required_text};

/// Where a consumer stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Position of the event it cannot get past.
    pub position: u64,
    /// Id of the event.
    pub event: Uuid,
    /// Stored type of the event.
    pub kind: String,
    /// Stream of the event.
    pub stream: String,
    /// Stable code of the failure.
    pub code: String,
    /// The failure with its causes, in words.
    pub error: String,
}

/// An event that a person had a consumer skip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Position of the event.
    pub position: u64,
    /// Id of the event.
    pub event: Uuid,
    /// Stored type of the event.
    pub kind: String,
    /// Stream of the event.
    pub stream: String,
    /// Why.
    pub reason: String,
}

/// What happens to a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConsumerEvent {
    /// It cannot get past an event.
    ConsumerStopped(Stop),
    /// A person asks it to try again at once.
    RetryRequested {
        /// Position of the event it cannot get past.
        position: u64,
    },
    /// A person has it skip the event it cannot get past.
    EventSkipped(Skip),
}

/// A consumer's stops and skips.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ConsumerFile {
    /// Where it stopped last; it may be past that event again.
    pub stopped: Option<Stop>,
    /// The events it skips, by position.
    pub skipped: BTreeMap<u64, Skip>,
    /// How often it was asked to try again.
    pub retries: u64,
}

impl ConsumerFile {
    /// The file after an event.
    #[must_use]
    pub fn evolve(mut self, event: &ConsumerEvent) -> Self {
        match event {
            ConsumerEvent::ConsumerStopped(stop) => self.stopped = Some(stop.clone()),
            ConsumerEvent::RetryRequested { .. } => self.retries += 1,
            ConsumerEvent::EventSkipped(skip) => {
                self.skipped.insert(skip.position, skip.clone());
            }
        }
        self
    }

    /// Whether the consumer passes over the event at `position`.
    pub fn skips(&self, position: u64) -> bool {
        self.skipped.contains_key(&position)
    }

    /// The stop that is not over, for a consumer that is done with everything up to `done`.
    pub fn open(&self, done: u64) -> Option<&Stop> {
        self.stopped.as_ref().filter(|stop| stop.position > done && !self.skips(stop.position))
    }
}

/// Asks a consumer to try again; `open` is where it stopped.
///
/// # Errors
/// It has not stopped.
pub fn retry(consumer: &str, open: Option<&Stop>) -> Result<Vec<ConsumerEvent>, Refusal> {
    let stop = open.ok_or_else(|| Refusal::NoOpenIncident { consumer: consumer.to_owned() })?;
    Ok(vec![ConsumerEvent::RetryRequested { position: stop.position }])
}

/// Has a consumer skip the event at `position`, which must be the one it stopped at; `open` is where it stopped.
///
/// # Errors
/// It has not stopped, it stopped at another event, or no reason is given.
pub fn skip(consumer: &str, open: Option<&Stop>, position: u64, reason: &str) -> Result<Vec<ConsumerEvent>, Refusal> {
    let reason = required_text("reason", reason)?;
    let stop = open.ok_or_else(|| Refusal::NoOpenIncident { consumer: consumer.to_owned() })?;
    if stop.position != position {
        let (consumer, stopped) = (consumer.to_owned(), stop.position);
        return Err(Refusal::NotTheFailingEvent { consumer, position, stopped });
    }
    let Stop { position, event, kind, stream, .. } = stop.clone();
    Ok(vec![ConsumerEvent::EventSkipped(Skip { position, event, kind, stream, reason })])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(position: u64) -> Stop {
        Stop {
            position,
            event: Uuid::from_u128(position.into()),
            kind: "notice.notice_approved".to_owned(),
            stream: "notice/7".to_owned(),
            code: "unknown_notice".to_owned(),
            error: "notice 7 does not exist".to_owned(),
        }
    }

    fn stopped(position: u64) -> ConsumerFile {
        ConsumerFile::default().evolve(&ConsumerEvent::ConsumerStopped(stop(position)))
    }

    #[test]
    fn a_stop_is_open_until_the_consumer_is_past_it() {
        let file = stopped(7);
        assert_eq!(file.open(6), Some(&stop(7)));
        assert_eq!(file.open(7), None);
    }

    #[test]
    fn only_the_event_it_stopped_at_is_skipped_and_only_for_a_reason() {
        let file = stopped(7);
        let refused = Refusal::NotTheFailingEvent { consumer: "dispatch".to_owned(), position: 8, stopped: 7 };
        assert_eq!(skip("dispatch", file.open(6), 8, "reason"), Err(refused));
        let refused = Refusal::InvalidText { field: "reason", max: crate::refusal::TEXT_CHARS_MAX };
        assert_eq!(skip("dispatch", file.open(6), 7, " "), Err(refused));
        let skipped = skip("dispatch", file.open(6), 7, " sent by hand ").unwrap();
        let reason = "sent by hand".to_owned();
        let Stop { position, event, kind, stream, .. } = stop(7);
        assert_eq!(skipped, [ConsumerEvent::EventSkipped(Skip { position, event, kind, stream, reason })]);
        let file = skipped.iter().fold(file, ConsumerFile::evolve);
        assert_eq!((file.skips(6), file.skips(7), file.skips(8)), (false, true, false));
        assert_eq!(file.open(6), None, "a skipped event stops nobody");
    }

    #[test]
    fn a_consumer_that_goes_on_is_neither_tried_again_nor_skips() {
        let refused = Refusal::NoOpenIncident { consumer: "mail".to_owned() };
        assert_eq!(retry("mail", None), Err(refused.clone()));
        assert_eq!(skip("mail", None, 7, "reason"), Err(refused));
        let retried = retry("mail", stopped(7).open(0)).unwrap();
        assert_eq!(retried, [ConsumerEvent::RetryRequested { position: 7 }]);
        assert_eq!(retried.iter().fold(stopped(7), ConsumerFile::evolve).retries, 1);
    }
}
