//! The acts on a notice, and the table of states in which each is possible (R9).

use jiff::civil::Date;

use super::{DocumentNumber, DutyDeadline, Notice, NoticeEvent, NoticeState};
use crate::attachment::{self, Attachment};
use crate::refusal::Refusal;

/// What is done to a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeCommand {
    /// Approve it under this number.
    Approve {
        /// The number.
        number: DocumentNumber,
    },
    /// Record that it was sent.
    Send {
        /// The day.
        on: Date,
        /// What is due, and when.
        duties: Vec<DutyDeadline>,
    },
    /// Start a duty.
    SetDuty {
        /// What is due, and when.
        duty: DutyDeadline,
    },
    /// Acknowledge it.
    Acknowledge {
        /// The day.
        on: Date,
        /// Who signed.
        signed_by: String,
    },
    /// Answer it.
    Answer {
        /// The day.
        on: Date,
        /// The report's summary.
        summary: String,
        /// The files that came with it.
        attachments: Vec<Attachment>,
    },
    /// Close it.
    Close {
        /// Why.
        note: String,
    },
    /// Withdraw it.
    Withdraw {
        /// Why.
        reason: String,
    },
}

impl NoticeCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approved",
            Self::Send { .. } => "sent",
            Self::SetDuty { .. } => "given a duty",
            Self::Acknowledge { .. } => "acknowledged",
            Self::Answer { .. } => "answered",
            Self::Close { .. } => "closed",
            Self::Withdraw { .. } => "withdrawn",
        }
    }
}

/// What follows from a command on a notice: the transition table of R9.
///
/// # Errors
/// The notice is not in a state in which the act is possible.
pub fn decide(notice: &Notice, command: NoticeCommand) -> Result<Vec<NoticeEvent>, Refusal> {
    use NoticeState::{Acknowledged, Answered, Approved, Drafted, Sent, Withdrawn};
    let act = command.name();
    match (notice.state, command) {
        (Drafted, NoticeCommand::Approve { number }) => Ok(vec![NoticeEvent::NoticeApproved { number }]),
        (Approved, NoticeCommand::Send { on, duties }) => Ok(vec![NoticeEvent::NoticeSent { on, duties }]),
        // The mail of a notice that was withdrawn meanwhile, or of one already sent, changes nothing.
        (Withdrawn | Sent | Acknowledged | Answered, NoticeCommand::Send { .. }) => Ok(vec![]),
        (Sent | Acknowledged | Answered | Approved, NoticeCommand::SetDuty { duty }) => {
            let known = notice.duties.iter().any(|standing| standing.duty == duty.duty);
            Ok(if known { vec![] } else { vec![NoticeEvent::DutySet { duty }] })
        }
        (Sent, NoticeCommand::Acknowledge { on, signed_by }) => {
            Ok(vec![NoticeEvent::NoticeAcknowledged { on, signed_by }])
        }
        (Sent | Acknowledged | Answered, NoticeCommand::Answer { on, summary, attachments })
            if notice.kind.is_answered() =>
        {
            attachment::check(&attachments)?;
            Ok(vec![NoticeEvent::ReportReceived { on, summary, attachments }])
        }
        (Sent | Acknowledged | Answered, NoticeCommand::Close { note }) => Ok(vec![NoticeEvent::NoticeClosed { note }]),
        (Drafted | Approved | Sent | Acknowledged | Answered, NoticeCommand::Withdraw { reason }) => {
            Ok(vec![NoticeEvent::NoticeWithdrawn { reason }])
        }
        (state, _) => Err(Refusal::NoticeNotReady { act, state: state.into() }),
    }
}
