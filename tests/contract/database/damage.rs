//! What was changed behind the log: it is named where it is met, and never passed over.

use std::ops::ControlFlow;

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{EventLog, Expected, LogError, Position, StreamVersion};
use bishui_tests::postgres::{Cluster, database_name};

use super::open;
use crate::build::{at, keyed, stream, write, writes};

#[tokio::test]
async fn what_was_changed_behind_the_log_is_noticed() {
    let cluster = Cluster::shared();
    let changes = [
        ("UPDATE bishui.block SET events = set_byte(events, 60, get_byte(events, 60) # 1) WHERE last = 4", "checksum"),
        ("UPDATE bishui.block SET events = events || '\\x00' WHERE last = 4", "something follows it"),
        ("UPDATE bishui.block SET last = 3 WHERE last = 4; UPDATE bishui.head SET position = 3", "ends with 3"),
        ("UPDATE bishui.block SET last = 5 WHERE last = 4; UPDATE bishui.head SET position = 5", "ends with 5"),
        ("DELETE FROM bishui.block WHERE last = 2", "event 3 is in its place"),
        ("DELETE FROM bishui.block WHERE last = 4", "the last event is 2"),
        (
            "UPDATE bishui.block SET events = (SELECT events FROM bishui.block WHERE last = 2) WHERE last = 4",
            "event 1 is in its place",
        ),
        ("UPDATE bishui.head SET position = 2", "the last event is 4"),
        ("DELETE FROM bishui.head", "0 rows"),
        ("UPDATE bishui.run SET stream = 'x' WHERE block = 4", "the run of stream `county/b` from version 1"),
        ("UPDATE bishui.run SET version = 2 WHERE block = 4", "the run of stream `county/b` from version 1"),
        ("UPDATE bishui.run SET count = 1 WHERE block = 4", "the run of stream `county/b` from version 1"),
        ("UPDATE bishui.run SET block = 2 WHERE block = 4", "in the block that ends with event 4"),
        ("DELETE FROM bishui.run WHERE block = 2", "the run of stream `county/a` from version 1"),
        ("INSERT INTO bishui.run VALUES (3, 4, 1, 'county/b')", "3 runs of streams are listed"),
        (
            "INSERT INTO bishui.run VALUES (3, 9, 1, 'county/b')",
            "`county/b` ends with event 9, which is beyond the head",
        ),
        ("UPDATE bishui.request_key SET last_position = 9", "stands for other events"),
        ("DELETE FROM bishui.request_key", "0 idempotency keys"),
        ("UPDATE bishui.request_key SET last_position = 1", "stands for other events"),
        ("UPDATE bishui.request_key SET key = 'x'", "stands for other events"),
    ];
    for (change, told) in changes {
        let address = cluster.database().await;
        let log = open(&address).await;
        log.append(keyed(writes(1, [write(&stream("a"), at(0), 2)]), "key", 1)).await.unwrap();
        log.append(writes(2, [write(&stream("b"), at(0), 2)])).await.unwrap();
        assert_eq!(log.verify().await.unwrap(), Position(4));
        let mut connection = cluster.connect(database_name(&address)).await;
        sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
        let found = log.verify().await;
        assert!(matches!(&found, Err(LogError::Corrupt { what }) if what.contains(told)), "{change}: {found:?}");
    }
}

/// What reading says of damage, where it is met.
async fn read_wholly(log: &PostgresLog) -> Vec<String> {
    let told = |read: Result<(), LogError>| match read {
        Err(LogError::Corrupt { what }) => what,
        read => format!("{read:?}"),
    };
    let all = log.read_all(Position(0), 10).await.map(drop);
    let by_one = async {
        let mut last = Position(0);
        while let Some(event) = log.read_all(last, 1).await?.pop() {
            last = event.position;
        }
        Ok(())
    };
    let replayed = log.replay(Position(0), Position(u64::MAX), &mut |_| ControlFlow::Continue(())).await;
    let streamed = log.read_stream(&stream("b"), StreamVersion(0), 10).await.map(drop);
    vec![told(all), told(by_one.await), told(replayed), told(streamed)]
}

#[tokio::test]
async fn damage_that_is_read_is_named_and_never_passed_over() {
    const FINE: &str = "Ok(())";
    let cluster = Cluster::shared();
    let changes = [
        ("UPDATE bishui.block SET events = '' WHERE last = 6", ["event 5 is missing"; 3], "version 3"),
        ("UPDATE bishui.block SET events = '' WHERE last = 4", ["event 3"; 3], "version 1"),
        ("DELETE FROM bishui.block WHERE last = 6", ["event 5 is missing"; 3], "version 3"),
        ("DELETE FROM bishui.block WHERE last = 4", ["event 3"; 3], "version 1"),
        ("DELETE FROM bishui.run WHERE block = 4 AND version = 1", [FINE; 3], "version 1"),
        ("UPDATE bishui.run SET count = -9 WHERE block = 6", [FINE; 3], "the version of stream `county/b` is -7"),
        ("DELETE FROM bishui.head", ["the row of the head is missing"; 3], FINE),
    ];
    for (change, told, of_the_stream) in changes {
        let address = cluster.database().await;
        let log = open(&address).await;
        for (number, name) in [(1, "a"), (2, "b"), (3, "b")] {
            log.append(writes(number, [write(&stream(name), Expected::Any, 2)])).await.unwrap();
        }
        let mut connection = cluster.connect(database_name(&address)).await;
        sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
        let said = read_wholly(&log).await;
        for (said, told) in said.iter().zip(told.iter().chain([&of_the_stream])) {
            assert!(said.contains(told), "{change}: {said} instead of {told}");
        }
    }
}

#[tokio::test]
async fn a_stream_without_its_first_run_is_not_begun_again() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    open(&address).await.append(writes(1, [write(&stream("a"), at(0), 1)])).await.unwrap();
    let log = open(&address).await;
    log.append(writes(2, [write(&stream("a"), at(1), 1)])).await.unwrap();
    let mut connection = cluster.connect(database_name(&address)).await;
    sqlx::raw_sql("DELETE FROM bishui.run WHERE version = 1").execute(&mut connection).await.unwrap();
    let refused = open(&address).await.append(writes(3, [write(&stream("a"), at(0), 1)])).await;
    assert!(matches!(&refused, Err(LogError::Conflict { actual: StreamVersion(2), .. })), "{refused:?}");
}
