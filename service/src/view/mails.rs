//! Mails as people see them: the list, and one mail recipient by recipient.

use std::collections::BTreeMap;

use bishui_domain::delivery::{Mail, RecipientState};
use bishui_domain::ids::{CountyId, MailId, NoticeId};
use bishui_domain::notice::NoticeKind;
use bishui_domain::period::Period;
use bishui_infra::event_log::{Position, StreamVersion};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::notices::{HistoryLine, history_line};
use super::{Scope, not_found};
use crate::error::OfficeError;
use crate::office::Office;
use crate::records::stream;
use crate::register::Register;

/// One line of the list of mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailLine {
    /// The mail.
    #[schema(value_type = String)]
    pub id: MailId,
    /// Where in the log it was queued.
    #[schema(value_type = u64)]
    pub position: Position,
    /// The notice it carries.
    #[schema(value_type = String)]
    pub notice: NoticeId,
    /// What the notice is.
    #[schema(value_type = String)]
    pub kind: NoticeKind,
    /// Whether it is a reminder.
    pub reminder: bool,
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The round.
    #[schema(value_type = Option<String>)]
    pub period: Option<Period>,
    /// Subject.
    pub subject: String,
    /// How many recipients stand where.
    pub counts: BTreeMap<String, usize>,
    /// Attempts begun.
    pub attempts: u32,
    /// When the next attempt is made.
    #[schema(value_type = Option<String>)]
    pub retry_at: Option<Timestamp>,
}

/// Where a mail stands for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecipientView {
    /// The address.
    pub address: String,
    /// Where it stands: `queued`, `trying`, `accepted`, `deferred`, `failed`, `unknown` or `cancelled`.
    pub state: String,
    /// What the server said or what happened.
    pub reply: Option<String>,
}

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailView {
    /// What the list shows.
    #[serde(flatten)]
    pub line: MailLine,
    /// Version of its stream.
    #[schema(value_type = u64)]
    pub version: StreamVersion,
    /// Its Message-ID.
    pub message_id: String,
    /// Text.
    pub text: String,
    /// Recipient by recipient.
    pub recipients: Vec<RecipientView>,
    /// What happened to it.
    pub history: Vec<HistoryLine>,
}

/// The mails that the asker sees, in the order they were queued; with `state`, those with a recipient in it.
pub fn mails(register: &Register, scope: &Scope, state: Option<&str>) -> Vec<MailLine> {
    let standing = register.mails.iter().filter_map(|(id, position)| Some((*id, *position, register.mail.get(id)?)));
    let wanted = |mail: &Mail| state.is_none_or(|state| mail.counts().contains_key(state));
    standing
        .filter(|(.., mail)| scope.sees_mail(mail) && wanted(mail))
        .map(|(id, position, mail)| line(id, position, mail))
        .collect()
}

/// One mail.
///
/// # Errors
/// It does not exist or is not for the asker, or the store fails.
pub async fn mail(office: &Office, scope: &Scope, id: MailId) -> Result<MailView, OfficeError> {
    let events = office.records().events(&stream::mail(id), StreamVersion(0)).await?;
    let register = office.register();
    let mail = register.mail.get(&id).filter(|mail| scope.sees_mail(mail)).ok_or_else(|| not_found("this mail"))?;
    Ok(MailView {
        line: line(id, events.first().map_or(Position(0), |first| first.position), mail),
        version: events.last().map_or(StreamVersion(0), |last| last.version),
        message_id: mail.message.message_id.clone(),
        text: mail.message.text.clone(),
        recipients: mail.recipients.iter().map(|(address, state)| recipient(address, state)).collect(),
        history: events.iter().map(history_line).collect(),
    })
}

fn line(id: MailId, position: Position, mail: &Mail) -> MailLine {
    MailLine {
        id,
        position,
        notice: mail.message.notice,
        kind: mail.message.kind,
        reminder: mail.message.reminder,
        county: mail.message.county.clone(),
        period: mail.message.period,
        subject: mail.message.subject.clone(),
        counts: mail.counts().into_iter().map(|(state, count)| (state.to_owned(), count)).collect(),
        attempts: mail.attempts,
        retry_at: mail.retry_at,
    }
}

fn recipient(address: &str, state: &RecipientState) -> RecipientView {
    let (word, reply) = match state {
        RecipientState::Queued => ("queued", None),
        RecipientState::Trying => ("trying", None),
        RecipientState::Accepted { reply } => ("accepted", Some(reply)),
        RecipientState::Deferred { reply } => ("deferred", Some(reply)),
        RecipientState::Failed { reply } => ("failed", Some(reply)),
        RecipientState::Unknown { what } => ("unknown", Some(what)),
        RecipientState::Cancelled => ("cancelled", None),
    };
    RecipientView { address: address.to_owned(), state: word.to_owned(), reply: reply.cloned() }
}
