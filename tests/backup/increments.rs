//! Writing: increments, exports, backups while others write, and directories that are refused.

use std::sync::Arc;

use bishui_infra::backup::{BackupError, EVENTS_DIR, MANIFEST_FILE, Reader, Writer, verify};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_tests::letters;
use tokio::task::JoinSet;

use crate::world::{PART_BYTES, World, all, attachments, content, manifest, restored};

#[tokio::test]
async fn increments_hold_what_one_export_holds_byte_for_byte() {
    let world = World::new();
    let mut added = 0;
    for (first, last) in [(1, 10), (11, 25), (26, 26), (27, 90)] {
        world.append(first, last).await;
        let written = world.back_up("increments").await.unwrap();
        added += written.events_added;
        assert_eq!(written.events, world.log.head().await.unwrap().0);
        assert_eq!(written.events, added);
    }
    let exported = world.export("export").await.unwrap();
    let (increments, export) = (world.path("increments"), world.path("export"));
    assert!(manifest(&increments).parts.len() > manifest(&export).parts.len());
    assert!(exported.parts_added > 3, "{exported:?}");
    assert_eq!(content(&increments), content(&export));
    assert_eq!(manifest(&increments).root, manifest(&export).root);
    let names = |dir| attachments(dir).iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&increments), names(&export));
    assert_eq!(names(&export).len() as u64, 90 / letters::REPORT_EVERY);
    assert_eq!(verify(Reader::open(&increments).unwrap()).unwrap().events, exported.events);
}

#[tokio::test]
async fn parts_hold_whole_batches() {
    let world = World::with_batches(90).await;
    world.export("export").await.unwrap();
    let events = world.events().await;
    for part in manifest(&world.path("export")).parts {
        let first = usize::try_from(part.first - 1).unwrap();
        assert_eq!((events[first].position.0, events[first].place), (part.first, 0));
    }
}

#[tokio::test]
async fn a_backup_without_news_changes_nothing() {
    let world = World::with_batches(20).await;
    world.back_up("backup").await.unwrap();
    let path = world.path("backup").join(MANIFEST_FILE);
    let before = std::fs::read(&path).unwrap();
    let written = world.back_up("backup").await.unwrap();
    assert_eq!((written.events_added, written.parts_added), (0, 0));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_manifest_has_this_shape() {
    let world = World::with_batches(8).await;
    world.back_up("backup").await.unwrap();
    insta::assert_snapshot!("manifest", std::fs::read_to_string(world.path("backup").join(MANIFEST_FILE)).unwrap());
    let first = content(&world.path("backup")).split(|byte| *byte == b'\n').next().unwrap().to_vec();
    insta::assert_snapshot!("line", String::from_utf8(first).unwrap());
}

#[tokio::test]
async fn a_log_without_events_has_a_backup_that_is_gone_on_with() {
    let world = World::new();
    assert_eq!(world.back_up("backup").await.unwrap().events, 0);
    let (log, _) = restored(&world.path("backup"), bishui_infra::backup::Until::End).await.unwrap();
    assert_eq!(log.head().await.unwrap(), Position(0));
    world.append(1, 3).await;
    assert_eq!(world.back_up("backup").await.unwrap().events_added, world.log.head().await.unwrap().0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_others_write_is_a_log_up_to_some_batch() {
    let store = tempfile::tempdir().unwrap();
    let world = World::on(Arc::new(SledLog::open(store.path()).unwrap()));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (log, originals) = (Arc::clone(&world.log), world.originals.clone());
        writers.spawn(async move {
            let numbers = (writer * 50 + 1)..=(writer * 50 + 50);
            letters::append(log.as_ref(), &originals, numbers).await.unwrap();
        });
    }
    let mut backups = 0;
    loop {
        let done = writers.is_empty();
        let written = world.back_up("backup").await.unwrap();
        let (log, _) = restored(&world.path("backup"), bishui_infra::backup::Until::End).await.unwrap();
        let restored = all(&log).await;
        assert_eq!(restored.len() as u64, written.events);
        assert_eq!(restored, world.log.read_all(Position(0), restored.len()).await.unwrap());
        backups += 1;
        if done {
            break;
        }
        while writers.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    assert_eq!(all(world.log.as_ref()).await.len() as u64, manifest(&world.path("backup")).events);
    assert!(backups > 1, "a backup was taken before the writers were done");
}

#[tokio::test]
async fn a_backup_of_another_log_or_of_one_that_lost_events_is_refused() {
    let world = World::with_batches(20).await;
    world.back_up("backup").await.unwrap();
    let before = content(&world.path("backup"));
    let (other, shorter) = (MemoryLog::new(), MemoryLog::new());
    letters::append(&other, &world.originals, 2..=40).await.unwrap();
    letters::append(&shorter, &world.originals, 1..=19).await.unwrap();
    for log in [other, shorter, MemoryLog::new()] {
        let writer = Writer::open(&world.path("backup"), world.originals.clone(), PART_BYTES).unwrap();
        let refused = bishui_infra::backup::write(&log, writer).await.unwrap_err();
        assert!(matches!(refused, BackupError::OtherLog { .. }), "{refused}");
    }
    world.append(21, 22).await;
    world.back_up("backup").await.unwrap();
    assert!(content(&world.path("backup")).starts_with(&before));
}

#[tokio::test]
async fn a_directory_that_is_used_otherwise_is_refused() {
    let world = World::with_batches(5).await;
    world.export("export").await.unwrap();
    assert!(matches!(world.export("export").await, Err(BackupError::Exists { .. })));
    std::fs::create_dir(world.path("other")).unwrap();
    std::fs::write(world.path("other").join("a"), "a").unwrap();
    assert!(matches!(world.back_up("other").await, Err(BackupError::Occupied { .. })));
    let theirs = world.path("theirs").join(EVENTS_DIR).join("party.txt");
    std::fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    std::fs::write(&theirs, "a").unwrap();
    assert!(matches!(world.back_up("theirs").await, Err(BackupError::Occupied { .. })));
    assert!(theirs.is_file(), "what is not ours is left alone");
    let held = Writer::open(&world.path("export"), world.originals.clone(), PART_BYTES).unwrap();
    assert!(matches!(world.back_up("export").await, Err(BackupError::Busy { .. })));
    drop(held);
    world.back_up("export").await.unwrap();
}

#[tokio::test]
async fn an_attachment_that_is_missing_stops_the_backup_before_the_part_that_names_it() {
    let world = World::with_batches(6).await;
    world.back_up("backup").await.unwrap();
    world.append(7, 8).await;
    std::fs::remove_dir_all(world.originals.dir()).unwrap();
    let before = manifest(&world.path("backup"));
    assert!(matches!(world.back_up("backup").await, Err(BackupError::Attachment(_))));
    assert_eq!(manifest(&world.path("backup")), before);
    assert_eq!(std::fs::read_dir(world.path("backup").join(EVENTS_DIR)).unwrap().count(), before.parts.len());
    verify(Reader::open(&world.path("backup")).unwrap()).unwrap();
}
