//! Refusals: the expected "no" of a rule, with the facts that forbid and a stable code.

use crate::period::Period;

/// Why a command was refused. The first six codes are fixed by the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// The county has no interview that is required and not yet held.
    #[error("county {county} has no open interview")]
    NoOpenInterview {
        /// The county.
        county: String,
    },
    /// The round was published before.
    #[error("the round {period} is already published; a change takes a revision")]
    RoundAlreadyPublished {
        /// The round.
        period: Period,
    },
    /// An active section is neither completely assessed nor declared (R3).
    #[error(
        "the round {period} is incomplete: {} neither completely assessed nor declared; import the readings or declare \
         the rest",
        listed(sections)
    )]
    RoundIncomplete {
        /// The round.
        period: Period,
        /// The sections, at most the first twenty.
        sections: Vec<String>,
    },
    /// No proposal of that county and year waits for a determination.
    #[error("county {county} has no drafted proposal for {year}")]
    NoDraftedProposal {
        /// The county.
        county: String,
        /// The year.
        year: i16,
    },
    /// The section is in no plan.
    #[error("section {section} is not in the plan")]
    UnknownSection {
        /// The section.
        section: String,
    },
    /// The county is in no plan.
    #[error("county {county} is not in the plan")]
    UnknownCounty {
        /// The county.
        county: String,
    },
    /// No plan is in force for the period.
    #[error("no plan is in force for the period; adopt one first")]
    NoPlanInForce,
    /// The plan cannot be adopted.
    #[error("the plan cannot be adopted: {fault}")]
    UnsoundPlan {
        /// The first fault.
        fault: String,
    },
    /// No declaration of that section and period stands.
    #[error("section {section} has no declaration for {period}")]
    NotDeclared {
        /// The section.
        section: String,
        /// The period.
        period: Period,
    },
    /// The round was not published.
    #[error("the round {period} is not published")]
    RoundNotPublished {
        /// The round.
        period: Period,
    },
    /// A file that cannot be kept with the act.
    #[error("the file `{name}` cannot be attached: {fault}")]
    InvalidAttachment {
        /// The file.
        name: String,
        /// The fault.
        fault: &'static str,
    },
    /// An amount that is not positive, or beyond what can be kept.
    #[error("an amount is a positive number of fen, at most {max}")]
    InvalidAmount {
        /// The largest amount accepted.
        max: i64,
    },
    /// A date that cannot be: an interview held after today or before it was required.
    #[error("{what} cannot be dated {date}: {why}")]
    ImpossibleDate {
        /// The act.
        what: &'static str,
        /// The date given.
        date: jiff::civil::Date,
        /// What forbids it.
        why: &'static str,
    },
    /// A text that must be given is empty or too long.
    #[error("`{field}` must be given, with at most {max} characters")]
    InvalidText {
        /// The field.
        field: &'static str,
        /// The longest text.
        max: usize,
    },
    /// The notice does not exist.
    #[error("notice {notice} does not exist")]
    UnknownNotice {
        /// The notice.
        notice: String,
    },
    /// The notice is not in a state in which the act is possible.
    #[error("a notice that is {state} cannot be {act}")]
    NoticeNotReady {
        /// What was asked.
        act: &'static str,
        /// The state it is in.
        state: &'static str,
    },
    /// The mail does not exist.
    #[error("mail {mail} does not exist")]
    UnknownMail {
        /// The mail.
        mail: String,
    },
    /// The mail is not in a state in which the act is possible.
    #[error("this mail cannot be {act}: {why}")]
    MailNotReady {
        /// What was asked.
        act: &'static str,
        /// What forbids it.
        why: &'static str,
    },
    /// The county has no interview of that round.
    #[error("county {county} has no interview of the round {period}")]
    UnknownInterview {
        /// The county.
        county: String,
        /// The round that raised it.
        period: Period,
    },
    /// No consumer of the log has this name.
    #[error("no consumer is called {consumer}")]
    UnknownConsumer {
        /// The name given.
        consumer: String,
    },
    /// The consumer has not stopped at any event.
    #[error("consumer {consumer} has not stopped; there is nothing to retry or skip")]
    NoOpenIncident {
        /// The consumer.
        consumer: String,
    },
    /// Only the event at which a consumer stopped can be skipped.
    #[error("consumer {consumer} has stopped at event {stopped}, not at {position}; only that one can be skipped")]
    NotTheFailingEvent {
        /// The consumer.
        consumer: String,
        /// The position given.
        position: u64,
        /// Where it stopped.
        stopped: u64,
    },
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// `a`, `b are`; the verb goes with the number.
fn listed(sections: &[String]) -> String {
    let verb = if sections.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", sections.join(", "))
}

/// Longest reason, basis or note, in characters.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// A text that must be given: trimmed, not empty, bounded.
///
/// # Errors
/// The text is empty or longer than [`TEXT_CHARS_MAX`].
pub fn required_text(field: &'static str, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        return Err(Refusal::InvalidText { field, max: TEXT_CHARS_MAX });
    }
    Ok(text.to_owned())
}
