//! A mail message and what became of it for each recipient (R10).
//!
//! An attempt is recorded before it is made. One that was cut short has an unknown outcome unless repeating it cannot
//! make a second message; then a person decides. What is known is never sent again.

mod event;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::refusal::Refusal;

pub use event::{MailEvent, Message, Outcome, RecipientOutcome, queue};

/// Attempts before a deferred message is shown as failed, for a person to try again.
///
/// With the pauses of the mail worker (one minute, doubled up to four hours) they cover about three days: a mail server
/// that breaks down on a Friday evening is back before the mails are given up.
pub const ATTEMPTS_MAX: u32 = 26;

/// Where a message stands for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RecipientState {
    /// Not tried, or to be tried again.
    Queued,
    /// An attempt is under way.
    Trying,
    /// Taken over.
    Accepted {
        /// What the server said.
        reply: String,
    },
    /// To be tried again later.
    Deferred {
        /// What the server said.
        reply: String,
    },
    /// Refused for good, or given up.
    Failed {
        /// What the server said.
        reply: String,
    },
    /// May or may not have been taken over; a person decides.
    Unknown {
        /// What happened.
        what: String,
    },
    /// Not sent.
    Cancelled,
}

/// A message as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The message.
    pub message: Message,
    /// Where it stands, by recipient in the order of `message.to`.
    pub recipients: Vec<(String, RecipientState)>,
    /// Attempts begun.
    pub attempts: u32,
    /// Attempts begun since the last request of a person.
    pub attempts_in_row: u32,
    /// When to try again; none when it may be tried at once.
    pub retry_at: Option<Timestamp>,
}

impl Mail {
    /// The state after an event; `None` before it is queued.
    pub fn evolve(mail: Option<Self>, event: &MailEvent) -> Option<Self> {
        if let MailEvent::MailQueued { message, .. } = event {
            let recipients = message.to.iter().map(|to| (to.clone(), RecipientState::Queued)).collect();
            let message = message.clone();
            return Some(Self { message, recipients, attempts: 0, attempts_in_row: 0, retry_at: None });
        }
        let mut mail = mail?;
        mail.apply(event);
        Some(mail)
    }

    fn apply(&mut self, event: &MailEvent) {
        match event {
            MailEvent::MailQueued { .. } => {}
            MailEvent::TextContinued { text } => self.message.text.push_str(text),
            MailEvent::AttemptStarted { attempt, recipients } => {
                self.attempts = *attempt;
                self.attempts_in_row += 1;
                self.set(recipients, &RecipientState::Trying);
            }
            MailEvent::AttemptEnded { outcomes, retry_at, .. } => {
                for RecipientOutcome { address, outcome } in outcomes {
                    let state = match outcome.clone() {
                        Outcome::Accepted { reply } => RecipientState::Accepted { reply },
                        Outcome::Deferred { reply } if retry_at.is_none() => RecipientState::Failed { reply },
                        Outcome::Deferred { reply } => RecipientState::Deferred { reply },
                        Outcome::Failed { reply } => RecipientState::Failed { reply },
                        Outcome::Unknown { what } => RecipientState::Unknown { what },
                    };
                    self.set(std::slice::from_ref(address), &state);
                }
                self.retry_at = *retry_at;
            }
            MailEvent::OutcomeResolved { recipients, arrived, basis } => {
                let state = match arrived {
                    true => RecipientState::Accepted { reply: basis.clone() },
                    false => RecipientState::Queued,
                };
                self.set(recipients, &state);
                (self.attempts_in_row, self.retry_at) = (0, None);
            }
            MailEvent::RetryRequested { recipients } => {
                self.set(recipients, &RecipientState::Queued);
                (self.attempts_in_row, self.retry_at) = (0, None);
            }
            MailEvent::MailCancelled { .. } => {
                for (_, state) in &mut self.recipients {
                    if matches!(state, RecipientState::Queued | RecipientState::Deferred { .. }) {
                        *state = RecipientState::Cancelled;
                    }
                }
                self.retry_at = None;
            }
        }
    }

    fn set(&mut self, addresses: &[String], new: &RecipientState) {
        for (address, state) in &mut self.recipients {
            if addresses.contains(address) {
                state.clone_from(new);
            }
        }
    }

    fn in_state(&self, wanted: impl Fn(&RecipientState) -> bool) -> Vec<String> {
        self.recipients.iter().filter(|(_, state)| wanted(state)).map(|(address, _)| address.clone()).collect()
    }

    /// The recipients an attempt would be made for.
    pub fn unsettled(&self) -> Vec<String> {
        self.in_state(|state| matches!(state, RecipientState::Queued | RecipientState::Deferred { .. }))
    }

    /// The recipients of an attempt that began and has not ended.
    pub fn trying(&self) -> Vec<String> {
        self.in_state(|state| matches!(state, RecipientState::Trying))
    }

    /// Whether at least one recipient has it.
    pub fn is_accepted(&self) -> bool {
        self.recipients.iter().any(|(_, state)| matches!(state, RecipientState::Accepted { .. }))
    }

    /// When the next attempt is due; none when there is nothing to send.
    pub fn due_at(&self) -> Option<Timestamp> {
        (!self.unsettled().is_empty()).then(|| self.retry_at.unwrap_or(Timestamp::MIN))
    }

    /// Begins an attempt.
    ///
    /// # Errors
    /// Nothing is left to send, or an attempt is under way.
    pub fn start(&self) -> Result<Vec<MailEvent>, Refusal> {
        let recipients = self.unsettled();
        if recipients.is_empty() || !self.trying().is_empty() {
            return Err(Refusal::MailNotReady { act: "sent", why: "no recipient waits for it" });
        }
        Ok(vec![MailEvent::AttemptStarted { attempt: self.attempts + 1, recipients }])
    }

    /// Ends the attempt under way. A deferred recipient is tried again at `retry_at`, or counts as failed once the
    /// attempts are used up.
    ///
    /// # Errors
    /// No attempt is under way.
    pub fn end(&self, outcomes: Vec<RecipientOutcome>, retry_at: Timestamp) -> Result<Vec<MailEvent>, Refusal> {
        if self.trying().is_empty() {
            return Err(Refusal::MailNotReady { act: "ended", why: "no attempt is under way" });
        }
        let deferred = outcomes.iter().any(|outcome| matches!(outcome.outcome, Outcome::Deferred { .. }));
        let retry_at = (deferred && self.attempts_in_row < ATTEMPTS_MAX).then_some(retry_at);
        Ok(vec![MailEvent::AttemptEnded { attempt: self.attempts, outcomes, retry_at }])
    }

    /// What a restart makes of an attempt that was cut short: repeated where that is harmless, else unknown.
    pub fn recover(&self, repeatable: bool) -> Vec<MailEvent> {
        let recipients = self.trying();
        if recipients.is_empty() {
            return vec![];
        }
        if repeatable {
            return vec![MailEvent::RetryRequested { recipients }];
        }
        let unknown = |address: String| {
            let what = "the service stopped during the attempt".to_owned();
            RecipientOutcome { address, outcome: Outcome::Unknown { what } }
        };
        let outcomes = recipients.into_iter().map(unknown).collect();
        vec![MailEvent::AttemptEnded { attempt: self.attempts, outcomes, retry_at: self.retry_at }]
    }

    /// A person tries failed and deferred recipients again.
    ///
    /// # Errors
    /// No recipient has failed or waits; an unknown outcome must be resolved first.
    pub fn retry(&self) -> Result<Vec<MailEvent>, Refusal> {
        let wanted =
            |state: &RecipientState| matches!(state, RecipientState::Failed { .. } | RecipientState::Deferred { .. });
        let recipients = self.in_state(wanted);
        if recipients.is_empty() {
            return Err(Refusal::MailNotReady { act: "retried", why: "no recipient has failed or waits" });
        }
        Ok(vec![MailEvent::RetryRequested { recipients }])
    }

    /// A person says what became of an unknown outcome.
    ///
    /// # Errors
    /// No outcome is unknown.
    pub fn resolve(&self, arrived: bool, basis: String) -> Result<Vec<MailEvent>, Refusal> {
        let recipients = self.in_state(|state| matches!(state, RecipientState::Unknown { .. }));
        if recipients.is_empty() {
            return Err(Refusal::MailNotReady { act: "resolved", why: "no outcome is unknown" });
        }
        Ok(vec![MailEvent::OutcomeResolved { recipients, arrived, basis }])
    }

    /// Does not send what was not taken over yet.
    pub fn cancel(&self, reason: &str) -> Vec<MailEvent> {
        let waiting = !self.unsettled().is_empty() && self.trying().is_empty();
        if waiting { vec![MailEvent::MailCancelled { reason: reason.to_owned() }] } else { vec![] }
    }

    /// How many recipients stand where, for lists.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (_, state) in &self.recipients {
            let word = match state {
                RecipientState::Queued => "queued",
                RecipientState::Trying => "trying",
                RecipientState::Accepted { .. } => "accepted",
                RecipientState::Deferred { .. } => "deferred",
                RecipientState::Failed { .. } => "failed",
                RecipientState::Unknown { .. } => "unknown",
                RecipientState::Cancelled => "cancelled",
            };
            *counts.entry(word).or_insert(0) += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests;
