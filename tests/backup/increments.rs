//! Writing: increments, exports, backups while others write, and directories that are refused.

use std::sync::Arc;

use bishui_infra::backup::{ATTACHMENTS_DIR, BackupError, EVENTS_DIR, MANIFEST_FILE, Reader, Writer, verify};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, EventRef, LogError, Position};
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
    for (number, name) in ["party.txt", "2020.ndjson", ".tmp", ".tmp-notes"].iter().enumerate() {
        let theirs = world.path(&format!("theirs {number}"));
        let file = theirs.join(EVENTS_DIR).join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "a").unwrap();
        let refused = world.back_up(&format!("theirs {number}")).await;
        assert!(matches!(refused, Err(BackupError::Occupied { .. })), "{name}: {refused:?}");
        assert!(file.is_file(), "what is not ours is left alone");
    }
    let held = Writer::open(&world.path("export"), world.originals.clone(), PART_BYTES).unwrap();
    assert!(matches!(world.back_up("export").await, Err(BackupError::Busy { .. })));
    drop(held);
    world.back_up("export").await.unwrap();
}

#[tokio::test]
async fn a_backup_that_has_lost_its_manifest_or_has_more_than_it_lists_is_left_alone() {
    let world = World::with_batches(40).await;
    for (name, until) in [("one part", 5), ("several parts", 40)] {
        let (log, dir) = (MemoryLog::new(), world.path(name));
        letters::append(&log, &world.originals, 1..=until).await.unwrap();
        let open = || Writer::open(&dir, world.originals.clone(), PART_BYTES);
        bishui_infra::backup::write(&log, open().unwrap()).await.unwrap();
        let (before, manifest) = (content(&dir), manifest(&dir));
        let text = std::fs::read(dir.join(MANIFEST_FILE)).unwrap();
        std::fs::remove_file(dir.join(MANIFEST_FILE)).unwrap();
        let refused = open().err();
        assert!(
            matches!(&refused, Some(BackupError::Damaged { path, .. }) if path.ends_with(MANIFEST_FILE)),
            "{refused:?}"
        );
        std::fs::write(dir.join(MANIFEST_FILE), text).unwrap();
        assert_eq!(content(&dir), before);
        // A part that was being written may be there, and is written again; what would come after it is not ours.
        let next = dir.join(EVENTS_DIR).join(format!("{:020}.ndjson", manifest.events + 1));
        let beyond = dir.join(EVENTS_DIR).join(format!("{:020}.ndjson", manifest.events + 2));
        for path in [&next, &beyond] {
            std::fs::write(path, "a").unwrap();
        }
        let refused = open().err();
        assert!(matches!(&refused, Some(BackupError::Damaged { path, .. }) if *path == beyond), "{refused:?}");
        assert!(next.is_file() && beyond.is_file(), "nothing is removed");
        std::fs::remove_file(&beyond).unwrap();
        letters::append(&log, &world.originals, until + 1..=until + 1).await.unwrap();
        bishui_infra::backup::write(&log, open().unwrap()).await.unwrap();
        assert_eq!(verify(Reader::open(&dir).unwrap()).unwrap().events, log.head().await.unwrap().0);
    }
}

#[tokio::test]
async fn attachments_that_are_lost_are_named_and_tried_again_and_the_rest_is_backed_up() {
    let world = World::with_batches(6).await;
    world.back_up("backup").await.unwrap();
    let report = letters::REPORT_EVERY;
    world.append(7, 5 * report).await;
    let path = |number| world.originals.path(bishui_infra::attachments::hash(&letters::attached(number)));
    std::fs::remove_file(path(report)).unwrap();
    std::fs::write(path(2 * report), "别的").unwrap();
    std::fs::remove_file(path(3 * report)).unwrap();
    std::fs::create_dir(path(3 * report)).unwrap();
    let written = world.back_up("backup").await.unwrap();
    assert_eq!((written.events, written.attachments), (world.log.head().await.unwrap().0, 2));
    let names: Vec<_> = written.lost.iter().map(|lost| lost.name.clone()).collect();
    assert_eq!(names, [1, 2, 3].map(|times| format!("报告 {}.txt", times * report)));
    assert_eq!(manifest(&world.path("backup")).missing, written.lost);
    let verified = verify(Reader::open(&world.path("backup")).unwrap()).unwrap();
    assert_eq!(verified.lost.len(), 3, "{:?}", verified.lost);
    world.originals.put(&letters::attached(2 * report)).unwrap();
    let again = world.back_up("backup").await.unwrap();
    assert_eq!((again.events_added, again.attachments, again.lost.len()), (0, 1, 2));
    std::fs::remove_dir(path(3 * report)).unwrap();
    letters::put_attachments(&world.originals, 1..=5 * report);
    assert_eq!(world.back_up("backup").await.unwrap().lost, []);
    assert_eq!(verify(Reader::open(&world.path("backup")).unwrap()).unwrap().lost, []);
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_stops_the_backup_before_the_part_that_names_it() {
    let world = World::with_batches(6).await;
    world.back_up("backup").await.unwrap();
    world.append(7, 8).await;
    std::fs::write(world.path("backup").join(ATTACHMENTS_DIR), "no directory").unwrap();
    let before = manifest(&world.path("backup"));
    assert!(matches!(world.back_up("backup").await, Err(BackupError::Attachment(_))));
    assert_eq!(manifest(&world.path("backup")), before);
    assert_eq!(std::fs::read_dir(world.path("backup").join(EVENTS_DIR)).unwrap().count(), before.parts.len());
}

#[tokio::test]
async fn a_log_that_gives_fewer_events_than_it_has_is_not_taken_for_whole() {
    let world = World::with_batches(6).await;
    let (events, head) = (world.events().await, world.log.head().await.unwrap());
    let mut writer = Writer::open(&world.path("backup"), world.originals.clone(), PART_BYTES).unwrap();
    for event in &events[..events.len() - 1] {
        writer.take(&EventRef::from(event)).unwrap();
    }
    let refused = writer.finish(head);
    assert!(matches!(refused, Err(BackupError::Log(LogError::Corrupt { .. }))), "{refused:?}");
    assert_eq!(manifest(&world.path("backup")).events, 0);
    assert_eq!(world.back_up("backup").await.unwrap().events, head.0);
}
