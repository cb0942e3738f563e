//! What only the embedded log promises: one process has it at a time, it can be verified while it is written, and its
//! index follows from its journal.

use std::ops::Range;
use std::path::Path;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Batch, EventLog, Idempotency, LogError, Position, StreamVersion, StreamWrite};
use uuid::Uuid;

use crate::build::{at, event, keyed, stream, versions, write, writes};

fn open(dir: &Path) -> SledLog {
    SledLog::open(dir).unwrap()
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let second = SledLog::open(dir.path()).map(drop);
    assert!(matches!(&second, Err(LogError::InUse { path }) if Path::new(path) == dir.path()), "{second:?}");
    drop(log);
    open(dir.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_with_one_id_at_once_keep_their_own_envelopes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let one = |number: usize| Batch {
        actor: format!("clerk {number}"),
        ..writes(7, [write(&stream(&number.to_string()), at(0), 2)])
    };
    let appends: Vec<_> = (0..100)
        .map(|number| {
            let (log, batch) = (log.clone(), one(number));
            tokio::spawn(async move { log.append(batch).await.unwrap() })
        })
        .collect();
    for append in appends {
        append.await.unwrap();
    }
    log.verify().unwrap();
    drop(log);
    let log = open(dir.path());
    for number in 0..100 {
        let events = log.read_stream(&stream(&number.to_string()), StreamVersion(0), 9).await.unwrap();
        let found: Vec<_> = events.iter().map(|event| (event.actor.as_str(), event.place)).collect();
        let clerk = format!("clerk {number}");
        assert_eq!(found, [(clerk.as_str(), 0), (clerk.as_str(), 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_sound_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let writers: Vec<_> = (0..4_u128)
        .map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                for number in 0..400_u64 {
                    let one = write(&stream(&writer.to_string()), at(number), 1);
                    log.append(writes(writer << 32 | u128::from(number), [one])).await.unwrap();
                }
            })
        })
        .collect();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let checked = log.clone();
        tokio::task::spawn_blocking(move || checked.verify()).await.unwrap().unwrap();
    }
    assert_eq!(log.verify().unwrap(), Position(1_600));
    drop(log);
    assert_eq!(open(dir.path()).verify().unwrap(), Position(1_600));
}

/// Copies a directory of files and of directories like it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Appends more than the first segment of the journal holds, so that the index is saved when the log is closed.
async fn fill(log: &SledLog, numbers: Range<u64>) {
    for number in numbers {
        let events = vec![event("x".repeat(700 << 10))];
        let write = StreamWrite { stream: stream("a"), expected: at(number), events };
        log.append(keyed(writes(number.into(), [write]), &format!("key {number}"), number.into())).await.unwrap();
    }
}

#[tokio::test]
async fn an_older_copy_of_the_index_is_brought_level() {
    const OLDER: u64 = 3;
    const NEWER: u64 = 9;
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (index, kept) = (dir.path().join("index"), elsewhere.path().join("index"));
    fill(&open(dir.path()), 0..OLDER).await;
    copy(&index, &kept);
    fill(&open(dir.path()), OLDER..NEWER).await;
    std::fs::remove_dir_all(&index).unwrap();
    copy(&kept, &index);

    let log = open(dir.path());
    assert_eq!(log.verify().unwrap(), Position(NEWER));
    assert_eq!(versions(&log, &stream("a")).await, (1..=NEWER).collect::<Vec<_>>());
    for number in 0..NEWER {
        let known = Idempotency { key: format!("key {number}"), request: Uuid::from_u128(number.into()) };
        assert_eq!(log.recall(&known).await.unwrap().unwrap().first, Position(number + 1));
    }
    fill(&log, NEWER..NEWER + 1).await;
}
