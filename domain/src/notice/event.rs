//! What happens to a notice, and its draft (R9).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{DocumentNumber, Duty, DutyDeadline, NoticeKind, Subject};
use crate::attachment::Attachment;
use crate::escalation::interview::Ground;
use crate::ids::{CountyId, NoticeId};
use crate::parts::{InParts, in_parts};
use crate::verdict::SectionVerdict;

/// Events of a notice's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeEvent {
    /// The process drafted it.
    NoticeDrafted {
        /// What it is.
        kind: NoticeKind,
        /// The county it is about, and addressed to unless it is a proposal.
        county: CountyId,
        /// What it says, without the entries of the parts that follow.
        subject: Subject,
        /// The notice it corrects, withdraws or cancels.
        refers_to: Option<NoticeId>,
        /// Parts that follow with the rest of its sections or grounds.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Sections of the notice that was just drafted, after those it has.
    SectionsListed {
        /// The sections.
        sections: Vec<SectionVerdict>,
    },
    /// Grounds of the notice that was just drafted, after those it has.
    GroundsListed {
        /// The grounds.
        grounds: Vec<Ground>,
    },
    /// An officer approved it; it has its number.
    NoticeApproved {
        /// The number.
        number: DocumentNumber,
    },
    /// The mail server has taken it for at least one recipient, or it was delivered by hand.
    NoticeSent {
        /// The day, Beijing time.
        on: Date,
        /// What is due, and when.
        duties: Vec<DutyDeadline>,
    },
    /// A duty that starts later: the report after an interview, from the day it was held.
    DutySet {
        /// What is due, and when.
        duty: DutyDeadline,
    },
    /// A person of the county acknowledged it.
    NoticeAcknowledged {
        /// The day, Beijing time.
        on: Date,
        /// Who signed.
        signed_by: String,
    },
    /// The county's rectification report arrived.
    ReportReceived {
        /// The day, Beijing time.
        on: Date,
        /// Its summary.
        summary: String,
        /// The files that came with it.
        attachments: Vec<Attachment>,
    },
    /// A reminder was due.
    ReminderDue {
        /// Of which duty.
        duty: Duty,
        /// Distance in working days from the deadline.
        offset: i32,
        /// When the duty is due.
        due_on: Date,
    },
    /// Nothing more is expected.
    NoticeClosed {
        /// Why.
        note: String,
    },
    /// It is withdrawn.
    NoticeWithdrawn {
        /// Why.
        reason: String,
    },
}

/// The draft of a notice.
pub fn draft(kind: NoticeKind, county: &CountyId, subject: Subject, refers_to: Option<NoticeId>) -> Vec<NoticeEvent> {
    let drafted =
        |subject, parts| NoticeEvent::NoticeDrafted { kind, county: county.clone(), subject, refers_to, parts };
    let more = |grounds| NoticeEvent::GroundsListed { grounds };
    match subject {
        Subject::Round { period, sections } => in_parts(
            sections,
            |sections, parts| drafted(Subject::Round { period, sections }, parts),
            |sections| NoticeEvent::SectionsListed { sections },
        ),
        Subject::Interview { raised_by, grounds } => {
            in_parts(grounds, |grounds, parts| drafted(Subject::Interview { raised_by, grounds }, parts), more)
        }
        Subject::Proposal { year, held_on, grounds, basis } => {
            let proposal = |grounds| Subject::Proposal { year, held_on, grounds, basis };
            in_parts(grounds, |grounds, parts| drafted(proposal(grounds), parts), more)
        }
    }
}

impl InParts for NoticeEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::NoticeDrafted { parts, .. } => *parts,
            Self::SectionsListed { .. }
            | Self::GroundsListed { .. }
            | Self::NoticeApproved { .. }
            | Self::NoticeSent { .. }
            | Self::DutySet { .. }
            | Self::NoticeAcknowledged { .. }
            | Self::ReportReceived { .. }
            | Self::ReminderDue { .. }
            | Self::NoticeClosed { .. }
            | Self::NoticeWithdrawn { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (Self::NoticeDrafted { subject, parts, .. }, Self::SectionsListed { sections }) if *parts > 0 => {
                subject.list_sections(&sections);
                *parts -= 1;
                Ok(())
            }
            (Self::NoticeDrafted { subject, parts, .. }, Self::GroundsListed { grounds }) if *parts > 0 => {
                subject.list_grounds(&grounds);
                *parts -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}
