//! Deadlines: reminders fire once on their day, whatever restarts in between (R9).

use bishui_domain::ids::NoticeId;
use bishui_infra::event_log::{Batch, Lease, LogError};
use jiff::civil::Date;
use uuid::Uuid;

use crate::error::OfficeError;
use crate::lease::Work;
use crate::office::Office;
use crate::records::{Draft, stream};

/// Fires every reminder that is due today, late ones in the order of their days, and gives the processes their turn.
/// Nothing is done while another node has this work.
///
/// # Errors
/// A failure of the store.
pub async fn fire_due(office: &Office) -> Result<(), OfficeError> {
    let _turn = office.turns.deadlines.lock().await;
    office.advance().await?;
    let Some(lease) = office.leases.turn(&**office.log(), Work::Deadlines).await? else { return Ok(()) };
    match fire(office, &lease).await {
        Err(OfficeError::Log(LogError::Deposed { .. })) => office.leases.lost(Work::Deadlines),
        fired => {
            let ended = office.leases.done(&**office.log(), Work::Deadlines, &lease).await;
            fired?;
            ended?;
        }
    }
    office.advance().await
}

async fn fire(office: &Office, lease: &Lease) -> Result<(), OfficeError> {
    let today = office.today();
    let due = office.register().notices_to_remind(today);
    let mut stuck = None;
    for id in due {
        match remind(office, lease, id, today).await {
            // A notice that cannot be read back does not hold up the others.
            Err(error) if error.lies_in_the_event() => {
                stuck.get_or_insert(error);
            }
            fired => fired?,
        }
    }
    stuck.map_or(Ok(()), Err)
}

async fn remind(office: &Office, lease: &Lease, id: NoticeId, today: Date) -> Result<(), OfficeError> {
    let (notice, version) = office.existing_notice(id).await?;
    let mut draft = Draft::default();
    draft.write(stream::notice(id), version, notice.due_reminders(today));
    if draft.is_empty() {
        return Ok(());
    }
    let batch = Batch {
        id: Uuid::new_v5(&id.0, &version.0.to_be_bytes()),
        recorded_at: office.now(),
        actor: "process/deadlines".to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: Some(lease.clone()),
        writes: draft.into_writes(),
    };
    match office.log().append(batch).await {
        // Whoever was first has fired it, or has changed what is due.
        Ok(_) | Err(LogError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
