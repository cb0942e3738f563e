//! What only a durable log promises: it is the same after it was closed and opened, and one process has it at a time.

use std::path::Path;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Appended, EventLog, LogError, Position, StreamWrite};

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
