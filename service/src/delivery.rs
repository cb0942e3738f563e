//! The mail worker: makes the attempts that queued messages wait for, and records what became of them.
//!
//! An attempt is recorded before it is made and after it. One that was cut short is repeated only where that cannot
//! make a second message; otherwise its outcome is unknown and a person decides. An outcome that is known and could not
//! be recorded is kept until it can. One node does this at a time, under a lease that every recorded attempt carries: who
//! has lost it can neither begin an attempt nor end one.

use std::collections::BTreeSet;

use bishui_domain::delivery::{Mail, MailEvent, RecipientOutcome};
use bishui_domain::ids::MailId;
use bishui_infra::event_log::{Batch, Lease, LogError, StreamVersion};
use bishui_infra::mail::{Mailer, OutgoingMail, retry_delay};
use uuid::Uuid;

use crate::error::OfficeError;
use crate::lease::Work;
use crate::office::Office;
use crate::records::{Draft, stream};

/// Most messages that are under way at once.
const TOGETHER_MAX: usize = 100;
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
    under_lease(office, mailer, async |worker, ends| worker.deliver(from, ends, &mut attempts).await).await?;
    office.advance().await?;
    Ok(attempts)
}

/// Settles attempts that were cut short. Every delivery does this first; it need not be called for that.
///
/// # Errors
/// A failure of the store.
pub async fn recover(office: &Office, mailer: &dyn Mailer) -> Result<(), OfficeError> {
    office.advance().await?;
    under_lease(office, mailer, async |worker, ends| first(worker.recover(ends).await?)).await?;
    office.advance().await
}

/// Does mail work under the lease, if it can be had, with what is known of attempts and not recorded yet.
async fn under_lease(
    office: &Office,
    mailer: &dyn Mailer,
    work: impl AsyncFnOnce(Worker<'_>, &mut Vec<Change>) -> Result<(), OfficeError>,
) -> Result<(), OfficeError> {
    let mut ends = office.turns.mail.lock().await;
    let Some(lease) = office.leases.turn(&**office.log(), Work::Mail).await? else { return Ok(()) };
    match work(Worker { office, mailer, lease: &lease }, &mut ends).await {
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

/// What is to be recorded of a mail that was read at a version.
#[derive(Debug)]
pub(crate) struct Change {
    id: MailId,
    version: StreamVersion,
    events: Vec<MailEvent>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recording {
    /// It is recorded.
    Done,
    /// Another writer was first: it is decided again on the newer state.
    Overtaken,
    /// It cannot be recorded.
    Stuck,
}

/// What came of messages that were due.
#[derive(Debug, Default)]
struct Attempted {
    /// Attempts made.
    made: usize,
    /// Messages at which another writer was first.
    overtaken: Vec<MailId>,
}

/// Why messages cannot be read back or recorded: they do not hold up the others.
type Stuck = Vec<OfficeError>;

/// One of them stands for all.
fn first(stuck: Stuck) -> Result<(), OfficeError> {
    stuck.into_iter().next().map_or(Ok(()), Err)
}

impl Worker<'_> {
    async fn deliver(self, from: &str, ends: &mut Vec<Change>, attempts: &mut usize) -> Result<(), OfficeError> {
        let mut stuck = self.recover(ends).await?;
        let mut tried = BTreeSet::new();
        // Where an attempt that is cut short is repeated anyway, many may be under way; elsewhere each that is would
        // end as unknown.
        let together = if self.mailer.idempotent() { TOGETHER_MAX } else { 1 };
        loop {
            let mut due = self.office.register().due_mails(self.office.now());
            // Once each: a register that has stopped at an event never shows what became of an attempt.
            due.retain(|id| tried.insert(*id));
            if due.is_empty() {
                return first(stuck);
            }
            for ids in due.chunks(together) {
                let Attempted { made, overtaken } = self.attempt(from, ids, ends, &mut stuck).await?;
                *attempts += made;
                tried.retain(|id| !overtaken.contains(id));
            }
            self.office.advance().await?;
        }
    }

    /// Settles the attempts that are open, by their outcome where that is known here. Under the lease no other node makes
    /// one, and this node takes one turn at a time: they were cut short, by a stop or by a store that was away.
    async fn recover(self, ends: &mut Vec<Change>) -> Result<Stuck, OfficeError> {
        let mut stuck = Stuck::new();
        self.end(ends, &mut stuck).await?;
        self.office.bring_level().await?;
        let interrupted = self.office.register().interrupted_mails();
        for id in &interrupted {
            match self.settle(*id).await {
                Err(error) if error.lies_in_the_event() => stuck.push(error),
                settled => settled?,
            }
        }
        if !interrupted.is_empty() {
            self.office.advance().await?;
        }
        Ok(stuck)
    }

    /// Settles the attempt at a message that was cut short.
    async fn settle(self, id: MailId) -> Result<(), OfficeError> {
        let (Some(mail), version) = self.office.records().mail(id).await? else { return Ok(()) };
        let events = mail.recover(self.mailer.idempotent());
        self.record(&[Change { id, version, events }]).await.map(drop)
    }

    /// Attempts these messages: all attempts are recorded, then made, then their ends recorded.
    async fn attempt(
        self,
        from: &str,
        ids: &[MailId],
        ends: &mut Vec<Change>,
        stuck: &mut Stuck,
    ) -> Result<Attempted, OfficeError> {
        let (mut mails, mut begun) = (Vec::new(), Vec::new());
        for id in ids {
            match self.office.records().mail(*id).await {
                Ok((Some(mail), version)) => {
                    if let Ok(events) = mail.start() {
                        begun.push(Change { id: *id, version, events });
                        mails.push(mail);
                    }
                }
                Ok((None, _)) => {}
                Err(error) if error.lies_in_the_event() => stuck.push(error),
                Err(error) => return Err(error),
            }
        }
        let recorded = self.record_each(&begun, stuck).await?;
        let mut attempted = Attempted::default();
        for ((mail, Change { id, version, events }), recorded) in mails.into_iter().zip(begun).zip(recorded) {
            match recorded {
                Recording::Done => {}
                Recording::Overtaken => {
                    attempted.overtaken.push(id);
                    continue;
                }
                Recording::Stuck => continue,
            }
            if !self.office.leases.still(&**self.office.log(), Work::Mail, self.lease).await? {
                let Lease { work, term } = self.lease.clone();
                return Err(LogError::Deposed { work, term }.into());
            }
            attempted.made += 1;
            let outcomes = self.send(from, &mail).await;
            let version = StreamVersion(version.0 + events.len() as u64);
            let Some(trying) = events.iter().fold(Some(mail), Mail::evolve) else { continue };
            let pause = jiff::SignedDuration::try_from(retry_delay(trying.attempts_in_row, id.0));
            let pause = pause.unwrap_or(jiff::SignedDuration::ZERO);
            let retry_at = self.office.now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
            match trying.end(outcomes, retry_at) {
                Ok(events) => ends.push(Change { id, version, events }),
                Err(refusal) => stuck.push(refusal.into()),
            }
        }
        self.end(ends, stuck).await?;
        Ok(attempted)
    }

    /// Records how attempts ended. Until the log has answered, that is kept: a mail that a server has taken is not to end
    /// as unknown because the store was away. If somebody else has settled it by then, its version tells.
    async fn end(self, ends: &mut Vec<Change>, stuck: &mut Stuck) -> Result<(), OfficeError> {
        self.record_each(ends, stuck).await?;
        ends.clear();
        Ok(())
    }

    async fn send(self, from: &str, mail: &Mail) -> Vec<RecipientOutcome> {
        let outgoing = OutgoingMail {
            message_id: mail.message.message_id.clone(),
            from: from.to_owned(),
            to: mail.message.to.clone(),
            subject: mail.message.subject.clone(),
            text: mail.message.text.clone(),
            html: None,
            date: self.office.now(),
        };
        self.mailer.send(&outgoing, &mail.unsettled()).await
    }

    /// Records changes of several mails in one batch, or else each by itself.
    async fn record_each(self, changes: &[Change], stuck: &mut Stuck) -> Result<Vec<Recording>, OfficeError> {
        if changes.len() > 1 {
            match self.record(changes).await {
                Ok(true) => return Ok(vec![Recording::Done; changes.len()]),
                Ok(false) => {}
                Err(error) if error.lies_in_the_event() => {}
                Err(error) => return Err(error),
            }
        }
        let mut recorded = Vec::new();
        for change in changes {
            recorded.push(match self.record(std::slice::from_ref(change)).await {
                Ok(true) => Recording::Done,
                Ok(false) => Recording::Overtaken,
                Err(error) if error.lies_in_the_event() => {
                    stuck.push(error);
                    Recording::Stuck
                }
                Err(error) => return Err(error),
            });
        }
        Ok(recorded)
    }

    /// Appends changes in one batch; false when another writer was first.
    async fn record(self, changes: &[Change]) -> Result<bool, OfficeError> {
        let mut draft = Draft::default();
        for Change { id, version, events } in changes {
            draft.write(stream::mail(*id), *version, events.iter().cloned());
        }
        let Some(first) = changes.first().filter(|_| !draft.is_empty()) else { return Ok(true) };
        let batch = Batch {
            id: Uuid::new_v5(&first.id.0, &first.version.0.to_be_bytes()),
            recorded_at: self.office.now(),
            actor: ACTOR.to_owned(),
            causation: None,
            correlation: None,
            idempotency: None,
            lease: Some(self.lease.clone()),
            writes: draft.into_writes(),
        };
        match self.office.log().append(batch).await {
            Ok(_) => Ok(true),
            Err(LogError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
