//! Leases: one holder at a time, and terms that shut out a holder who lost the work without noticing.

use std::time::Duration;

use bishui_infra::event_log::{Batch, Expected, LogError, Position};
use uuid::Uuid;

use crate::Fixture;
use crate::build::{stream, write, writes};

/// Longer than any test.
const LONG: Duration = Duration::from_mins(10);
const A: Uuid = Uuid::from_u128(1);
const B: Uuid = Uuid::from_u128(2);

pub(crate) async fn one_holder_has_a_lease_at_a_time(fixture: &dyn Fixture) {
    let log = fixture.log();
    let first = log.take_lease("mail", A, LONG).await.unwrap().unwrap();
    assert_eq!((first.work.as_str(), first.term), ("mail", 1));
    assert_eq!(log.take_lease("mail", B, LONG).await.unwrap(), None);
    assert_eq!(log.take_lease("mail", A, LONG).await.unwrap(), Some(first.clone()), "its holder renews it");
    assert_eq!(log.take_lease("deadlines", B, LONG).await.unwrap().unwrap().term, 1, "other work is another lease");
    log.end_lease(&first).await.unwrap();
    let second = log.take_lease("mail", B, LONG).await.unwrap().unwrap();
    assert_eq!(second.term, 2);
    log.end_lease(&first).await.unwrap();
    assert_eq!(log.take_lease("mail", A, LONG).await.unwrap(), None, "an old term ends nothing");
}

pub(crate) async fn a_lease_whose_time_is_over_passes_on(fixture: &dyn Fixture) {
    let log = fixture.log();
    log.take_lease("mail", A, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(log.take_lease("mail", B, LONG).await.unwrap().unwrap().term, 2);
}

pub(crate) async fn a_holder_of_an_earlier_term_appends_nothing(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let one = |number, lease| Batch { lease, ..writes(number, [write(&stream("a"), Expected::Any, 1)]) };
    let first = log.take_lease("mail", A, Duration::ZERO).await.unwrap();
    log.append(one(1, first.clone())).await.unwrap();
    let second = log.take_lease("mail", B, LONG).await.unwrap();
    let late = log.append(one(2, first)).await;
    assert!(matches!(&late, Err(LogError::Deposed { work, term: 1 }) if work == "mail"), "{late:?}");
    log.append(one(3, second)).await.unwrap();
    log.append(one(4, None)).await.unwrap();
    assert_eq!(log.head().await.unwrap(), Position(start.0 + 3));
}
