//! A disk that fails: each operation once with an error, each look at it too, and one that runs full.

use bishui_infra::event_log::{Batch, EventLog, Expected, LogError, NewEvent, Position, StreamId, StreamWrite};
use bishui_tests::dice::Dice;
use bishui_tests::forgetful_disk::{Fault, ForgetfulDisk};

use uuid::Uuid;

use crate::open;
use crate::work::{Told, kept, write, write_until_failure};

/// Batches of each writer: enough to fill the first segments.
const BATCHES: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_any_operation_loses_nothing_that_was_acknowledged() {
    let whole = ForgetfulDisk::new();
    let directory = tempfile::tempdir().unwrap();
    write(open(&whole, directory.path()).unwrap(), 1, BATCHES).await;
    let operations = whole.operations();
    assert!(operations > 20, "{operations}");
    for at in 1..=operations {
        let disk = ForgetfulDisk::new();
        let directory = tempfile::tempdir().unwrap();
        disk.arm(Fault::Io(at));
        let told = match open(&disk, directory.path()) {
            Ok(log) => write_until_failure(log, 1, BATCHES).await.0,
            Err(LogError::Unavailable { .. }) => Told::new(),
            Err(error) => panic!("operation {at}: {error}"),
        };
        disk.arm(Fault::None);
        let log = open(&disk, directory.path()).unwrap_or_else(|error| panic!("operation {at}: {error}"));
        let shown = kept(&log, &told).await.unwrap_or_else(|loss| panic!("operation {at}: {loss}"));
        log.append(tiny(1)).await.unwrap_or_else(|error| panic!("operation {at}: {error}"));
        drop(log);
        // What was shown after the failure is not only in the cache.
        let disk = disk.after_power_loss(&mut Dice::new(at), 0);
        let log = open(&disk, directory.path()).unwrap_or_else(|error| panic!("operation {at}, no power: {error}"));
        let left = kept(&log, &told).await.unwrap_or_else(|loss| panic!("operation {at}, no power: {loss}"));
        assert!(left.starts_with(&shown) && left.len() == shown.len() + 1, "operation {at}, no power");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_the_disk_that_fails_is_told_and_costs_nothing() {
    let disk = ForgetfulDisk::new();
    let directory = tempfile::tempdir().unwrap();
    let told = write(open(&disk, directory.path()).unwrap(), 1, BATCHES).await;
    disk.arm(Fault::None);
    let events = kept(&open(&disk, directory.path()).unwrap(), &told).await.unwrap();
    let looks = disk.looks();
    assert!(looks > 20, "{looks}");
    for at in 1..=looks {
        disk.arm(Fault::Look(at));
        match open(&disk, directory.path()) {
            Ok(log) => match log.read_all(Position(0), usize::MAX).await {
                Ok(read) => assert!(read == events, "look {at}"),
                Err(error) => assert!(matches!(error, LogError::Unavailable { .. }), "look {at}: {error}"),
            },
            Err(error) => assert!(matches!(error, LogError::Unavailable { .. }), "look {at}: {error}"),
        }
        disk.arm(Fault::None);
        let log = open(&disk, directory.path()).unwrap_or_else(|error| panic!("look {at}: {error}"));
        assert!(kept(&log, &told).await.as_ref() == Ok(&events), "look {at}");
    }
    assert_eq!(disk.files(".bytes"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_end_leaves_nothing_to_drop() {
    let disk = ForgetfulDisk::new();
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..3 {
        write(open(&disk, directory.path()).unwrap(), seed, BATCHES).await;
    }
    assert_eq!(disk.files(".bytes"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_write_or_sync_nothing_is_acknowledged_any_more() {
    for operation in [1, 2] {
        let disk = ForgetfulDisk::new();
        let directory = tempfile::tempdir().unwrap();
        let log = open(&disk, directory.path()).unwrap();
        log.append(tiny(1)).await.unwrap();
        disk.arm(Fault::Io(operation));
        for number in 2..4 {
            let refused = log.append(tiny(number)).await;
            let named = matches!(&refused, Err(LogError::Unavailable { what, .. }) if what.contains("a write failed"));
            assert!(named, "{refused:?}");
        }
        assert_eq!(log.head().await.unwrap(), Position(1));
        assert_eq!(log.read_all(Position(0), 10).await.unwrap().len(), 1);
        drop(log);
        open(&disk, directory.path()).unwrap().append(tiny(9)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_and_room_makes_it_work_again() {
    // The batch takes several segments: the disk is full at the first of them, in the midst of one, and at the last.
    let (mut refusals, mut at) = (0, 1);
    loop {
        let disk = ForgetfulDisk::new();
        let directory = tempfile::tempdir().unwrap();
        let log = open(&disk, directory.path()).unwrap();
        let mut told = write(log.clone(), 1, 4).await;
        disk.arm(Fault::Full(at));
        let refused = log.append(large()).await;
        disk.arm(Fault::None);
        if refused.is_ok() {
            break;
        }
        assert!(matches!(&refused, Err(LogError::Unavailable { what, .. }) if what.contains("no room")), "{refused:?}");
        told.extend(write(log.clone(), 2, 4).await);
        log.append(large()).await.unwrap();
        kept(&log, &told).await.unwrap();
        drop(log);
        kept(&open(&disk, directory.path()).unwrap(), &told).await.unwrap();
        (refusals, at) = (refusals + 1, at + 13);
    }
    assert!(refusals > 5, "{refusals}");
}

/// A batch that no segment that is there has room for.
pub(crate) fn large() -> Batch {
    sized(u128::MAX, 20, 1 << 20)
}

/// A batch of one small event.
pub(crate) fn tiny(number: u128) -> Batch {
    sized(number, 1, 2)
}

/// A batch of events of `bytes` bytes each.
pub(crate) fn sized(number: u128, events: usize, bytes: usize) -> Batch {
    let event = NewEvent { kind: "own.written".into(), schema: 1, payload: "x".repeat(bytes) };
    let (stream, events) = (StreamId::new("own", "sized"), vec![event; events]);
    Batch {
        id: Uuid::from_u128(number),
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![StreamWrite { stream, expected: Expected::Any, events }],
    }
}
