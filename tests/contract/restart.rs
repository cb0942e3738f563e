//! What only a durable log promises: it is the same after it was closed and opened, and one process has it at a time.

use std::path::Path;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Appended, Batch, EventLog, LogError, Position, StreamVersion, StreamWrite};

use crate::build::{at, event, keyed, stream, versions, write, writes};

fn open(dir: &Path) -> SledLog {
    SledLog::open(dir).unwrap()
}

#[tokio::test]
async fn a_reopened_log_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (county, large) = (stream("高唐"), stream("large"));
    let batch = keyed(writes(1, [write(&county, at(0), 2)]), "键", 1);
    let (first, events) = {
        let log = open(dir.path());
        let first = log.append(batch.clone()).await.unwrap();
        let events = vec![event("水".repeat(300 * 1_024))];
        log.append(writes(2, [StreamWrite { stream: large.clone(), expected: at(0), events }])).await.unwrap();
        log.move_checkpoint("台账", Position(0), Position(2)).await.unwrap();
        (first, log.read_all(Position(0), 10).await.unwrap())
    };

    let log = open(dir.path());
    assert_eq!(log.verify().unwrap(), Position(3));
    assert_eq!(log.head().await.unwrap(), Position(3));
    assert_eq!(*log.watch().borrow(), Position(3));
    assert_eq!(log.read_all(Position(0), 10).await.unwrap(), events);
    assert_eq!(log.checkpoint("台账").await.unwrap(), Position(2));
    assert_eq!(log.append(batch).await.unwrap(), Appended { duplicate: true, ..first });
    let reused = log.append(keyed(writes(3, [write(&county, at(2), 1)]), "键", 2)).await;
    assert!(matches!(reused, Err(LogError::KeyReused { .. })), "{reused:?}");
    let stale = log.append(writes(3, [write(&county, at(0), 1)])).await;
    assert!(matches!(stale, Err(LogError::Conflict { .. })), "{stale:?}");
    log.append(writes(3, [write(&county, at(2), 1)])).await.unwrap();
    assert_eq!(versions(&log, &county).await, [1, 2, 3]);
    assert_eq!(versions(&log, &large).await, [1]);
}

#[tokio::test]
async fn closing_and_opening_many_times_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20_u32 {
        let log = open(dir.path());
        assert_eq!(log.head().await.unwrap(), Position(u64::from(round)));
        log.append(writes(u128::from(round), [write(&stream("a"), at(u64::from(round)), 1)])).await.unwrap();
    }
    assert_eq!(open(dir.path()).verify().unwrap(), Position(20));
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
}
