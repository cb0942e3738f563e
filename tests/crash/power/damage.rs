//! Damage done to the journal's files: each byte of a small log flipped, tails torn off, segments cut and lost. The log
//! says so or is the same as before; it never goes on without something.

use bishui_infra::event_log::sled::{SledLog, repair};
use bishui_infra::event_log::{EventLog, LogError, Position, Recorded};
use bishui_tests::forgetful_disk::ForgetfulDisk;

use crate::faults::large;
use crate::open;
use crate::work::write;

/// A closed store, its events, and where they are on the disk.
struct Closed {
    disk: ForgetfulDisk,
    directory: tempfile::TempDir,
    events: Vec<Recorded>,
}

async fn closed(batches: u64) -> Closed {
    let disk = ForgetfulDisk::new();
    let directory = tempfile::tempdir().unwrap();
    let log = open(&disk, directory.path()).unwrap();
    write(log.clone(), 3, batches).await;
    let events = log.read_all(Position(0), usize::MAX).await.unwrap();
    Closed { disk, directory, events }
}

/// What opening and a full check of `disk` say; the events when they find nothing.
async fn looked_at(disk: &ForgetfulDisk, closed: &Closed) -> Result<Vec<Recorded>, LogError> {
    let log = open(disk, closed.directory.path())?;
    log.verify()?;
    log.read_all(Position(0), usize::MAX).await
}

/// The damage is named, or there is none.
#[track_caller]
fn assert_not_silent(outcome: Result<Vec<Recorded>, LogError>, closed: &Closed, what: &str) -> bool {
    match outcome {
        Ok(events) => {
            assert!(events == closed.events, "{what}: other events, and not a word");
            false
        }
        Err(LogError::Corrupt { .. }) => true,
        Err(error) => panic!("{what}: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flipped_byte_is_passed_over() {
    let closed = small().await;
    let segment = closed.disk.files(".seg").remove(0);
    let mut used = 0;
    closed.disk.damage(&segment, |bytes| used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    let mut named = 0;
    for at in 0..used {
        let disk = closed.disk.copy();
        disk.damage(&segment, |bytes| bytes[at] ^= 1 << (at % 8));
        named += usize::from(assert_not_silent(looked_at(&disk, &closed).await, &closed, &format!("byte {at}")));
    }
    assert_eq!(named, used, "every byte in use is part of the proof");
}

/// A store of a few small events.
async fn small() -> Closed {
    let disk = ForgetfulDisk::new();
    let directory = tempfile::tempdir().unwrap();
    let log = open(&disk, directory.path()).unwrap();
    for number in 0..4 {
        let before = log.checkpoint("a").await.unwrap();
        log.append(crate::faults::tiny(number)).await.unwrap();
        log.move_checkpoint("a", before, Position(u64::try_from(number).unwrap() + 1)).await.unwrap();
    }
    let events = log.read_all(Position(0), usize::MAX).await.unwrap();
    Closed { disk, directory, events }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_off_tail_is_named() {
    let closed = closed(6).await;
    let segment = closed.disk.files(".seg").remove(0);
    for at in (32..1 << 20).step_by(40_961) {
        let disk = closed.disk.copy();
        disk.damage(&segment, |bytes| bytes[at..].fill(0));
        assert_not_silent(looked_at(&disk, &closed).await, &closed, &format!("zeros from {at}"));
        let disk = closed.disk.copy();
        disk.damage(&segment, |bytes| bytes.truncate(at));
        let cut = looked_at(&disk, &closed).await.map(|events| events.len());
        assert!(matches!(cut, Err(LogError::Corrupt { .. })), "cut at {at}: {cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_segment_is_named() {
    let closed = closed(40).await;
    let segments = closed.disk.files(".seg");
    assert!(segments.len() > 2, "{segments:?}");
    let used = segments.iter().filter(|path| {
        let mut used = false;
        closed.disk.damage(path, |bytes| used = bytes.iter().any(|byte| *byte != 0));
        used
    });
    for segment in used {
        let disk = closed.disk.copy();
        disk.lose(segment);
        let lost = looked_at(&disk, &closed).await.map(|events| events.len());
        assert!(matches!(lost, Err(LogError::Corrupt { .. })), "{}: {lost:?}", segment.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_of_zeros_before_others_is_named_without_the_index_too() {
    let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
    open(&disk, directory.path()).unwrap().append(large()).await.unwrap();
    let segments = disk.files(".seg");
    disk.damage(&segments[1], |bytes| bytes.fill(0));
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    let opened = open(&disk, directory.path()).map(drop);
    let named =
        matches!(&opened, Err(LogError::Corrupt { what }) if what == "segment 2 is empty, and segment 3 is in use");
    assert!(named, "{opened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_grew_is_mended_and_what_grew_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    write(log.clone(), 5, 6).await;
    let events = log.read_all(Position(0), usize::MAX).await.unwrap();
    drop(log);
    let segment = directory.path().join("journal/0000000001.seg");
    let grown = [std::fs::read(&segment).unwrap(), b"what nobody wrote".to_vec()].concat();
    std::fs::write(&segment, grown).unwrap();
    assert!(matches!(SledLog::open(directory.path()).map(drop), Err(LogError::Corrupt { .. })));
    assert!(matches!(repair(directory.path(), false), Err(LogError::Corrupt { .. })));
    let repaired = repair(directory.path(), true).unwrap();
    assert_eq!((repaired.head.0, repaired.damage), (events.len() as u64, None));
    let kept = std::fs::read(directory.path().join("dropped/0000000001-1048576-1.bytes")).unwrap();
    assert_eq!(kept, b"what nobody wrote");
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(log.read_all(Position(0), usize::MAX).await.unwrap(), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_makes_the_index_again_and_cuts_damage_only_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    write(log.clone(), 5, 6).await;
    let events = log.read_all(Position(0), usize::MAX).await.unwrap();
    drop(log);
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    let repaired = repair(directory.path(), false).unwrap();
    assert_eq!((repaired.head.0, repaired.damage), (events.len() as u64, None));

    let segment = directory.path().join("journal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let refused = repair(directory.path(), false);
    assert!(matches!(&refused, Err(LogError::Corrupt { what }) if what.contains("can be kept")), "{refused:?}");
    assert!(matches!(SledLog::open(directory.path()).map(drop), Err(LogError::Corrupt { .. })));
    let repaired = repair(directory.path(), true).unwrap();
    let lost = events.len() as u64 - repaired.head.0;
    assert!(repaired.damage.is_some() && lost > 0 && repaired.lost == lost, "{repaired:?}");
    let log = SledLog::open(directory.path()).unwrap();
    let kept = log.read_all(Position(0), usize::MAX).await.unwrap();
    assert_eq!(kept[..], events[..kept.len()]);
    assert_eq!(kept.len() as u64, repaired.head.0);
    assert!(!write(log, 6, 2).await.is_empty(), "it takes writes again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_cannot_be_had_is_left_as_it_is() {
    let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
    write(open(&disk, directory.path()).unwrap(), 8, 2).await;
    let held = std::fs::File::open(directory.path().join("index/db")).unwrap();
    held.lock().unwrap();
    let opened = open(&disk, directory.path()).map(drop);
    assert!(matches!(opened, Err(LogError::Unavailable { .. })), "{opened:?}");
    drop(held);
    open(&disk, directory.path()).unwrap();
    assert!(!directory.path().join("index.damaged-1").exists(), "it was not damaged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_put_back_to_an_older_state_is_named() {
    let disk = ForgetfulDisk::new();
    let directory = tempfile::tempdir().unwrap();
    write(open(&disk, directory.path()).unwrap(), 8, 20).await;
    let older = disk.copy();
    write(open(&disk, directory.path()).unwrap(), 9, 20).await;
    let opened = open(&older, directory.path()).map(drop);
    assert!(
        matches!(&opened, Err(LogError::Corrupt { what }) if what.contains("were acknowledged")),
        "the index knows better: {opened:?}"
    );
}
