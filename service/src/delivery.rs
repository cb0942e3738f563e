//! The mail worker: makes the attempts that queued messages wait for, and records what became of them.
//!
//! An attempt is recorded before it is made and after it. One that was cut short is repeated only where that cannot
//! make a second message; otherwise its outcome is unknown and a person decides.

use bishui_domain::delivery::{Mail, MailEvent};
use bishui_domain::ids::MailId;
use bishui_infra::event_log::{Batch, LogError, StreamVersion};
use bishui_infra::mail::{Mailer, OutgoingMail, retry_delay};
use uuid::Uuid;

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::{Draft, stream};

/// The name under which the worker's events are recorded.
const ACTOR: &str = "process/mail";

/// Makes every attempt that is due now, and follows through what comes of it. Returns the number of attempts.
///
/// # Errors
/// A failure of the store; failures of mail are outcomes, not errors.
pub async fn deliver_due(office: &Office, mailer: &dyn Mailer, from: &str) -> Result<usize, OfficeError> {
    office.follow_through().await?;
    let mut attempts = 0;
    loop {
        let due = office.register().due_mails(office.now());
        if due.is_empty() {
            return Ok(attempts);
        }
        for id in due {
            attempts += usize::from(attempt(office, mailer, from, id).await?);
        }
        office.follow_through().await?;
    }
}

/// Settles attempts that a stop of the service cut short. To be called once before the first delivery.
///
/// # Errors
/// A failure of the store.
pub async fn recover(office: &Office, mailer: &dyn Mailer) -> Result<(), OfficeError> {
    office.follow_through().await?;
    let interrupted = office.register().interrupted_mails();
    for id in interrupted {
        let (Some(mail), version) = office.records().mail(id).await? else { continue };
        record(office, id, version, mail.recover(mailer.idempotent())).await?;
    }
    office.follow_through().await
}

/// True when an attempt was made; false when another worker was first.
async fn attempt(office: &Office, mailer: &dyn Mailer, from: &str, id: MailId) -> Result<bool, OfficeError> {
    let (Some(mail), version) = office.records().mail(id).await? else { return Ok(false) };
    let Ok(started) = mail.start() else { return Ok(false) };
    let recipients = mail.unsettled();
    let Some(version) = record(office, id, version, started.clone()).await? else { return Ok(false) };
    let outgoing = OutgoingMail {
        message_id: mail.message.message_id.clone(),
        from: from.to_owned(),
        to: mail.message.to.clone(),
        subject: mail.message.subject.clone(),
        text: mail.message.text.clone(),
        html: None,
        date: office.now(),
    };
    let outcomes = mailer.send(&outgoing, &recipients).await;
    let trying = started.iter().fold(Some(mail), Mail::evolve);
    let Some(trying) = trying else { return Ok(true) };
    let pause =
        jiff::SignedDuration::try_from(retry_delay(trying.attempts_in_row, id.0)).unwrap_or(jiff::SignedDuration::ZERO);
    let retry_at = office.now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
    record(office, id, version, trying.end(outcomes, retry_at)?).await?;
    Ok(true)
}

/// Appends a mail's events; `None` when another worker was first.
async fn record(
    office: &Office,
    id: MailId,
    version: StreamVersion,
    events: Vec<MailEvent>,
) -> Result<Option<StreamVersion>, OfficeError> {
    let after = StreamVersion(version.0 + events.len() as u64);
    let mut draft = Draft::default();
    draft.write(stream::mail(id), version, events);
    if draft.is_empty() {
        return Ok(Some(version));
    }
    let batch = Batch {
        id: Uuid::new_v5(&id.0, &version.0.to_be_bytes()),
        recorded_at: office.now(),
        actor: ACTOR.to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: draft.into_writes(),
    };
    match office.log().append(batch).await {
        Ok(_) => Ok(Some(after)),
        Err(LogError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
