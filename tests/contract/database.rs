//! What only the log on PostgreSQL promises: several nodes on one database, the truth about a commit whose answer was
//! lost, and that a database that comes back is used again.

mod damage;
mod doubt;
mod standby;
mod tls;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{Appended, Batch, EventLog, Expected, LogError, Position, StreamWrite};
use bishui_tests::postgres::{Cluster, database_name, parsed};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::build::{at, event, keyed, positions, stream, versions, write, writes};

pub(crate) async fn open(address: &str) -> PostgresLog {
    PostgresLog::open(&parsed(address)).await.unwrap()
}

/// A batch with one event that says `text`.
pub(crate) fn saying(number: u128, text: &str) -> Batch {
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

/// How long another node typically takes to notice an append. Without a word it notices one within a second.
async fn wakes_within(here: &PostgresLog, there: &PostgresLog, numbers: std::ops::RangeInclusive<u64>) -> Duration {
    let mut watch = there.watch();
    let mut times = Vec::new();
    for number in numbers {
        here.append(saying(u128::from(number), "woken")).await.unwrap();
        let since = Instant::now();
        let woken = watch.wait_for(|head| *head == Position(number));
        tokio::time::timeout(Duration::from_secs(30), woken).await.unwrap().unwrap();
        times.push(since.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn an_append_of_one_node_wakes_the_others() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let (here, there) = (open(&address).await, open(&address).await);
    let typical = wakes_within(&here, &there, 1..=9).await;
    assert!(typical < Duration::from_millis(500), "{typical:?}");
    let mut connection = cluster.connect(database_name(&address)).await;
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
        WHERE datname = current_database() AND query LIKE 'SELECT position%NOT pg_is_in_recovery()'";
    assert_eq!(sqlx::query(end).fetch_all(&mut connection).await.unwrap().len(), 2, "each node listens");
    let typical = wakes_within(&here, &there, 10..=18).await;
    assert!(typical < Duration::from_millis(500), "{typical:?}");
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
