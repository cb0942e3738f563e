//! Restoring: the same events in another store, up to every position and every instant.

use bishui_infra::attachments::{Attachments, hash};
use bishui_infra::backup::{BackupError, Loss, Reader, Until, restore};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use bishui_tests::letters;
use jiff::SignedDuration;

use crate::world::{World, all, restored};

/// The events of whole batches that `admits` their last event; `admits` must hold for a prefix.
fn prefix(events: &[Recorded], admits: impl Fn(&Recorded) -> bool) -> &[Recorded] {
    let mut end = 0;
    for batch in events.chunk_by(|before, after| before.batch == after.batch) {
        if !batch.last().is_some_and(&admits) {
            break;
        }
        end += batch.len();
    }
    &events[..end]
}

#[tokio::test]
async fn a_log_goes_from_memory_into_the_embedded_store_and_stays_the_same() {
    let world = World::with_batches(90).await;
    let written = world.export("export").await.unwrap();
    let (store, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copies = Attachments::at(copies.path());
    let log = SledLog::open(store.path()).unwrap();
    let reader = Reader::open(&world.path("export")).unwrap();
    let restored = restore(reader, Until::End, Loss::Refused, &log, &copies).await.unwrap();
    assert_eq!((restored.events, restored.root), (written.events, written.root));
    assert_eq!(restored.attachments, 90 / letters::REPORT_EVERY);
    assert_eq!(all(&log).await, world.events().await);
    for number in (letters::REPORT_EVERY..=90).step_by(7) {
        assert_eq!(copies.get(hash(&letters::attached(number))).unwrap(), letters::attached(number));
    }
    log.verify().unwrap();
    drop(log);
    let log = SledLog::open(store.path()).unwrap();
    assert_eq!(all(&log).await, world.events().await);
    // A request that was answered before the restore is still known, and the log goes on.
    let repeated = log.append(letters::batch(3)).await.unwrap();
    assert!(repeated.duplicate);
    let head = log.head().await.unwrap();
    assert_eq!(log.append(letters::batch(91)).await.unwrap().first, Position(head.0 + 1));
}

#[tokio::test]
async fn a_log_restored_to_a_position_is_the_prefix_of_whole_batches() {
    let world = World::with_batches(40).await;
    world.export("export").await.unwrap();
    let events = world.events().await;
    for position in (0..=events.len() as u64).map(Position) {
        let (log, _) = restored(&world.path("export"), Until::Position(position)).await.unwrap();
        assert_eq!(all(&log).await, prefix(&events, |last| last.position <= position), "{position}");
    }
    let beyond = Until::Position(Position(events.len() as u64 + 1));
    assert!(matches!(restored(&world.path("export"), beyond).await, Err(BackupError::TooShort { .. })));
}

#[tokio::test]
async fn a_log_restored_to_an_instant_is_the_prefix_recorded_by_then() {
    let world = World::with_batches(30).await;
    world.export("export").await.unwrap();
    let events = world.events().await;
    for number in 0..=31 {
        for time in [letters::recorded_at(number), letters::recorded_at(number) - SignedDuration::from_nanos(1)] {
            let (log, _) = restored(&world.path("export"), Until::Time(time)).await.unwrap();
            assert_eq!(all(&log).await, prefix(&events, |last| last.recorded_at <= time), "{time}");
        }
    }
}

#[tokio::test]
async fn a_log_with_events_is_left_alone() {
    let world = World::with_batches(5).await;
    world.export("export").await.unwrap();
    let log = MemoryLog::new();
    letters::append(&log, &world.originals, 9..=9).await.unwrap();
    let before = all(&log).await;
    let reader = Reader::open(&world.path("export")).unwrap();
    let refused = restore(reader, Until::End, Loss::Refused, &log, &world.originals).await;
    assert!(matches!(refused, Err(BackupError::NotEmpty { .. })));
    assert_eq!(all(&log).await, before);
}
