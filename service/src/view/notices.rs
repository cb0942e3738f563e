//! Notices as people see them: the list, and one notice with its letter, deadlines and history.

use bishui_domain::attachment::Attachment;
use bishui_domain::ids::{CountyId, NoticeId};
use bishui_domain::letter::{self, Context};
use bishui_domain::notice::{Duty, Notice, NoticeKind, NoticeState, Report};
use bishui_domain::period::Period;
use bishui_domain::sha256::Sha256;
use bishui_infra::event_log::{Position, Recorded, StreamVersion};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Scope, county_name, find_county, not_found, revision_on};
use crate::error::OfficeError;
use crate::office::{Office, notice_mail};
use crate::records::stream;
use crate::register::Register;

/// Which notices are listed; everything that is absent holds for all.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NoticeFilter {
    /// Only this county's.
    pub county: Option<CountyId>,
    /// Only in this state.
    pub state: Option<NoticeState>,
    /// Only of this kind.
    pub kind: Option<NoticeKind>,
}

/// One line of the list of notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeLine {
    /// The notice.
    #[schema(value_type = String)]
    pub id: NoticeId,
    /// Where in the log it was drafted.
    #[schema(value_type = u64)]
    pub position: Position,
    /// What it is.
    #[schema(value_type = String)]
    pub kind: NoticeKind,
    /// What it is, in Chinese.
    pub kind_chinese: String,
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// The round; none for a proposal.
    #[schema(value_type = Option<String>)]
    pub period: Option<Period>,
    /// Where it stands.
    #[schema(value_type = String)]
    pub state: NoticeState,
    /// Where it stands, in Chinese.
    pub state_chinese: String,
    /// Its document number, once approved.
    pub number: Option<String>,
    /// Whether the number is void.
    pub void: bool,
    /// The day it was sent.
    #[schema(value_type = Option<String>)]
    pub sent_on: Option<Date>,
    /// The earliest open deadline.
    #[schema(value_type = Option<String>)]
    pub due_on: Option<Date>,
    /// Whether an open deadline has passed.
    pub overdue: bool,
}

/// A duty of a notice with its deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadlineView {
    /// The duty.
    #[schema(value_type = String)]
    pub duty: Duty,
    /// The last day on which it is in time.
    #[schema(value_type = String)]
    pub due_on: Date,
    /// Whether the calendar of a year it touches is not published yet.
    pub provisional: bool,
    /// Whether it is still owed.
    pub open: bool,
    /// Whether it is owed and the day has passed.
    pub overdue: bool,
    /// How the day was counted, in Chinese.
    pub calculation: String,
    /// The State Council's notices it rests on.
    pub calendars: Vec<String>,
}

/// A text of a day: an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatedText {
    /// The day.
    #[schema(value_type = String)]
    pub on: Date,
    /// The text, or who signed.
    pub text: String,
}

/// A file that came with a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachmentView {
    /// Name of the file.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its content: what it is asked for by.
    #[schema(value_type = String)]
    pub sha256: Sha256,
}

/// A rectification report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportView {
    /// The day it arrived.
    #[schema(value_type = String)]
    pub on: Date,
    /// Its summary.
    pub text: String,
    /// The files that came with it.
    pub attachments: Vec<AttachmentView>,
}

impl From<&Report> for ReportView {
    fn from(report: &Report) -> Self {
        let attachments = report.attachments.iter().map(|attachment| {
            let Attachment { name, media_type, bytes, sha256 } = attachment.clone();
            AttachmentView { name, media_type, bytes, sha256 }
        });
        Self { on: report.on, text: report.summary.clone(), attachments: attachments.collect() }
    }
}

/// One event of a stream, for its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryLine {
    /// Where in the log.
    #[schema(value_type = u64)]
    pub position: Position,
    /// When.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What: the event's type.
    pub event: String,
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeView {
    /// What the list shows.
    #[serde(flatten)]
    pub line: NoticeLine,
    /// Version of its stream.
    #[schema(value_type = u64)]
    pub version: StreamVersion,
    /// The notice it corrects, withdraws or cancels.
    #[schema(value_type = Option<String>)]
    pub refers_to: Option<NoticeId>,
    /// Subject line of its letter.
    pub subject: String,
    /// Text of its letter: as it was mailed, otherwise as it would be.
    pub text: String,
    /// What is due, and when.
    pub deadlines: Vec<DeadlineView>,
    /// The acknowledgement.
    pub acknowledged: Option<DatedText>,
    /// Rectification reports.
    pub reports: Vec<ReportView>,
    /// Why it was withdrawn or closed.
    pub note: Option<String>,
    /// What happened to it.
    pub history: Vec<HistoryLine>,
}

/// The notices that the asker sees, in the order they were drafted.
pub fn notices(register: &Register, scope: &Scope, filter: &NoticeFilter, today: Date) -> Vec<NoticeLine> {
    let wanted = |notice: &Notice| {
        filter.county.as_ref().is_none_or(|county| *county == notice.county)
            && filter.state.is_none_or(|state| state == notice.state)
            && filter.kind.is_none_or(|kind| kind == notice.kind)
    };
    let standing =
        register.notices.iter().filter_map(|(id, position)| Some((*id, *position, register.notice.get(id)?)));
    standing
        .filter(|(.., notice)| scope.sees_notice(notice) && wanted(notice))
        .map(|(id, position, notice)| line(register, id, position, notice, today))
        .collect()
}

/// An attachment of a notice that the asker sees; none of another, or where no event names it.
pub fn attachment(register: &Register, scope: &Scope, sha256: Sha256) -> Option<Attachment> {
    let seen = register.notice.values().filter(|notice| scope.sees_notice(notice));
    let mut named = seen.flat_map(|notice| &notice.reports).flat_map(|report| &report.attachments);
    named.find(|attachment| attachment.sha256 == sha256).cloned()
}

/// One notice.
///
/// # Errors
/// It does not exist or is not for the asker, or the store fails.
pub async fn notice(office: &Office, scope: &Scope, id: NoticeId) -> Result<NoticeView, OfficeError> {
    let events = office.records().events(&stream::notice(id), StreamVersion(0)).await?;
    let version = events.last().map_or(StreamVersion(0), |last| last.version);
    let (today, register) = (office.today(), office.register());
    let notice = register.notice.get(&id).filter(|notice| scope.sees_notice(notice));
    let notice = notice.ok_or_else(|| not_found("this notice"))?;
    let position = events.first().map_or(Position(0), |first| first.position);
    let letter = letter_of(&register, id, notice, today);
    let dated = |(on, text): &(Date, String)| DatedText { on: *on, text: text.clone() };
    Ok(NoticeView {
        line: line(&register, id, position, notice, today),
        version,
        refers_to: notice.refers_to,
        subject: letter.subject,
        text: letter.text,
        deadlines: deadlines(notice, today),
        acknowledged: notice.acknowledged.as_ref().map(dated),
        reports: notice.reports.iter().map(ReportView::from).collect(),
        note: notice.note.clone(),
        history: events.iter().map(history_line).collect(),
    })
}

/// Every duty of a notice.
pub(super) fn deadlines(notice: &Notice, today: Date) -> Vec<DeadlineView> {
    let view = |due: &bishui_domain::notice::DutyDeadline| {
        let open = notice.owes(due.duty);
        DeadlineView {
            duty: due.duty,
            due_on: due.deadline.due_on,
            provisional: due.deadline.provisional,
            open,
            overdue: open && due.deadline.due_on < today,
            calculation: due.deadline.counted.chinese(),
            calendars: due.deadline.counted.notices.clone(),
        }
    };
    notice.duties.iter().map(view).collect()
}

pub(super) fn history_line(recorded: &Recorded) -> HistoryLine {
    HistoryLine {
        position: recorded.position,
        at: recorded.recorded_at,
        actor: recorded.actor.clone(),
        event: recorded.kind.clone(),
    }
}

fn line(register: &Register, id: NoticeId, position: Position, notice: &Notice, today: Date) -> NoticeLine {
    let open: Vec<_> = deadlines(notice, today).into_iter().filter(|deadline| deadline.open).collect();
    NoticeLine {
        id,
        position,
        kind: notice.kind,
        kind_chinese: notice.kind.chinese().to_owned(),
        county: notice.county.clone(),
        county_name: county_name(&register.plans, &notice.county),
        period: notice.subject.period(),
        state: notice.state,
        state_chinese: notice.state.chinese().to_owned(),
        number: notice.number.as_ref().map(ToString::to_string),
        void: register.void_numbers.iter().any(|void| void.notice == id),
        sent_on: notice.sent_on,
        due_on: open.iter().map(|deadline| deadline.due_on).min(),
        overdue: open.iter().any(|deadline| deadline.overdue),
    }
}

/// The letter as it was queued for mailing, or as it would be written today.
fn letter_of(register: &Register, id: NoticeId, notice: &Notice, today: Date) -> letter::Letter {
    if let Some(mail) = register.mail.get(&notice_mail(id)) {
        return letter::Letter { subject: mail.message.subject.clone(), text: mail.message.text.clone() };
    }
    let earlier = notice.refers_to.and_then(|earlier| register.notice.get(&earlier));
    let refers_to = earlier.and_then(|earlier| earlier.number.as_ref()).map(ToString::to_string);
    let revision = revision_on(&register.plans, today);
    match revision.zip(find_county(&register.plans, &notice.county)) {
        Some((revision, county)) => {
            letter::write(notice, Context { revision, county, refers_to: refers_to.as_deref() })
        }
        None => letter::Letter { subject: notice.kind.chinese().to_owned(), text: String::new() },
    }
}
