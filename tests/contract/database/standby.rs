//! A synchronous standby: it has what was acknowledged, also what was answered as a repetition or after a lost connection.

use bishui_infra::event_log::{Appended, EventLog, LogError, Position};
use bishui_tests::postgres::{Cluster, database_name};

use super::{open, saying};
use crate::build::{keyed, positions};

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
