//! Requests that come again: the same key and request record once, the same key for another request is refused.

use std::sync::Arc;

use bishui_infra::event_log::{Appended, Idempotency, LogError, Position};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Fixture;
use crate::build::{at, keyed, positions, stream, versions, write, writes};

pub(crate) async fn a_repeated_request_is_answered_with_its_places(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let batch = keyed(writes(1, [write(&stream("a"), at(0), 2)]), "key", 1);
    let first = log.append(batch.clone()).await.unwrap();
    assert_eq!(first, Appended { first: Position(start.0 + 1), last: Position(start.0 + 2), duplicate: false });
    log.append(writes(2, [write(&stream("b"), at(0), 1)])).await.unwrap();
    let again = log.append(batch).await.unwrap();
    assert_eq!(again, Appended { duplicate: true, ..first });
    assert_eq!(positions(&*log, start.0).await.len(), 3);
}

/// The client decided on a version that its own first request has moved since.
pub(crate) async fn a_repeated_request_is_not_judged_again(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("a");
    let first = log.append(keyed(writes(1, [write(&county, at(0), 1)]), "key", 1)).await.unwrap();
    let again = log.append(keyed(writes(9, [write(&county, at(5), 1)]), "key", 1)).await.unwrap();
    assert_eq!(again, Appended { duplicate: true, ..first });
    assert_eq!(versions(&*log, &county).await, [1]);
}

pub(crate) async fn a_key_of_another_request_is_refused(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("a");
    log.append(keyed(writes(1, [write(&county, at(0), 1)]), "key", 1)).await.unwrap();
    let outcome = log.append(keyed(writes(2, [write(&county, at(1), 1)]), "key", 2)).await;
    assert!(matches!(&outcome, Err(LogError::KeyReused { key }) if key == "key"), "{outcome:?}");
    log.append(keyed(writes(2, [write(&county, at(1), 1)]), "other key", 2)).await.unwrap();
    assert_eq!(versions(&*log, &county).await, [1, 2]);
}

pub(crate) async fn a_refused_batch_does_not_use_its_key(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("a");
    let refused = log.append(keyed(writes(1, [write(&county, at(1), 1)]), "key", 1)).await;
    assert!(matches!(refused, Err(LogError::Conflict { .. })), "{refused:?}");
    let appended = log.append(keyed(writes(2, [write(&county, at(0), 1)]), "key", 2)).await.unwrap();
    assert!(!appended.duplicate);
    assert_eq!(versions(&*log, &county).await, [1]);
}

pub(crate) async fn one_of_many_repetitions_at_once_records(fixture: &dyn Fixture) {
    let log = fixture.log();
    let county = stream("a");
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let log = Arc::clone(&log);
        let batch = keyed(writes(1, [write(&county, at(0), 1)]), "key", 1);
        tasks.spawn(async move { log.append(batch).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|appended| !appended.duplicate).count(), 1);
    assert!(answers.iter().all(|appended| appended.first == answers[0].first));
    assert_eq!(versions(&*log, &county).await, [1]);
}

/// Where a request was recorded can be asked without repeating it.
pub(crate) async fn a_recorded_request_is_recalled_by_its_key(fixture: &dyn Fixture) {
    let log = fixture.log();
    let known = keyed(writes(1, [write(&stream("a"), at(0), 2)]), "k", 1);
    let asked = known.idempotency.clone().unwrap();
    assert_eq!(log.recall(&asked).await.unwrap(), None);
    let appended = log.append(known).await.unwrap();
    let recalled = log.recall(&asked).await.unwrap().unwrap();
    assert_eq!((recalled.first, recalled.last, recalled.duplicate), (appended.first, appended.last, true));
    let other = Idempotency { request: Uuid::from_u128(2), ..asked };
    assert!(matches!(log.recall(&other).await, Err(LogError::KeyReused { .. })));
}
