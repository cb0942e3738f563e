//! Recorded events with their envelopes, for auditors.

use bishui_infra::event_log::{EventLog, Position, Recorded};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::OfficeError;

/// Most events in one answer.
pub const EVENTS_MAX: usize = 1_000;

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events, payloads exactly as recorded.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Recorded>,
    /// The newest position of the log.
    #[schema(value_type = u64)]
    pub head: Position,
}

/// At most `limit` events after a position.
///
/// # Errors
/// A failure of the store.
pub async fn events(log: &dyn EventLog, after: Position, limit: usize) -> Result<EventPage, OfficeError> {
    let events = log.read_all(after, limit.clamp(1, EVENTS_MAX)).await?;
    Ok(EventPage { events, head: log.head().await? })
}
