//! What waits while the writer of a log is held up: a bounded queue, which is then recorded as groups.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bishui_infra::disk::Disk;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Appended, Batch, EventLog, LogError, Position};
use bishui_tests::postgres::{Cluster, database_name, parsed};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::task::unconstrained;

use crate::build::{at, stream, write, writes};
use crate::suite::Skew;

mod disk;

use disk::{Held, HoldingDisk};

/// Callers that wait until they are answered: more than a queue takes, so that some of them wait before it.
const STAYING: u64 = 6_000;
/// Callers after those, who give up.
const LEAVING: u64 = 500;

/// An append that its caller has begun to wait for.
type Append = Pin<Box<dyn Future<Output = Result<Appended, LogError>>>>;

/// Asks for an append; it cannot be answered yet.
fn ask(log: &Arc<dyn EventLog>, batch: Batch) -> Append {
    let log = Arc::clone(log);
    let mut append: Append = Box::pin(unconstrained(async move { log.append(batch).await }));
    assert!(append.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "its writer is held up");
    append
}

fn one(number: u64) -> Batch {
    writes(u128::from(number), [write(&stream(&number.to_string()), at(0), 1)])
}

/// What is queued is recorded, whoever waits for it. So the one who gives up and leaves nothing was not queued: the bound
/// is seen by that. `hold` lets the writer go on when it is dropped; one event was asked for before.
async fn assert_queue_is_bounded<H>(log: Arc<dyn EventLog>, hold: H) {
    let staying: Vec<Append> = (1..=STAYING).map(|number| ask(&log, one(number))).collect();
    let leaving: Vec<Append> = (1..=LEAVING).map(|number| ask(&log, one(STAYING + number))).collect();
    drop(leaving);
    drop(hold);
    for append in staying {
        append.await.unwrap();
    }
    // Whatever is queued before this comes before it.
    let next = log.append(one(STAYING + LEAVING + 1)).await.unwrap();
    assert_eq!(next.first, Position(1 + STAYING + 1), "those who gave up were not queued");
}

/// What waited is one group, which is judged as if its batches came one after the other.
async fn assert_a_group_has_no_write_skew<H>(log: Arc<dyn EventLog>, hold: H) {
    let pairs: Vec<Skew> = (0..100).map(Skew::new).collect();
    let appends: Vec<[Append; 2]> = pairs.iter().map(|pair| pair.acts.clone().map(|batch| ask(&log, batch))).collect();
    drop(hold);
    for (pair, [one, two]) in pairs.iter().zip(appends) {
        pair.assert_one_is_refused([one.await, two.await]);
    }
    assert_eq!(log.head().await.unwrap(), Position(101));
}

/// A log on a disk whose syncs are held up, with one append in the midst of its own.
fn held_on_sled(dir: &TempDir) -> (Arc<dyn EventLog>, Held) {
    let disk = HoldingDisk::default();
    let log: Arc<dyn EventLog> =
        Arc::new(SledLog::open_on(&(Arc::new(disk.clone()) as Arc<dyn Disk>), dir.path()).unwrap());
    let held = disk.hold();
    let first = Arc::clone(&log);
    tokio::spawn(async move { first.append(one(0)).await.unwrap() });
    held.wait_for_sync();
    (log, held)
}

/// A log in a database whose head another session has locked, with one append that waits for the lock.
async fn held_on_postgres() -> (Arc<dyn EventLog>, PgConnection) {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let log: Arc<dyn EventLog> = Arc::new(PostgresLog::open(&parsed(&address)).await.unwrap());
    let mut holder = cluster.connect(database_name(&address)).await;
    sqlx::raw_sql("BEGIN; SELECT 1 FROM bishui.head FOR UPDATE").execute(&mut holder).await.unwrap();
    let first = Arc::clone(&log);
    tokio::spawn(async move { first.append(one(0)).await.unwrap() });
    let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let mut observer = cluster.connect(database_name(&address)).await;
    while sqlx::query(waits).fetch_optional(&mut observer).await.unwrap().is_none() {}
    observer.close().await.unwrap();
    (log, holder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_an_embedded_log_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (log, hold) = held_on_sled(&dir);
    assert_queue_is_bounded(log, hold).await;
}

#[tokio::test]
async fn the_queue_of_a_log_in_a_database_is_bounded() {
    let (log, hold) = held_on_postgres().await;
    assert_queue_is_bounded(log, hold).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_an_embedded_log_has_no_write_skew() {
    let dir = tempfile::tempdir().unwrap();
    let (log, hold) = held_on_sled(&dir);
    assert_a_group_has_no_write_skew(log, hold).await;
}

#[tokio::test]
async fn a_group_of_a_log_in_a_database_has_no_write_skew() {
    let (log, hold) = held_on_postgres().await;
    assert_a_group_has_no_write_skew(log, hold).await;
}
