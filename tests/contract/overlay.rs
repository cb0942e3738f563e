//! What only an overlay promises: the base is read up to a fixed head and never written.

use std::sync::Arc;

use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::overlay::OverlayLog;
use bishui_infra::event_log::{EventLog, LogError, Position, StreamId, StreamVersion};

use crate::build::{at, positions, versions, write, writes};

/// Head of [`history`] that overlays stand on; the base goes on above it.
pub(crate) const HISTORY_HEAD: Position = Position(7);

fn plan() -> StreamId {
    StreamId::new("plan", "2026")
}

fn section() -> StreamId {
    StreamId::new("section", "a")
}

/// A base with five events of one stream and two of another, and three above the head of the overlay.
pub(crate) async fn history() -> Arc<dyn EventLog> {
    let base = MemoryLog::new();
    base.append(writes(900, [write(&plan(), at(0), 5), write(&section(), at(0), 2)])).await.unwrap();
    base.append(writes(901, [write(&plan(), at(5), 2), write(&section(), at(2), 1)])).await.unwrap();
    Arc::new(base)
}

#[tokio::test]
async fn versions_and_positions_go_on_from_the_base() {
    let base = history().await;
    let preview = OverlayLog::over(Arc::clone(&base), HISTORY_HEAD);
    let stale = preview.append(writes(1, [write(&plan(), at(7), 1)])).await;
    assert!(matches!(stale, Err(LogError::Conflict { actual: StreamVersion(5), .. })), "{stale:?}");
    let appended = preview.append(writes(2, [write(&plan(), at(5), 1), write(&section(), at(2), 1)])).await.unwrap();
    assert_eq!((appended.first, appended.last), (Position(8), Position(9)));
    assert_eq!(versions(&preview, &plan()).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(versions(&preview, &section()).await, [1, 2, 3]);
    assert_eq!(positions(&preview, 0).await, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn reading_crosses_from_the_base_to_the_top_within_the_limit() {
    let preview = OverlayLog::over(history().await, HISTORY_HEAD);
    preview.append(writes(1, [write(&plan(), at(5), 3)])).await.unwrap();
    let read = preview.read_all(Position(5), 3).await.unwrap();
    assert_eq!(read.iter().map(|event| event.position.0).collect::<Vec<_>>(), [6, 7, 8]);
    let read = preview.read_stream(&plan(), StreamVersion(4), 2).await.unwrap();
    assert_eq!(read.iter().map(|event| event.version.0).collect::<Vec<_>>(), [5, 6]);
}

#[tokio::test]
async fn the_base_is_left_as_it_was() {
    let base = history().await;
    base.move_checkpoint("mail", Position(0), Position(3)).await.unwrap();
    let preview = OverlayLog::over(Arc::clone(&base), HISTORY_HEAD);
    preview.append(writes(1, [write(&plan(), at(5), 3)])).await.unwrap();
    preview.move_checkpoint("mail", Position(3), Position(8)).await.unwrap();
    assert_eq!(preview.checkpoint("mail").await.unwrap(), Position(8));
    assert_eq!(base.checkpoint("mail").await.unwrap(), Position(3));
    assert_eq!(base.head().await.unwrap(), Position(10));
    assert_eq!(versions(&*base, &plan()).await, [1, 2, 3, 4, 5, 6, 7]);
}
