//! Acts on notices and their mail.

use bishui_domain::attachment::Attachment;
use bishui_domain::delivery::{Mail, MailEvent};
use bishui_domain::event::Event;
use bishui_domain::ids::{MailId, NoticeId};
use bishui_domain::notice::{
    DocumentNumber, Notice, NoticeCommand, NoticeEvent, NoticeState, NumberingEvent, decide, duties_on_sending,
};
use bishui_domain::refusal::{Refusal, required_text};
use bishui_infra::codec;
use bishui_infra::event_log::{LogError, StreamVersion};
use uuid::Uuid;

use super::{Decided, Office};
use crate::error::OfficeError;
use crate::records::{Draft, stream};

/// The word before the series where the plan gives none.
const PREFIX_DEFAULT: &str = "环";

impl Office {
    async fn act_on_notice(&self, id: NoticeId, command: NoticeCommand) -> Result<Decided, OfficeError> {
        let (notice, version) = self.existing_notice(id).await?;
        let mut draft = Draft::default();
        draft.write(stream::notice(id), version, decide(&notice, command)?);
        Ok(draft.into())
    }

    pub(super) async fn deliver_notice(&self, id: NoticeId) -> Result<Decided, OfficeError> {
        let (notice, _) = self.existing_notice(id).await?;
        self.act_on_notice(id, self.sending(&notice).await?).await
    }

    pub(super) async fn withdraw_notice(&self, id: NoticeId, reason: &str) -> Result<Decided, OfficeError> {
        let reason = required_text("reason", reason)?;
        let mut draft = Draft::default();
        self.withdraw(id, &reason, &mut draft).await?;
        Ok(draft.into())
    }

    pub(super) async fn acknowledge_notice(&self, id: NoticeId, signed_by: &str) -> Result<Decided, OfficeError> {
        let signed_by = required_text("signed_by", signed_by)?;
        self.act_on_notice(id, NoticeCommand::Acknowledge { on: self.today(), signed_by }).await
    }

    pub(super) async fn answer_notice(
        &self,
        id: NoticeId,
        summary: &str,
        attachments: &[Attachment],
    ) -> Result<Decided, OfficeError> {
        let (on, summary, attachments) = (self.today(), required_text("summary", summary)?, attachments.to_vec());
        let answer = NoticeCommand::Answer { on, summary, attachments: attachments.clone() };
        let decided = self.act_on_notice(id, answer).await?;
        self.see_attachments(attachments).await?;
        Ok(decided)
    }

    /// Sees that what an event is to name is there: it was made durable when it was put there.
    async fn see_attachments(&self, named: Vec<Attachment>) -> Result<(), OfficeError> {
        if named.is_empty() {
            return Ok(());
        }
        let kept = self.attachments()?.clone();
        let seen = tokio::task::spawn_blocking(move || named.iter().try_for_each(|named| kept.check(named))).await;
        Ok(seen.map_err(|error| LogError::Unavailable { what: error.to_string(), source: None })??)
    }

    pub(super) async fn close_notice(&self, id: NoticeId, note: &str) -> Result<Decided, OfficeError> {
        self.act_on_notice(id, NoticeCommand::Close { note: required_text("note", note)? }).await
    }

    pub(super) async fn retry_mail(&self, id: MailId) -> Result<Decided, OfficeError> {
        self.act_on_mail(id, Mail::retry).await
    }

    pub(super) async fn resolve_mail(&self, id: MailId, arrived: bool, basis: &str) -> Result<Decided, OfficeError> {
        let basis = required_text("basis", basis)?;
        self.act_on_mail(id, |mail| mail.resolve(arrived, basis)).await
    }

    async fn act_on_mail(
        &self,
        id: MailId,
        decide: impl FnOnce(&Mail) -> Result<Vec<MailEvent>, Refusal>,
    ) -> Result<Decided, OfficeError> {
        let (mail, version) = self.records.mail(id).await?;
        let mail = mail.ok_or_else(|| Refusal::UnknownMail { mail: id.to_string() })?;
        let events = decide(&mail)?;
        let after = events.iter().fold(Some(mail), Mail::evolve);
        let mut draft = Draft::default();
        draft.write(stream::mail(id), version, events);
        if let Some(mail) = after {
            self.cancel_if_withdrawn(id, &mail, version, &mut draft).await?;
        }
        Ok(draft.into())
    }

    /// A message that has not arrived is not sent again once its notice is withdrawn.
    async fn cancel_if_withdrawn(
        &self,
        id: MailId,
        mail: &Mail,
        version: StreamVersion,
        draft: &mut Draft,
    ) -> Result<(), OfficeError> {
        let (notice, notice_version) = self.existing_notice(mail.message.notice).await?;
        draft.require(stream::notice(mail.message.notice), notice_version);
        if notice.state == NoticeState::Withdrawn {
            let reason = notice.note.as_deref().unwrap_or("撤回");
            draft.write(stream::mail(id), version, mail.cancel(reason));
        }
        Ok(())
    }

    pub(crate) async fn existing_notice(&self, id: NoticeId) -> Result<(Notice, StreamVersion), OfficeError> {
        let (notice, version) = self.records.notice(id).await?;
        let notice = notice.ok_or_else(|| Refusal::UnknownNotice { notice: id.to_string() })?;
        Ok((notice, version))
    }

    /// Approves a notice under the next number of its series and year, in one batch: no gap, no number twice.
    pub(crate) async fn approve(&self, id: NoticeId, draft: &mut Draft) -> Result<(), OfficeError> {
        let (notice, version) = self.existing_notice(id).await?;
        let (book, _) = self.records.plan_book().await?;
        let header = &self.current_revision(&book)?.plan.plan;
        let (series, year) = (notice.kind.series(), self.today().year());
        let number = draft.give_number(series, year, self.records.numbering(series, year).await?, id);
        let prefix = header.document_prefix.clone().unwrap_or_else(|| PREFIX_DEFAULT.to_owned());
        let number = DocumentNumber { prefix, series, year, number };
        draft.write(stream::notice(id), version, decide(&notice, NoticeCommand::Approve { number })?);
        Ok(())
    }

    /// Withdraws a notice. Its mail goes to nobody it has not reached; a number that nobody has seen is void.
    pub(crate) async fn withdraw(&self, id: NoticeId, reason: &str, draft: &mut Draft) -> Result<(), OfficeError> {
        let (notice, version) = self.existing_notice(id).await?;
        let events = decide(&notice, NoticeCommand::Withdraw { reason: reason.to_owned() })?;
        draft.write(stream::notice(id), version, events);
        for mail_id in self.mails_of(id).await? {
            let (mail, version) = self.records.mail(mail_id).await?;
            let events: Vec<MailEvent> = mail.map(|mail| mail.cancel(reason)).unwrap_or_default();
            draft.write(stream::mail(mail_id), version, events);
        }
        if self.has_left(&notice, id).await? {
            return Ok(());
        }
        self.void_number(&notice, id, reason, draft).await
    }

    /// The mail that carries a notice, and those of its reminders.
    async fn mails_of(&self, id: NoticeId) -> Result<Vec<MailId>, OfficeError> {
        let mut mails = vec![notice_mail(id)];
        for recorded in self.records.events(&stream::notice(id), StreamVersion(0)).await? {
            if let Event::Notice(NoticeEvent::ReminderDue { .. }) = codec::decode(&recorded)? {
                mails.push(reminder_mail(recorded.id));
            }
        }
        Ok(mails)
    }

    async fn void_number(
        &self,
        notice: &Notice,
        id: NoticeId,
        reason: &str,
        draft: &mut Draft,
    ) -> Result<(), OfficeError> {
        if let Some(number) = &notice.number {
            let (_, version) = self.records.numbering(number.series, number.year).await?;
            let voided = NumberingEvent::NumberVoided { number: number.number, notice: id, reason: reason.to_owned() };
            draft.write(stream::numbering(number.series, number.year), version, [voided]);
        }
        Ok(())
    }

    /// Whether a notice was sent, or may have been: an attempt is under way or its outcome is unknown.
    pub(crate) async fn has_left(&self, notice: &Notice, id: NoticeId) -> Result<bool, OfficeError> {
        if notice.sent_on.is_some() {
            return Ok(true);
        }
        if notice.state == NoticeState::Drafted {
            return Ok(false);
        }
        let (mail, _) = self.records.mail(notice_mail(id)).await?;
        Ok(mail.is_some_and(|mail| {
            let counts = mail.counts();
            ["trying", "accepted", "unknown"].iter().any(|state| counts.contains_key(state))
        }))
    }

    /// The command that records a notice as sent today, with the duties that start.
    pub(crate) async fn sending(&self, notice: &Notice) -> Result<NoticeCommand, OfficeError> {
        let (book, _) = self.records.plan_book().await?;
        let rules = &self.current_revision(&book)?.plan.rules;
        let on = self.today();
        Ok(NoticeCommand::Send { on, duties: duties_on_sending(notice.kind, on, rules, &self.calendar) })
    }
}

/// The mail of the reminder that the event `due` called for.
pub(crate) fn reminder_mail(due: Uuid) -> MailId {
    MailId::derived(due, "reminder")
}

/// The notice that is drafted for a decision of a county.
pub(crate) fn drafted_notice(decision: Uuid) -> NoticeId {
    NoticeId::derived(decision, "notice")
}

/// The mail that carries a notice.
pub(crate) fn notice_mail(id: NoticeId) -> MailId {
    MailId::derived(id.0, "mail")
}
