//! A log that was restored: its processes take up where they stood, and every decision in it is derived again.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bishui_domain::calendar::WorkCalendar;
use bishui_infra::event_log::overlay::OverlayLog;
use bishui_infra::event_log::{EventLog, Position};
use strum::IntoEnumIterator as _;

use crate::clock::SystemClock;
use crate::error::OfficeError;
use crate::office::{Office, Settings};
use crate::process::Process;
use crate::replay::{Replayed, replay};

/// Sets the checkpoints of a log that was restored and replays it. The log may end between an act and what follows from
/// it, so the processes first take the steps that are outstanding, on a copy that is thrown away: the log itself gets
/// them when an office opens it.
///
/// # Errors
/// The log cannot be read, or holds an event that is none of this program's.
pub async fn take_up(log: Arc<dyn EventLog>, calendar: Arc<WorkCalendar>) -> Result<Replayed, OfficeError> {
    set_checkpoints(log.as_ref()).await?;
    let head = log.head().await?;
    let copy: Arc<dyn EventLog> = Arc::new(OverlayLog::over(log, head));
    let clock = Arc::new(SystemClock::default());
    Office::new(Arc::clone(&copy), clock, calendar, Settings::default()).follow_through().await?;
    replay(copy.as_ref(), |_| ()).await
}

/// A backup holds events, no checkpoints, and so does a log that was moved. A process answers events in their order, so it is done with everything up to
/// the cause of its last step; what it saw after that and left alone it sees again, as after a crash.
pub(crate) async fn set_checkpoints(log: &dyn EventLog) -> Result<(), OfficeError> {
    let (start, end) = (Position(0), Position(u64::MAX));
    let mut causes = HashMap::new();
    log.replay(start, end, &mut |event| {
        let cause = event.causation.filter(|_| event.actor.starts_with("process/"));
        if let Some(cause) = cause {
            causes.insert(event.actor.to_owned(), cause);
        }
        ControlFlow::Continue(())
    })
    .await?;
    let mut places = HashMap::new();
    log.replay(start, end, &mut |event| {
        let id = event.id();
        let caused = causes.iter().filter(|(_, cause)| **cause == id);
        places.extend(caused.map(|(process, _)| (process.clone(), event.position)));
        ControlFlow::Continue(())
    })
    .await?;
    for process in Process::iter() {
        let name = process.checkpoint();
        if let Some(place) = places.get(&name) {
            let stored = log.checkpoint(&name).await?;
            log.move_checkpoint(&name, stored, *place).await?;
        }
    }
    Ok(())
}
