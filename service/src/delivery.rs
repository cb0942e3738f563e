//! The mail worker: makes the attempts that queued messages wait for, and records what became of them.
//!
//! An attempt is recorded before it is made and after it. One that was cut short is repeated only where that cannot
//! make a second message; otherwise its outcome is unknown and a person decides. One node does this at a time, under a
//! lease that every recorded attempt carries: who has lost it can neither begin an attempt nor end one.

use std::collections::BTreeMap;

use bishui_domain::delivery::{Mail, MailEvent};
use bishui_domain::ids::MailId;
use bishui_infra::event_log::{Batch, Lease, LogError, StreamVersion};
use bishui_infra::mail::{Mailer, OutgoingMail, retry_delay};
use uuid::Uuid;

use crate::error::OfficeError;
use crate::lease::Work;
use crate::office::Office;
use crate::records::{Draft, stream};

/// The name under which the worker's events are recorded.
const ACTOR: &str = "process/mail";

/// Makes every attempt that is due now, and follows through what comes of it. Returns the number of attempts; none is
/// made while another node has this work.
///
/// # Errors
/// A failure of the store; failures of mail are outcomes, not errors.
pub async fn deliver_due(office: &Office, mailer: &dyn Mailer, from: &str) -> Result<usize, OfficeError> {
    office.advance().await?;
    let mut attempts = 0;
    under_lease(office, mailer, async |worker| worker.deliver(from, &mut attempts).await).await?;
    office.advance().await?;
    Ok(attempts)
}

/// Settles attempts that were cut short by the stop of whoever made them. Every taking of the work does this first; it
/// need not be called for that.
///
/// # Errors
/// A failure of the store.
pub async fn recover(office: &Office, mailer: &dyn Mailer) -> Result<(), OfficeError> {
    office.advance().await?;
    under_lease(office, mailer, async |_| Ok(())).await?;
    office.advance().await
}

/// Does mail work under the lease, if it can be had. A new term begins with the attempts that earlier terms left open:
/// whoever made them is refused from then on, so they are over. In the same term they are our own and left alone.
async fn under_lease(
    office: &Office,
    mailer: &dyn Mailer,
    work: impl AsyncFnOnce(Worker<'_>) -> Result<(), OfficeError>,
) -> Result<(), OfficeError> {
    let mut settled_in = office.turns.mail.lock().await;
    let Some(lease) = office.leases.turn(&**office.log(), Work::Mail).await? else { return Ok(()) };
    let worker = Worker { office, mailer, lease: &lease };
    let worked = async {
        if *settled_in != Some(lease.term) {
            worker.recover().await?;
            *settled_in = Some(lease.term);
        }
        work(worker).await
    };
    match worked.await {
        Err(OfficeError::Log(LogError::Deposed { .. })) => {
            office.leases.lost(Work::Mail);
            Ok(())
        }
        worked => {
            let ended = office.leases.done(&**office.log(), Work::Mail, &lease).await;
            worked?;
            Ok(ended?)
        }
    }
}

/// The holder of the mail lease at work.
#[derive(Clone, Copy)]
struct Worker<'a> {
    office: &'a Office,
    mailer: &'a dyn Mailer,
    lease: &'a Lease,
}

impl Worker<'_> {
    async fn deliver(self, from: &str, attempts: &mut usize) -> Result<(), OfficeError> {
        // A message that cannot be read back does not hold up the others.
        let mut stuck = BTreeMap::new();
        loop {
            let mut due = self.office.register().due_mails(self.office.now());
            due.retain(|id| !stuck.contains_key(id));
            if due.is_empty() {
                return stuck.into_values().next().map_or(Ok(()), Err);
            }
            for id in due {
                match self.attempt(from, id).await {
                    Ok(made) => *attempts += usize::from(made),
                    Err(error) if error.lies_in_the_event() => drop(stuck.insert(id, error)),
                    Err(error) => return Err(error),
                }
            }
            self.office.advance().await?;
        }
    }

    async fn recover(self) -> Result<(), OfficeError> {
        self.office.bring_level().await?;
        let interrupted = self.office.register().interrupted_mails();
        for id in interrupted {
            match self.settle(id).await {
                Err(error) if error.lies_in_the_event() => {
                    tracing::error!(error = &error as &dyn std::error::Error, %id, "an attempt that was cut short stays open");
                }
                settled => settled?,
            }
        }
        self.office.advance().await
    }

    /// Settles the attempt at a message that was cut short.
    async fn settle(self, id: MailId) -> Result<(), OfficeError> {
        let (Some(mail), version) = self.office.records().mail(id).await? else { return Ok(()) };
        self.record(id, version, mail.recover(self.mailer.idempotent())).await.map(drop)
    }

    /// True when an attempt was made; false when another worker was first.
    async fn attempt(self, from: &str, id: MailId) -> Result<bool, OfficeError> {
        let Self { office, mailer, .. } = self;
        let (Some(mail), version) = office.records().mail(id).await? else { return Ok(false) };
        let Ok(started) = mail.start() else { return Ok(false) };
        let recipients = mail.unsettled();
        let Some(version) = self.record(id, version, started.clone()).await? else { return Ok(false) };
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
        let pause = jiff::SignedDuration::try_from(retry_delay(trying.attempts_in_row, id.0));
        let pause = pause.unwrap_or(jiff::SignedDuration::ZERO);
        let retry_at = office.now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
        self.record(id, version, trying.end(outcomes, retry_at)?).await?;
        Ok(true)
    }

    /// Appends a mail's events; `None` when another worker was first.
    async fn record(
        self,
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
            recorded_at: self.office.now(),
            actor: ACTOR.to_owned(),
            causation: None,
            correlation: None,
            idempotency: None,
            lease: Some(self.lease.clone()),
            writes: draft.into_writes(),
        };
        match self.office.log().append(batch).await {
            Ok(_) => Ok(Some(after)),
            Err(LogError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
