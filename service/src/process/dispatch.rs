//! Dispatch process: the mail of an approved notice, the mail of a reminder, and the day a notice counts as sent
//! (R9, R10).

use bishui_domain::delivery::{self, Mail, MailEvent, Message};
use bishui_domain::event::Event;
use bishui_domain::ids::{MailId, NoticeId};
use bishui_domain::letter::{self, Context, Letter};
use bishui_domain::notice::{Duty, Notice, NoticeEvent, NoticeKind, NoticeState, decide};
use bishui_domain::plan::Plan;
use bishui_domain::refusal::Refusal;
use bishui_infra::codec;
use bishui_infra::event_log::{Recorded, StreamVersion};

use crate::error::OfficeError;
use crate::office::{Office, notice_mail, reminder_mail};
use crate::records::{Draft, stream};

pub(super) async fn step(office: &Office, causes: &[&Recorded], draft: &mut Draft) -> Result<(), OfficeError> {
    for &cause in causes {
        match codec::decode(cause)? {
            Event::Notice(NoticeEvent::NoticeApproved { .. }) => queue_notice(office, cause, draft).await?,
            Event::Notice(NoticeEvent::ReminderDue { duty, offset, .. }) => {
                queue_reminder(office, cause, (duty, offset), draft).await?;
            }
            Event::Mail(MailEvent::AttemptEnded { .. } | MailEvent::OutcomeResolved { arrived: true, .. }) => {
                record_sent(office, cause, draft).await?;
            }
            Event::Notice(_)
            | Event::Mail(_)
            | Event::Plan(_)
            | Event::Readings(_)
            | Event::Section(_)
            | Event::Round(_)
            | Event::County(_)
            | Event::Compensation(_)
            | Event::Settlement(_)
            | Event::Numbering(_)
            | Event::Consumer(_) => {}
        }
    }
    Ok(())
}

async fn queue_notice(office: &Office, cause: &Recorded, draft: &mut Draft) -> Result<(), OfficeError> {
    let Some((id, notice)) = notice_of(office, cause, draft).await? else { return Ok(()) };
    if notice.state != NoticeState::Approved {
        return Ok(());
    }
    let refers_to = match notice.refers_to {
        Some(earlier) => office.existing_notice(earlier).await?.0.number.map(|number| number.to_string()),
        None => None,
    };
    let write = |context: Context<'_>| letter::write(&notice, Context { refers_to: refers_to.as_deref(), ..context });
    queue(office, &notice, id, (notice_mail(id), false), write, draft).await
}

async fn queue_reminder(
    office: &Office,
    cause: &Recorded,
    (duty, offset): (Duty, i32),
    draft: &mut Draft,
) -> Result<(), OfficeError> {
    let Some((id, notice)) = notice_of(office, cause, draft).await? else { return Ok(()) };
    let Some(due) = notice.duties.iter().find(|due| due.duty == duty) else { return Ok(()) };
    let write = |context: Context<'_>| letter::remind(&notice, duty, &due.deadline, offset > 0, context);
    queue(office, &notice, id, (reminder_mail(cause.id), true), write, draft).await
}

/// The notice that an event stands in. What is queued rests on it as it was read: one withdrawn meanwhile is not mailed.
async fn notice_of(
    office: &Office,
    cause: &Recorded,
    draft: &mut Draft,
) -> Result<Option<(NoticeId, Notice)>, OfficeError> {
    let Ok(id) = cause.stream.key().parse::<NoticeId>() else { return Ok(None) };
    let (notice, version) = office.existing_notice(id).await?;
    draft.require(stream::notice(id), version);
    Ok(Some((id, notice)))
}

/// Queues a letter once. Without an address nothing is queued: the notice is delivered by hand.
async fn queue(
    office: &Office,
    notice: &Notice,
    id: NoticeId,
    (mail, reminder): (MailId, bool),
    write: impl FnOnce(Context<'_>) -> Letter,
    draft: &mut Draft,
) -> Result<(), OfficeError> {
    let queued = office.records.version(&stream::mail(mail)).await?;
    if queued > StreamVersion(0) {
        return Ok(());
    }
    let (book, _) = office.records.plan_book().await?;
    let revision = office.current_revision(&book)?;
    let earlier = || book.revisions().iter().rev().find_map(|revision| revision.county(&notice.county));
    let county = revision.county(&notice.county).or_else(earlier);
    let county = county.ok_or_else(|| Refusal::UnknownCounty { county: notice.county.to_string() })?;
    let to = recipients(notice.kind, &revision.plan, &county.emails);
    if to.is_empty() {
        return Ok(());
    }
    let Letter { subject, text } = write(Context { revision, county, refers_to: None });
    let message = Message {
        notice: id,
        kind: notice.kind,
        reminder,
        county: notice.county.clone(),
        period: notice.subject.period(),
        message_id: format!("<{mail}@{}>", office.settings.mail_host),
        to,
        subject,
        text,
    };
    draft.write(stream::mail(mail), queued, delivery::queue(message));
    Ok(())
}

fn recipients(kind: NoticeKind, plan: &Plan, county: &[String]) -> Vec<String> {
    let addresses = match kind {
        NoticeKind::AccountabilityProposal => &plan.plan.government_emails,
        NoticeKind::WarningNotice
        | NoticeKind::WarningSupplement
        | NoticeKind::WarningWithdrawal
        | NoticeKind::InterviewNotice
        | NoticeKind::InterviewSupplement
        | NoticeKind::InterviewCancellation => county,
    };
    let mut addresses = addresses.to_vec();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// A notice counts as sent on the day its mail was taken over for the first recipient.
async fn record_sent(office: &Office, cause: &Recorded, draft: &mut Draft) -> Result<(), OfficeError> {
    let Ok(mail) = cause.stream.key().parse::<MailId>() else { return Ok(()) };
    let (Some(mail), _): (Option<Mail>, _) = office.records.mail(mail).await? else { return Ok(()) };
    if !mail.is_accepted() || mail.message.reminder {
        return Ok(());
    }
    let id = mail.message.notice;
    let (notice, version) = office.existing_notice(id).await?;
    let sending = office.sending(&notice).await?;
    // A notice closed or withdrawn by an officer meanwhile stays as it is.
    draft.write(stream::notice(id), version, decide(&notice, sending).unwrap_or_default());
    Ok(())
}
