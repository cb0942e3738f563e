//! Duties of a county on a notice, and the days they are due (R9).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::NoticeKind;
use crate::calendar::{Deadline, WorkCalendar};
use crate::plan::rules::RuleSet;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Duty {
    /// 签收.
    Acknowledge,
    /// 整改报告.
    Report,
}

/// A duty and the day it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyDeadline {
    /// The duty.
    pub duty: Duty,
    /// When, and how it was counted.
    pub deadline: Deadline,
    /// Days on which to remind, by their distance in working days from the deadline.
    pub reminders: Vec<(i32, Date)>,
}

/// The duties that start on the day a notice is sent (R9).
pub fn duties_on_sending(kind: NoticeKind, on: Date, rules: &RuleSet, calendar: &WorkCalendar) -> Vec<DutyDeadline> {
    let in_working_days = |duty, days: u32| {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        with_reminders(duty, calendar.add_working_days(on, days), rules, calendar)
    };
    let acknowledge = in_working_days(Duty::Acknowledge, rules.acknowledge_working_days);
    match kind {
        NoticeKind::WarningNotice => {
            vec![acknowledge, in_working_days(Duty::Report, rules.warning_report_working_days)]
        }
        NoticeKind::InterviewNotice
        | NoticeKind::WarningSupplement
        | NoticeKind::WarningWithdrawal
        | NoticeKind::InterviewSupplement
        | NoticeKind::InterviewCancellation => vec![acknowledge],
        NoticeKind::AccountabilityProposal => vec![],
    }
}

/// The report due after an interview, in calendar days from the day it was held, moved to a working day (R9).
pub fn report_after_interview(held_on: Date, rules: &RuleSet, calendar: &WorkCalendar) -> DutyDeadline {
    let days = i32::try_from(rules.interview_report_days).unwrap_or(i32::MAX);
    with_reminders(Duty::Report, calendar.add_calendar_days_moved(held_on, days), rules, calendar)
}

fn with_reminders(duty: Duty, deadline: Deadline, rules: &RuleSet, calendar: &WorkCalendar) -> DutyDeadline {
    let day = |offset: &i32| match offset {
        0 => deadline.due_on,
        offset => calendar.add_working_days(deadline.due_on, *offset).due_on,
    };
    let reminders = rules.reminder_working_days.iter().map(|offset| (*offset, day(offset))).collect();
    DutyDeadline { duty, deadline, reminders }
}
