//! What only the log on PostgreSQL promises: several nodes on one database, the truth about a commit whose answer was
//! lost, and that a database that comes back is used again.

use std::ops::ControlFlow;
use std::time::Duration;

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{Appended, Batch, EventLog, Expected, LogError, Position, StreamVersion, StreamWrite};
use bishui_tests::postgres::{Cluster, database_name, parsed};
use bishui_tests::proxy::Proxy;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::build::{at, event, keyed, positions, stream, versions, write, writes};

async fn open(address: &str) -> PostgresLog {
    PostgresLog::open(&parsed(address)).await.unwrap()
}

/// A batch with one event that says `text`.
fn saying(number: u128, text: &str) -> Batch {
    let events = vec![event(format!("{{\"text\":\"{text}\"}}"))];
    writes(number, [StreamWrite { stream: stream("said"), expected: Expected::Any, events }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_one_database_share_one_order() {
    let address = Cluster::shared().database().await;
    let nodes = [open(&address).await, open(&address).await, open(&address).await];
    let mut tasks = JoinSet::new();
    for writer in 0..12_u64 {
        let node = nodes[usize::try_from(writer % 3).unwrap()].clone();
        tasks.spawn(async move {
            let own = stream(&format!("w{writer}"));
            let mut runs = Vec::new();
            for number in 0..10_u64 {
                let shared = write(&stream("shared"), Expected::Any, 1);
                let batch = writes(u128::from(writer * 100 + number), [write(&own, at(2 * number), 2), shared]);
                let appended = node.append(batch).await.unwrap();
                runs.push((appended.first.0, appended.last.0));
            }
            runs
        });
    }
    let mut runs: Vec<(u64, u64)> = tasks.join_all().await.into_iter().flatten().collect();
    runs.sort_unstable();
    assert_eq!(runs, (0..120).map(|run| (3 * run + 1, 3 * run + 3)).collect::<Vec<_>>());
    for node in &nodes {
        assert_eq!(positions(node, 0).await, (1..=360).collect::<Vec<_>>());
        assert_eq!(versions(node, &stream("shared")).await, (1..=120).collect::<Vec<_>>());
    }
    assert_eq!(nodes[0].verify().await.unwrap(), Position(360));
}

#[tokio::test]
async fn a_node_judges_by_what_the_others_have_recorded() {
    let address = Cluster::shared().database().await;
    let (here, there) = (open(&address).await, open(&address).await);
    let county = stream("a");
    // Each remembers the stream as it left it itself; the other has moved it on since.
    for version in 0..6 {
        let (one, other) = if version % 2 == 0 { (&here, &there) } else { (&there, &here) };
        one.append(writes(u128::from(version), [write(&county, at(version), 1)])).await.unwrap();
        let stale = other.append(writes(100 + u128::from(version), [write(&county, at(version), 1)])).await;
        assert!(matches!(&stale, Err(LogError::Conflict { actual, .. }) if actual.0 == version + 1), "{stale:?}");
    }
    let batch = keyed(writes(50, [write(&county, Expected::Any, 1)]), "key", 1);
    let first = here.append(batch.clone()).await.unwrap();
    assert_eq!(there.append(batch).await.unwrap(), Appended { duplicate: true, ..first });
    let reused = there.append(keyed(writes(51, [write(&county, Expected::Any, 1)]), "key", 2)).await;
    assert!(matches!(reused, Err(LogError::KeyReused { .. })), "{reused:?}");

    let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let lease = here.take_lease("mail", a, Duration::ZERO).await.unwrap();
    let leased = |number, lease| Batch { lease, ..writes(number, [write(&county, Expected::Any, 1)]) };
    here.append(leased(60, lease.clone())).await.unwrap();
    assert_eq!(there.take_lease("mail", b, Duration::from_mins(1)).await.unwrap().unwrap().term, 2);
    let late = here.append(leased(61, lease)).await;
    assert!(matches!(late, Err(LogError::Deposed { term: 1, .. })), "{late:?}");
}

#[tokio::test]
async fn an_append_of_one_node_wakes_the_others() {
    let address = Cluster::shared().database().await;
    let (here, there) = (open(&address).await, open(&address).await);
    let mut watch = there.watch();
    here.append(saying(1, "woken")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), watch.wait_for(|head| *head == Position(1))).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_answered_and_recorded_once() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let log = open(&Cluster::address_at(database_name(&address), proxy.port())).await;
    for (number, text) in [(1_u64, "first"), (2, "second")] {
        log.append(saying(u128::from(number) * 10, "before")).await.unwrap();
        proxy.lose_answer_to(text);
        let appended = log.append(saying(u128::from(number) * 10 + 1, text)).await.unwrap();
        assert_eq!(appended, Appended { first: Position(2 * number), last: Position(2 * number), duplicate: false });
        assert!(proxy.has_lost_all());
    }
    assert_eq!(positions(&log, 0).await, [1, 2, 3, 4]);
    assert_eq!(open(&address).await.verify().await.unwrap(), Position(4));
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_sent_again() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let log = open(&Cluster::address_at(database_name(&address), proxy.port())).await;
    log.append(saying(1, "before")).await.unwrap();
    proxy.lose_request_with("lost on the way");
    let appended = log.append(saying(2, "lost on the way")).await.unwrap();
    assert_eq!((appended.first, appended.last, appended.duplicate), (Position(2), Position(2), false));
    assert!(proxy.has_lost_all());
    assert_eq!(positions(&log, 0).await, [1, 2]);
}

/// A batch that cannot be judged at once: it rests on what no append has told the node.
fn resting(number: u128, text: &str) -> Batch {
    let rests_on = StreamWrite { stream: stream(&format!("of {number}")), expected: Expected::Any, events: vec![] };
    let mut batch = saying(number, text);
    batch.writes.push(rests_on);
    batch
}

#[tokio::test]
async fn an_answer_that_is_lost_again_while_it_is_looked_for_is_found_and_recorded_once() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let log = open(&Cluster::address_at(database_name(&address), proxy.port())).await;
    log.append(saying(1, "before")).await.unwrap();
    // The answer to the append, then the answer to the transaction that has found it.
    proxy.lose_answer_to("twice in doubt");
    proxy.lose_answer_to("COMMIT");
    let appended = log.append(saying(2, "twice in doubt")).await.unwrap();
    assert_eq!(appended, Appended { first: Position(2), last: Position(2), duplicate: false });
    assert!(proxy.has_lost_all());
    assert_eq!(positions(&log, 0).await, [1, 2]);
    assert_eq!(open(&address).await.verify().await.unwrap(), Position(2));
}

#[tokio::test]
async fn a_commit_under_the_lock_whose_answer_was_lost_is_answered_and_recorded_once() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let log = open(&Cluster::address_at(database_name(&address), proxy.port())).await;
    let other = open(&address).await;
    for number in 1..=2_u64 {
        log.append(saying(u128::from(number) * 10, "before")).await.unwrap();
        // The other node's append makes this one look under the lock.
        other.append(saying(u128::from(number) * 10 + 1, "between")).await.unwrap();
        proxy.lose_answer_to("COMMIT");
        let appended = log.append(saying(u128::from(number) * 10 + 2, "under the lock")).await.unwrap();
        assert_eq!(appended, Appended { first: Position(3 * number), last: Position(3 * number), duplicate: false });
        assert!(proxy.has_lost_all());
    }
    assert_eq!(positions(&log, 0).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(other.verify().await.unwrap(), Position(6));
}

#[tokio::test]
async fn a_connection_lost_while_a_batch_is_judged_is_replaced() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let log = open(&Cluster::address_at(database_name(&address), proxy.port())).await;
    log.append(saying(1, "before")).await.unwrap();
    proxy.lose_answer_to("county/of 2");
    let appended = log.append(resting(2, "after")).await.unwrap();
    assert_eq!((appended.last, appended.duplicate), (Position(2), false));
    assert!(proxy.has_lost_all());
    assert_eq!(positions(&log, 0).await, [1, 2]);
}

#[tokio::test]
async fn a_batch_may_rest_on_more_streams_than_one_look_takes() {
    let log = open(&Cluster::shared().database().await).await;
    log.append(writes(1, [write(&stream("59999"), at(0), 1)])).await.unwrap();
    let mut batch = writes(2, [write(&stream("b"), at(0), 1)]);
    batch.writes.extend((0..60_000).map(|number| write(&stream(&format!("{number:05}")), at(0), 0)));
    let refused = log.append(batch.clone()).await;
    assert!(matches!(&refused, Err(LogError::Conflict { stream, .. }) if stream.as_str() == "county/59999"));
    batch.writes.last_mut().unwrap().expected = at(1);
    log.append(batch).await.unwrap();
}

#[tokio::test]
async fn a_database_that_was_down_is_used_again() {
    let mut cluster = Cluster::start(&[]);
    let log = open(&cluster.database().await).await;
    log.append(saying(1, "before")).await.unwrap();
    cluster.stop("INT");
    let failures = [
        log.append(saying(2, "down")).await.map(drop),
        log.read_all(Position(0), 10).await.map(drop),
        log.take_lease("mail", Uuid::from_u128(1), Duration::from_secs(1)).await.map(drop),
        log.replay(Position(0), Position(9), &mut |_| ControlFlow::Continue(())).await,
    ];
    for failure in failures {
        assert!(matches!(failure, Err(LogError::Unavailable { .. })), "{failure:?}");
    }
    cluster.restart();
    log.append(saying(3, "after")).await.unwrap();
    assert_eq!(positions(&log, 0).await.len(), 2);
    assert_eq!(log.verify().await.unwrap(), Position(2));
}

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

#[tokio::test]
async fn a_database_without_a_log_is_left_as_it_is() {
    let address = parsed(&Cluster::shared().empty_database().await);
    for _ in 0..2 {
        let refused = PostgresLog::open(&address).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("no log was made in this database"), "{refused}");
    }
    PostgresLog::make(&address).await.unwrap();
    PostgresLog::open(&address).await.unwrap().append(saying(1, "kept")).await.unwrap();
    PostgresLog::make(&address).await.unwrap();
    assert_eq!(PostgresLog::open(&address).await.unwrap().head().await.unwrap(), Position(1));
}

#[tokio::test]
async fn tables_of_a_newer_program_are_left_alone() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    drop(open(&address).await);
    let mut connection = cluster.connect(database_name(&address)).await;
    sqlx::raw_sql("INSERT INTO bishui.schema_step (step) VALUES (99)").execute(&mut connection).await.unwrap();
    let refused = PostgresLog::open(&parsed(&address)).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("the tables of the database are at step 99, and this program knows 1"), "{refused}");
}

#[tokio::test]
async fn what_is_found_recorded_is_answered_when_the_standby_has_it() {
    let mut primary = Cluster::start(&[]);
    let name = database_name(&primary.database().await).to_owned();
    let mut standby = primary.standby();
    primary.wait_for_in_step(&name).await;
    let log = open(&primary.address(&name)).await;
    log.append(saying(1, "before")).await.unwrap();
    let batch = keyed(saying(2, "not at the standby"), "key", 1);
    let known = batch.idempotency.clone().unwrap();
    standby.stop("INT");
    let (other, asked) = (log.clone(), batch.clone());
    let appending = tokio::spawn(async move { other.append(asked).await });
    assert!(primary.wait_for_waiting(&name).await.contains("bishui.block"), "the append waits");
    // The server starts again with the event, which the standby still lacks; the writer finds it.
    primary.stop("KILL");
    primary.restart();
    assert_eq!(primary.wait_for_waiting(&name).await, "COMMIT");
    assert!(!appending.is_finished());
    let recalling = tokio::spawn(async move { log.recall(&known).await });
    standby.restart();
    let answer = Appended { first: Position(2), last: Position(2), duplicate: false };
    assert_eq!(appending.await.unwrap().unwrap(), answer);
    assert_eq!(recalling.await.unwrap().unwrap(), Some(Appended { duplicate: true, ..answer }));
    standby.control("pg_ctl", &["promote", "-w"]);
    assert_eq!(open(&standby.address(&name)).await.verify().await.unwrap(), Position(2));
}

#[tokio::test]
async fn a_repetition_is_answered_when_the_standby_has_what_it_repeats() {
    let primary = Cluster::start(&[]);
    let name = database_name(&primary.database().await).to_owned();
    let mut standby = primary.standby();
    let batch = keyed(saying(1, "not at the standby"), "key", 1);
    let known = batch.idempotency.clone().unwrap();
    let first = open(&primary.address(&name)).await.append(batch.clone()).await.unwrap();
    primary.wait_for_in_step(&name).await;
    standby.stop("INT");
    for round in 0..2 {
        // A node each, for the end of the wait is the end of the connection.
        let log = open(&primary.address(&name)).await;
        let (batch, known) = (batch.clone(), known.clone());
        let asking = tokio::spawn(async move {
            if round == 0 { log.recall(&known).await.map(Option::unwrap) } else { log.append(batch).await }
        });
        primary.wait_for_waiting(&name).await;
        assert!(!asking.is_finished());
        standby.restart();
        assert_eq!(asking.await.unwrap().unwrap(), Appended { duplicate: true, ..first });
        standby.stop("INT");
    }
}

#[tokio::test]
async fn a_standby_goes_on_with_everything_that_was_acknowledged() {
    let mut primary = Cluster::start(&[]);
    let name = database_name(&primary.database().await).to_owned();
    let standby = primary.standby();
    primary.wait_for_in_step(&name).await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let log = open(&format!("postgres://bishui@{hosts}/{name}?target_session_attrs=read-write")).await;
    let other = log.clone();
    let (told, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let writing = tokio::spawn(async move {
        let mut failures = 0;
        for number in 1..=400_u64 {
            // A request that failed is repeated under its key until it is answered.
            let batch = keyed(saying(u128::from(number), "kept"), &format!("key {number}"), u128::from(number));
            loop {
                match other.append(batch.clone()).await {
                    Ok(appended) => break told.send((number, appended.first)).unwrap(),
                    Err(LogError::Unavailable { .. }) => failures += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        failures
    });
    let mut known = Vec::new();
    for _ in 0..100 {
        known.push(acknowledged.recv().await.unwrap());
    }
    primary.stop("KILL");
    standby.control("pg_ctl", &["promote", "-w"]);
    let failures = writing.await.unwrap();
    while let Some(acknowledged) = acknowledged.recv().await {
        known.push(acknowledged);
    }
    // One after the other, so each stands at the place of its number, and none is there twice.
    assert_eq!(known, (1..=400).map(|number| (number, Position(number))).collect::<Vec<_>>());
    assert_eq!(positions(&log, 0).await, (1..=400).collect::<Vec<_>>());
    assert_eq!(log.verify().await.unwrap(), Position(400));
    println!("{failures} appends found no database that takes writes");
}
