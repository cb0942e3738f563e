//! A notice as an official act (R9): drafted, approved and numbered, sent, acknowledged, answered, closed; or withdrawn.

mod duty;
mod event;
mod number;
mod subject;
mod transition;

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::attachment::Attachment;
use crate::ids::{CountyId, NoticeId};

pub use duty::{Duty, DutyDeadline, duties_on_sending, report_after_interview};
pub use event::{NoticeEvent, draft};
pub use number::{DocumentNumber, Numbering, NumberingEvent, Series};
pub use subject::Subject;
pub use transition::{NoticeCommand, decide};

/// What a notice is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NoticeKind {
    /// 预警通报.
    WarningNotice,
    /// Corrects a warning notice that was sent.
    WarningSupplement,
    /// Withdraws a warning notice that was sent.
    WarningWithdrawal,
    /// 约谈通知.
    InterviewNotice,
    /// Changes the grounds of an interview whose notice was sent.
    InterviewSupplement,
    /// Cancels an interview whose notice was sent.
    InterviewCancellation,
    /// 问责建议.
    AccountabilityProposal,
}

impl NoticeKind {
    /// The series its number comes from.
    pub fn series(self) -> Series {
        match self {
            Self::WarningNotice | Self::WarningSupplement | Self::WarningWithdrawal => Series::Warning,
            Self::InterviewNotice | Self::InterviewSupplement | Self::InterviewCancellation => Series::Interview,
            Self::AccountabilityProposal => Series::Proposal,
        }
    }

    /// The kind in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::WarningNotice => "预警通报",
            Self::WarningSupplement => "预警通报更正",
            Self::WarningWithdrawal => "预警通报撤回",
            Self::InterviewNotice => "约谈通知",
            Self::InterviewSupplement => "约谈事由变更",
            Self::InterviewCancellation => "约谈取消",
            Self::AccountabilityProposal => "问责建议",
        }
    }

    /// Whether a rectification report is expected in answer.
    pub fn is_answered(self) -> bool {
        match self {
            Self::WarningNotice | Self::InterviewNotice => true,
            Self::WarningSupplement
            | Self::WarningWithdrawal
            | Self::InterviewSupplement
            | Self::InterviewCancellation
            | Self::AccountabilityProposal => false,
        }
    }
}

/// Where a notice stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NoticeState {
    /// Waits for approval.
    Drafted,
    /// Approved and numbered; not yet taken by the mail server.
    Approved,
    /// Sent.
    Sent,
    /// Acknowledged.
    Acknowledged,
    /// Answered by a rectification report.
    Answered,
    /// Closed.
    Closed,
    /// Withdrawn.
    Withdrawn,
}

impl NoticeState {
    /// The state in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Drafted => "待批准",
            Self::Approved => "已批准",
            Self::Sent => "已发出",
            Self::Acknowledged => "已签收",
            Self::Answered => "已答复",
            Self::Closed => "已办结",
            Self::Withdrawn => "已撤回",
        }
    }
}

/// A rectification report as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The day it arrived.
    pub on: Date,
    /// Its summary.
    pub summary: String,
    /// The files that came with it.
    pub attachments: Vec<Attachment>,
}

/// A notice as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is.
    pub kind: NoticeKind,
    /// The county.
    pub county: CountyId,
    /// What it says.
    pub subject: Subject,
    /// The notice it corrects, withdraws or cancels.
    pub refers_to: Option<NoticeId>,
    /// Where it stands.
    pub state: NoticeState,
    /// Its number, once approved; void when it was withdrawn before it was sent.
    pub number: Option<DocumentNumber>,
    /// The day it was sent.
    pub sent_on: Option<Date>,
    /// What is due.
    pub duties: Vec<DutyDeadline>,
    /// The day and person of the acknowledgement.
    pub acknowledged: Option<(Date, String)>,
    /// Reports received.
    pub reports: Vec<Report>,
    /// Reminders that have fired.
    pub reminded: BTreeSet<(Duty, i32)>,
    /// Why it was withdrawn or closed.
    pub note: Option<String>,
}

impl Notice {
    /// The state after an event; `None` before the draft.
    pub fn evolve(notice: Option<Self>, event: &NoticeEvent) -> Option<Self> {
        if let NoticeEvent::NoticeDrafted { kind, county, subject, refers_to, .. } = event {
            return Some(Self {
                kind: *kind,
                county: county.clone(),
                subject: subject.clone(),
                refers_to: *refers_to,
                state: NoticeState::Drafted,
                number: None,
                sent_on: None,
                duties: vec![],
                acknowledged: None,
                reports: vec![],
                reminded: BTreeSet::new(),
                note: None,
            });
        }
        let mut notice = notice?;
        notice.apply(event);
        Some(notice)
    }

    fn apply(&mut self, event: &NoticeEvent) {
        match event {
            NoticeEvent::NoticeDrafted { .. } => {}
            NoticeEvent::SectionsListed { sections } => self.subject.list_sections(sections),
            NoticeEvent::GroundsListed { grounds } => self.subject.list_grounds(grounds),
            NoticeEvent::NoticeApproved { number } => {
                self.state = NoticeState::Approved;
                self.number = Some(number.clone());
            }
            NoticeEvent::NoticeSent { on, duties } => {
                self.state = NoticeState::Sent;
                self.sent_on = Some(*on);
                self.duties.extend(duties.iter().cloned());
            }
            NoticeEvent::DutySet { duty } => self.duties.push(duty.clone()),
            NoticeEvent::NoticeAcknowledged { on, signed_by } => {
                self.state = NoticeState::Acknowledged;
                self.acknowledged = Some((*on, signed_by.clone()));
            }
            NoticeEvent::ReportReceived { on, summary, attachments } => {
                self.state = NoticeState::Answered;
                let (summary, attachments) = (summary.clone(), attachments.clone());
                self.reports.push(Report { on: *on, summary, attachments });
            }
            NoticeEvent::ReminderDue { duty, offset, .. } => {
                self.reminded.insert((*duty, *offset));
            }
            NoticeEvent::NoticeClosed { note } => {
                self.state = NoticeState::Closed;
                self.note = Some(note.clone());
            }
            NoticeEvent::NoticeWithdrawn { reason } => {
                self.state = NoticeState::Withdrawn;
                self.note = Some(reason.clone());
            }
        }
    }

    /// Whether `duty` is still open.
    pub fn owes(&self, duty: Duty) -> bool {
        match self.state {
            NoticeState::Sent => true,
            NoticeState::Acknowledged => duty == Duty::Report,
            // A report that arrived without an acknowledgement leaves that duty done too: the county has it.
            NoticeState::Answered
            | NoticeState::Drafted
            | NoticeState::Approved
            | NoticeState::Closed
            | NoticeState::Withdrawn => false,
        }
    }

    /// Reminders that are due on `today` and have not fired, earliest first.
    pub fn due_reminders(&self, today: Date) -> Vec<NoticeEvent> {
        let mut due: Vec<(Date, NoticeEvent)> = Vec::new();
        for duty in self.duties.iter().filter(|duty| self.owes(duty.duty)) {
            for (offset, on) in &duty.reminders {
                if *on <= today && !self.reminded.contains(&(duty.duty, *offset)) {
                    let due_on = duty.deadline.due_on;
                    due.push((*on, NoticeEvent::ReminderDue { duty: duty.duty, offset: *offset, due_on }));
                }
            }
        }
        due.sort_by_key(|(on, _)| *on);
        due.into_iter().map(|(_, event)| event).collect()
    }

    /// The next day on which a reminder is due.
    pub fn next_reminder(&self) -> Option<Date> {
        let open = self.duties.iter().filter(|duty| self.owes(duty.duty));
        let waiting = open.flat_map(|duty| duty.reminders.iter().map(move |(offset, on)| (duty.duty, *offset, *on)));
        waiting.filter(|(duty, offset, _)| !self.reminded.contains(&(*duty, *offset))).map(|(_, _, on)| on).min()
    }
}

#[cfg(test)]
mod tests;
