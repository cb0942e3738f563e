//! Repairs that accept loss: they say what was damaged and how many events that cost, whatever is left to tell it.

use std::sync::Arc;

use bishui_infra::disk::Disk;
use bishui_infra::event_log::sled::{Repaired, repair, repair_on};
use bishui_infra::event_log::{EventLog, LogError, Position};
use bishui_tests::forgetful_disk::ForgetfulDisk;

use crate::open;
use crate::unaided::{Store, used};

/// Events of the store in its first segment that are a batch of their own.
const FIRST: u64 = 4;

/// Repairs; what is there then is the beginning of what was, and takes writes.
async fn repaired(disk: &ForgetfulDisk, store: &Store) -> Repaired {
    let journal: Arc<dyn Disk> = Arc::new(disk.clone());
    let refused = repair_on(&journal, store.path(), false);
    assert!(matches!(refused, Err(LogError::Corrupt { .. })), "{refused:?}");
    let repaired = repair_on(&journal, store.path(), true).unwrap();
    let log = open(disk, store.path()).unwrap();
    let kept = log.read_all(Position(0), usize::MAX).await.unwrap();
    assert_eq!(kept[..], store.events[..kept.len()]);
    assert_eq!(kept.len() as u64, repaired.head.0);
    log.append(crate::faults::tiny(50)).await.unwrap();
    repaired
}

fn assert_damaged(repaired: &Repaired, head: u64, lost: u64, words: &str) {
    assert_eq!((repaired.head.0, repaired.lost), (head, lost), "{repaired:?}");
    let damage = repaired.damage.as_deref().unwrap_or_default();
    assert!(damage.contains(words), "{damage}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_segment_and_what_followed_it_are_counted() {
    for aided in [true, false] {
        let store = Store::new().await;
        let all = store.events.len() as u64;
        if !aided {
            store.lose_index();
        }
        let disk = store.disk.copy();
        disk.lose(&store.segments[0]);
        assert_damaged(&repaired(&disk, &store).await, 0, all, "segment 1 of the journal is missing");
        let kept = disk.files("0000000002-0-1.bytes");
        assert_eq!(used(&disk, &kept[0]), used(&store.disk, &store.segments[1]), "it is kept whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_segment_before_one_that_was_ready_is_damage() {
    let store = Store::new().await;
    let all = store.events.len() as u64;
    store.disk.lose(&store.segments[1]);
    assert_damaged(&repaired(&store.disk, &store).await, FIRST, all - FIRST, "segment 2 of the journal is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_was_cut_is_damage() {
    let store = Store::new().await;
    let all = store.events.len() as u64;
    store.lose_index();
    store.disk.damage(&store.segments[1], |bytes| bytes.truncate(1_000_000));
    let repaired = repaired(&store.disk, &store).await;
    // The batch in two segments is whole before the cut; what was behind it is nowhere.
    assert_damaged(&repaired, FIRST + 2, 0, "segment 2 was cut after 1000000 bytes");
    assert!(all > repaired.head.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_behind_the_damage_are_counted_without_the_index() {
    let store = Store::new().await;
    let all = store.events.len() as u64;
    store.lose_index();
    store.disk.damage(&store.segments[0], |bytes| bytes[500_000] ^= 1);
    assert_damaged(&repaired(&store.disk, &store).await, FIRST, all - FIRST, "is damaged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_only_the_index_knows_are_counted() {
    let store = Store::new().await;
    let all = store.events.len() as u64;
    store.disk.damage(&store.segments[1], |bytes| bytes.fill(0));
    store.disk.damage(&store.segments[0], |bytes| bytes[200_000..].fill(0));
    let repaired = repaired(&store.disk, &store).await;
    assert_eq!(repaired, Repaired { head: Position(FIRST), lost: all - FIRST, damage: None });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sector_that_cannot_be_read_is_damage_there_and_nowhere_else() {
    let store = Store::new().await;
    let all = store.events.len() as u64;
    store.lose_index();
    store.disk.wear_out(&store.segments[1], 1_000_448..1_000_960);
    let opened = open(&store.disk, store.path()).map(drop);
    let named = matches!(&opened, Err(LogError::Corrupt { what }) if what.starts_with("segment 2 at"));
    assert!(named, "{opened:?}");
    assert_damaged(&repaired(&store.disk, &store).await, FIRST + 2, all - FIRST - 2, "the disk cannot read");
}

#[test]
fn a_directory_without_a_store_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("letter.txt"), b"not a store").unwrap();
    for accept_loss in [false, true] {
        let refused = repair(directory.path(), accept_loss);
        assert!(matches!(refused, Err(LogError::Unavailable { .. })), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
