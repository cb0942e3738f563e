//! Connections that are lost during an append: what was recorded is found, and recorded once.

use bishui_infra::event_log::{Appended, Batch, EventLog, Expected, Position, StreamWrite};
use bishui_tests::postgres::{Cluster, database_name};
use bishui_tests::proxy::Proxy;

use super::{open, saying};
use crate::build::{positions, stream};

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
