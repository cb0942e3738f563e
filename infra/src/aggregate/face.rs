//! Domain deciders as aggregates of cqrs-es: those of a stream that decides alone.
//!
//! A face adds no rule and no state of its own. What several streams decide together (a round, a revision, a number
//! with its notice) has none: that library commits one aggregate at a time.

use std::fmt::Debug;

use bishui_domain::delivery::{self, Mail, MailEvent, Message, RecipientOutcome};
use bishui_domain::event::Event;
use bishui_domain::notice::{self, Notice, NoticeCommand, NoticeEvent};
use bishui_domain::plan::book::{PlanBook, PlanCommand, PlanEvent};
use bishui_domain::refusal::Refusal;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;

/// The two functions of a stream that decides alone.
pub trait Decider: Send + Sync + 'static {
    /// The family of its streams.
    const FAMILY: &'static str;
    /// What its events amount to.
    type State: Default;
    /// What is asked of it.
    type Command: Send;
    /// Its events.
    type Event: Into<Event> + Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync;

    /// What follows from a command.
    ///
    /// # Errors
    /// The refusal of a rule.
    fn decide(state: &Self::State, command: Self::Command) -> Result<Vec<Self::Event>, Refusal>;

    /// The state after an event.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
}

/// A decider as an aggregate. It keeps its events, not their sum: so it can be serialised without asking that of the
/// domain's states.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Face<D: Decider> {
    history: Vec<D::Event>,
}

impl<D: Decider> Default for Face<D> {
    fn default() -> Self {
        Self { history: vec![] }
    }
}

impl<D: Decider> Face<D> {
    /// What the events so far amount to.
    pub fn state(&self) -> D::State {
        self.history.iter().fold(D::State::default(), D::evolve)
    }
}

impl<D: Decider> Aggregate for Face<D> {
    const TYPE: &'static str = D::FAMILY;
    type Command = D::Command;
    type Event = Faced<D::Event>;
    type Error = Refusal;
    type Services = ();

    async fn handle(&mut self, command: D::Command, (): &(), sink: &EventSink<Self>) -> Result<(), Refusal> {
        let events = D::decide(&self.state(), command)?;
        for event in events {
            sink.write(Faced(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, Faced(event): Faced<D::Event>) {
        self.history.push(event);
    }
}

/// An event of the domain under the type and version that the codec stores it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faced<E>(pub E);

impl<E> DomainEvent for Faced<E>
where
    E: Into<Event> + Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync,
{
    fn event_type(&self) -> String {
        codec::encode(&self.0.clone().into()).kind
    }

    fn event_version(&self) -> String {
        codec::encode(&self.0.clone().into()).schema.to_string()
    }
}

/// The plan book, stream `plan/book`.
#[derive(Debug)]
pub enum Plans {}

impl Decider for Plans {
    const FAMILY: &'static str = "plan";
    type State = PlanBook;
    type Command = PlanCommand;
    type Event = PlanEvent;

    fn decide(book: &PlanBook, command: PlanCommand) -> Result<Vec<PlanEvent>, Refusal> {
        book.decide(command)
    }

    fn evolve(book: PlanBook, event: &PlanEvent) -> PlanBook {
        book.evolve(event)
    }
}

/// A notice once it is drafted. Its approval under a number belongs to two streams, so the number is the caller's.
#[derive(Debug)]
pub enum Notices {}

impl Decider for Notices {
    const FAMILY: &'static str = "notice";
    type State = Option<Notice>;
    type Command = NoticeCommand;
    type Event = NoticeEvent;

    fn decide(notice: &Option<Notice>, command: NoticeCommand) -> Result<Vec<NoticeEvent>, Refusal> {
        // A command does not know the id it is sent to.
        let unknown = || Refusal::UnknownNotice { notice: "of this id".to_owned() };
        notice::decide(notice.as_ref().ok_or_else(unknown)?, command)
    }

    fn evolve(notice: Option<Notice>, event: &NoticeEvent) -> Option<Notice> {
        Notice::evolve(notice, event)
    }
}

/// A mail message.
#[derive(Debug)]
pub enum Mails {}

/// What is done to a mail message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailCommand {
    /// Queue it; a message that is queued stays as it is.
    Queue(Message),
    /// Begin an attempt.
    Start,
    /// End the attempt under way.
    End {
        /// What became of each recipient.
        outcomes: Vec<RecipientOutcome>,
        /// When what is deferred is tried again.
        retry_at: Timestamp,
    },
    /// Settle an attempt that was cut short.
    Recover {
        /// Whether repeating it can never make a second message.
        repeatable: bool,
    },
    /// Try failed and deferred recipients again.
    Retry,
    /// Say what became of an unknown outcome.
    Resolve {
        /// Whether it arrived.
        arrived: bool,
        /// How that is known.
        basis: String,
    },
    /// Do not send what was not taken over yet.
    Cancel {
        /// Why.
        reason: String,
    },
}

impl Decider for Mails {
    const FAMILY: &'static str = "mail";
    type State = Option<Mail>;
    type Command = MailCommand;
    type Event = MailEvent;

    fn decide(mail: &Option<Mail>, command: MailCommand) -> Result<Vec<MailEvent>, Refusal> {
        let Some(mail) = mail else {
            let MailCommand::Queue(message) = command else {
                return Err(Refusal::UnknownMail { mail: "of this id".to_owned() });
            };
            return Ok(delivery::queue(message));
        };
        match command {
            MailCommand::Queue(_) => Ok(vec![]),
            MailCommand::Start => mail.start(),
            MailCommand::End { outcomes, retry_at } => mail.end(outcomes, retry_at),
            MailCommand::Recover { repeatable } => Ok(mail.recover(repeatable)),
            MailCommand::Retry => mail.retry(),
            MailCommand::Resolve { arrived, basis } => mail.resolve(arrived, basis),
            MailCommand::Cancel { reason } => Ok(mail.cancel(&reason)),
        }
    }

    fn evolve(mail: Option<Mail>, event: &MailEvent) -> Option<Mail> {
        Mail::evolve(mail, event)
    }
}

#[cfg(test)]
mod tests;
