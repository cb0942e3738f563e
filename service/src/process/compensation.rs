//! Compensation process: charges for each published month, reversed and charged anew by corrections (R7, R8).

use bishui_domain::compensation::decide;
use bishui_domain::county::CountyEvent;
use bishui_infra::event_log::Recorded;

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::{Draft, stream};

pub(super) async fn step(office: &Office, causes: &[&Recorded], draft: &mut Draft) -> Result<(), OfficeError> {
    let judged =
        |event: &CountyEvent| matches!(event, CountyEvent::RoundJudged { .. } | CountyEvent::RoundRejudged { .. });
    for county in super::counties_of(causes, judged)? {
        let (record, record_version) = office.records.county(&county).await?;
        let (account, version) = office.records.compensation(&county).await?;
        draft.require(stream::county(&county), record_version);
        draft.write(stream::compensation(&county), version, decide(&record, &account));
    }
    Ok(())
}
