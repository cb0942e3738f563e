//! Escalation process: after the facts of a county, what the record demands and is not recorded yet (R4–R6, R8).

use bishui_domain::county::CountyEvent;
use bishui_domain::escalation::decide;
use bishui_infra::event_log::Recorded;

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::{Draft, stream};

pub(super) async fn step(office: &Office, causes: &[&Recorded], draft: &mut Draft) -> Result<(), OfficeError> {
    for county in super::counties_of(causes, CountyEvent::is_fact)? {
        let (state, version) = office.records.county(&county).await?;
        draft.write(stream::county(&county), version, decide(&state));
    }
    Ok(())
}
