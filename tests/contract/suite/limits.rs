//! Bounds: the largest thing allowed is taken, one more is refused and leaves nothing.

use std::time::Duration;

use bishui_infra::event_log::{
    BATCH_EVENTS_MAX, Batch, EventLog, Expected, LogError, NAME_BYTES_MAX, NewEvent, PAYLOAD_BYTES_MAX, Position,
    StreamId, StreamWrite,
};
use uuid::Uuid;

use crate::Fixture;
use crate::build::{at, event, keyed, positions, stream, versions, write, writes};

fn one(event: NewEvent) -> StreamWrite {
    StreamWrite { stream: stream("bounds"), expected: Expected::Any, events: vec![event] }
}

async fn assert_too_large(log: &dyn EventLog, batch: Batch, what: &str, bound: usize) {
    match log.append(batch).await {
        Err(LogError::TooLarge { what: found, limit }) => assert_eq!((found, limit), (what, bound)),
        outcome => panic!("{outcome:?} is not the refusal of {what}"),
    }
}

pub(crate) async fn a_payload_above_the_bound_is_refused(fixture: &dyn Fixture) {
    let log = fixture.log();
    log.append(writes(1, [one(event("x".repeat(PAYLOAD_BYTES_MAX)))])).await.unwrap();
    let larger = writes(2, [one(event("x".repeat(PAYLOAD_BYTES_MAX + 1)))]);
    assert_too_large(&*log, larger, "the payload", PAYLOAD_BYTES_MAX).await;
    assert_eq!(versions(&*log, &stream("bounds")).await, [1]);
}

pub(crate) async fn names_above_the_bound_are_refused(fixture: &dyn Fixture) {
    let log = fixture.log();
    let longest = "n".repeat(NAME_BYTES_MAX);
    let longer = "n".repeat(NAME_BYTES_MAX + 1);
    let named = |number, name: &str, key: &str| {
        let write = StreamWrite {
            stream: StreamId::new("", &name[1..]),
            expected: at(0),
            events: vec![NewEvent { kind: name.into(), ..event("{}") }],
        };
        Batch { actor: name.into(), ..keyed(writes(number, [write]), key, number) }
    };
    let start = log.head().await.unwrap();
    log.append(named(1, &longest, &longest)).await.unwrap();
    let read = log.read_all(start, 1).await.unwrap();
    assert_eq!((read[0].actor.as_str(), read[0].kind.as_str()), (longest.as_str(), longest.as_str()));

    let actor = Batch { actor: longer.clone(), ..writes(2, [one(event("{}"))]) };
    assert_too_large(&*log, actor, "the actor", NAME_BYTES_MAX).await;
    let key = keyed(writes(2, [one(event("{}"))]), &longer, 1);
    assert_too_large(&*log, key, "the idempotency key", NAME_BYTES_MAX).await;
    let kind = writes(2, [one(NewEvent { kind: longer.clone(), ..event("{}") })]);
    assert_too_large(&*log, kind, "the event type", NAME_BYTES_MAX).await;
    let name = writes(2, [write(&StreamId::new("", &longest), at(0), 1)]);
    assert_too_large(&*log, name, "the stream name", NAME_BYTES_MAX).await;
    let moved = log.move_checkpoint(&longer, Position(0), Position(1)).await;
    assert!(matches!(moved, Err(LogError::TooLarge { limit: NAME_BYTES_MAX, .. })), "{moved:?}");
    let time = Duration::from_mins(1);
    assert!(log.take_lease(&longest, Uuid::from_u128(1), time).await.unwrap().is_some());
    let taken = log.take_lease(&longer, Uuid::from_u128(1), time).await;
    assert!(matches!(taken, Err(LogError::TooLarge { what: "the lease's name", limit: NAME_BYTES_MAX })), "{taken:?}");
}

pub(crate) async fn a_batch_above_the_bound_is_refused(fixture: &dyn Fixture) {
    let log = fixture.log();
    let half = write(&stream("a"), Expected::Any, BATCH_EVENTS_MAX / 2);
    let other = StreamWrite { stream: stream("b"), ..half.clone() };
    let larger = writes(1, [half, other, write(&stream("c"), at(0), 1)]);
    assert_too_large(&*log, larger, "the number of events in the batch", BATCH_EVENTS_MAX).await;
}

pub(crate) async fn a_refusal_by_a_bound_records_nothing(fixture: &dyn Fixture) {
    let log = fixture.log();
    let head = log.head().await.unwrap();
    let larger = one(event("x".repeat(PAYLOAD_BYTES_MAX + 1)));
    let batch = keyed(writes(1, [write(&stream("a"), at(0), 1), larger]), "key", 1);
    assert_too_large(&*log, batch, "the payload", PAYLOAD_BYTES_MAX).await;
    assert_eq!(log.head().await.unwrap(), head);
    // Its key is still free.
    log.append(keyed(writes(2, [write(&stream("a"), at(0), 1)]), "key", 2)).await.unwrap();
    assert_eq!(positions(&*log, head.0).await, [head.0 + 1]);
}

pub(crate) async fn a_batch_of_thousands_is_recorded_whole(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    let all: Vec<StreamWrite> = (0..100).map(|number| write(&stream(&format!("s{number}")), at(0), 30)).collect();
    let mut stale = all.clone();
    stale.push(write(&stream("s0"), at(29), 1));
    let refused = log.append(writes(1, stale)).await;
    assert!(matches!(refused, Err(LogError::Conflict { .. })), "{refused:?}");
    assert_eq!(log.head().await.unwrap(), Position(start));

    let appended = log.append(writes(2, all)).await.unwrap();
    assert_eq!((appended.first, appended.last), (Position(start + 1), Position(start + 3_000)));
    assert_eq!(positions(&*log, start).await, (start + 1..=start + 3_000).collect::<Vec<_>>());
    assert_eq!(versions(&*log, &stream("s99")).await, (1..=30).collect::<Vec<_>>());
}
