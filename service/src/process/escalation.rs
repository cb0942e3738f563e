//! Escalation process: after each fact of a county, what the record demands and is not recorded yet (R4–R6, R8).

use bishui_domain::escalation::decide;
use bishui_domain::event::Event;
use bishui_infra::codec;
use bishui_infra::event_log::Recorded;

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::Draft;

pub(super) async fn step(office: &Office, cause: &Recorded) -> Result<Draft, OfficeError> {
    let mut draft = Draft::default();
    let Event::County(event) = codec::decode(cause)? else { return Ok(draft) };
    if event.is_fact() && !event.is_unfinished() {
        let county = super::county_of(cause)?;
        let (state, version) = office.records.county(&county).await?;
        draft.write(cause.stream.clone(), version, decide(&state));
    }
    Ok(draft)
}
