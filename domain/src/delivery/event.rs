//! A message, what happens to it, and how it is queued (R10).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CountyId, NoticeId};
use crate::notice::NoticeKind;
use crate::parts::{InParts, text_in_parts};
use crate::period::Period;

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientOutcome {
    /// The recipient as it was given.
    pub address: String,
    /// What became of the message.
    pub outcome: Outcome,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// Taken over; never send it again.
    Accepted {
        /// What the server said.
        reply: String,
    },
    /// Certainly not taken over; try again later.
    Deferred {
        /// What the server said, or what failed.
        reply: String,
    },
    /// Refused for good; trying again changes nothing.
    Failed {
        /// What the server said, or what is wrong with the message or the address.
        reply: String,
    },
    /// The message was sent to its end and no reply came: it may or may not have been taken over.
    Unknown {
        /// What happened instead of a reply.
        what: String,
    },
}

impl Outcome {
    /// What the server said or what happened.
    pub fn text(&self) -> &str {
        match self {
            Self::Accepted { reply: text }
            | Self::Deferred { reply: text }
            | Self::Failed { reply: text }
            | Self::Unknown { what: text } => text,
        }
    }
}

/// A message: what it belongs to and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The notice it carries.
    pub notice: NoticeId,
    /// What the notice is.
    pub kind: NoticeKind,
    /// True for a reminder of the notice.
    pub reminder: bool,
    /// The county it is about.
    pub county: CountyId,
    /// The round, where there is one.
    pub period: Option<Period>,
    /// Its Message-ID, the same for every attempt.
    pub message_id: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

/// Events of a message's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailEvent {
    /// It is to be sent.
    MailQueued {
        /// The message, without the text of the parts that follow.
        #[serde(flatten)]
        message: Message,
        /// Parts that follow with the rest of its text.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Text of the message that was just queued, after what it has.
    TextContinued {
        /// The text.
        text: String,
    },
    /// An attempt begins.
    AttemptStarted {
        /// Its number, from 1.
        attempt: u32,
        /// The recipients that are not settled.
        recipients: Vec<String>,
    },
    /// The attempt has ended.
    AttemptEnded {
        /// Its number.
        attempt: u32,
        /// The outcome for each of its recipients.
        outcomes: Vec<RecipientOutcome>,
        /// When to try again, if something is deferred.
        retry_at: Option<Timestamp>,
    },
    /// A person has found out what became of an unknown outcome.
    OutcomeResolved {
        /// The recipients it holds for.
        recipients: Vec<String>,
        /// Whether the message arrived; if not, it is sent again.
        arrived: bool,
        /// How that is known.
        basis: String,
    },
    /// A person wants failed or deferred recipients tried again now.
    RetryRequested {
        /// The recipients.
        recipients: Vec<String>,
    },
    /// The notice was withdrawn before the message was taken over: it is not sent.
    MailCancelled {
        /// Why.
        reason: String,
    },
}

/// Queues a message.
pub fn queue(mut message: Message) -> Vec<MailEvent> {
    let text = std::mem::take(&mut message.text);
    let first = |text, parts| MailEvent::MailQueued { message: Message { text, ..message }, parts };
    text_in_parts(text, first, |text| MailEvent::TextContinued { text })
}

impl InParts for MailEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::MailQueued { parts, .. } => *parts,
            Self::TextContinued { .. }
            | Self::AttemptStarted { .. }
            | Self::AttemptEnded { .. }
            | Self::OutcomeResolved { .. }
            | Self::RetryRequested { .. }
            | Self::MailCancelled { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (Self::MailQueued { message, parts }, Self::TextContinued { text }) if *parts > 0 => {
                message.text.push_str(&text);
                *parts -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}
