//! A small aggregate of cqrs-es, carried by the log in memory.

use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventStore, QueryReplay};
use cqrs_es::{AggregateContext, AggregateError, CqrsFramework, DomainEvent, EventEnvelope, EventStore, Query};
use serde::{Deserialize, Serialize};

use super::*;
use crate::event_log::memory::MemoryLog;

/// How often a section missed its target in a row.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Misses {
    in_a_row: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Assessed {
    Missed { month: String },
    Met,
}

impl DomainEvent for Assessed {
    fn event_type(&self) -> String {
        match self {
            Self::Missed { .. } => "section.missed".into(),
            Self::Met => "section.met".into(),
        }
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("never")
    }
}

impl Aggregate for Misses {
    const TYPE: &'static str = "misses";
    type Command = Vec<Assessed>;
    type Event = Assessed;
    type Error = Never;
    type Services = ();

    async fn handle(&mut self, command: Vec<Assessed>, (): &(), sink: &EventSink<Self>) -> Result<(), Never> {
        for event in command {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Assessed) {
        match event {
            Assessed::Missed { .. } => self.in_a_row += 1,
            Assessed::Met => self.in_a_row = 0,
        }
    }
}

fn missed(month: &str) -> Assessed {
    Assessed::Missed { month: month.into() }
}

fn metadata(command: u128) -> HashMap<String, String> {
    HashMap::from([
        (COMMAND.into(), Uuid::from_u128(command).to_string()),
        (ACTOR.into(), "局长".into()),
        (RECORDED_AT.into(), "2026-03-05T08:30:00Z".into()),
    ])
}

fn framework(log: &MemoryLog) -> CqrsFramework<Misses, PersistedEventStore<LogRepository, Misses>> {
    CqrsFramework::new(store(log), Vec::new(), ())
}

fn repository(log: &MemoryLog) -> LogRepository {
    LogRepository::new(Arc::new(log.clone()))
}

fn store(log: &MemoryLog) -> PersistedEventStore<LogRepository, Misses> {
    PersistedEventStore::new_event_store(repository(log))
}

#[tokio::test]
async fn an_aggregate_is_loaded_as_it_was_committed() {
    let log = MemoryLog::new();
    let section = framework(&log);
    section.execute_with_metadata("a", vec![missed("2026-01"), Assessed::Met], metadata(1)).await.unwrap();
    section.execute_with_metadata("a", vec![missed("2026-03"), missed("四月")], metadata(2)).await.unwrap();
    let mut loaded = store(&log).load_aggregate("a").await.unwrap();
    assert_eq!(loaded.aggregate(), &Misses { in_a_row: 2 });
    assert_eq!(loaded.current_sequence, 4);

    let recorded = log.read_stream(&StreamId::new("misses", "a"), StreamVersion(3), 9).await.unwrap();
    assert_eq!(recorded[0].id, crate::event_log::event_id(Uuid::from_u128(2), 1));
    assert_eq!((recorded[0].actor.as_str(), recorded[0].kind.as_str()), ("局长", "section.missed"));
    assert_eq!(recorded[0].payload, r#"{"Missed":{"month":"四月"}}"#);
}

#[tokio::test]
async fn the_second_of_two_writers_meets_a_conflict() {
    let log = MemoryLog::new();
    let store = store(&log);
    let (one, two) = (store.load_aggregate("a").await.unwrap(), store.load_aggregate("a").await.unwrap());
    store.commit(vec![Assessed::Met], one, metadata(1)).await.unwrap();
    let outcome = store.commit(vec![missed("2026-01")], two, metadata(2)).await;
    assert!(matches!(outcome, Err(AggregateError::AggregateConflict)), "{outcome:?}");
    assert_eq!(log.head().await.unwrap(), Position(1));
}

#[tokio::test]
async fn metadata_without_a_place_or_missing_is_refused() {
    let log = MemoryLog::new();
    let section = framework(&log);
    let mut more = metadata(1);
    more.insert("weather".into(), "rain".into());
    let error = section.execute_with_metadata("a", vec![Assessed::Met], more).await.unwrap_err();
    assert_eq!(error.to_string(), "metadata `weather` has no place in the log");
    let error = section.execute("a", vec![Assessed::Met]).await.unwrap_err();
    assert_eq!(error.to_string(), "metadata `command` is missing");
    assert_eq!(log.head().await.unwrap(), Position(0));
}

#[tokio::test]
async fn a_snapshot_is_neither_kept_nor_given() {
    let log = MemoryLog::new();
    let repository = repository(&log);
    let refused = repository.persist::<Misses>(&[], Some(("a".into(), json!({}), 1))).await;
    assert_eq!(refused.unwrap_err().to_string(), "snapshots are not kept: use the event store mode");
    assert_eq!(repository.get_snapshot::<Misses>("a").await.unwrap(), None);
}

/// Writes down what a replay brings.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<(String, usize, String)>>>);

#[async_trait]
impl Query<Misses> for Witness {
    async fn dispatch(&self, aggregate_id: &str, events: &[EventEnvelope<Misses>]) {
        let mut seen = self.0.lock().unwrap();
        seen.extend(events.iter().map(|e| (aggregate_id.to_owned(), e.sequence, e.metadata[POSITION].clone())));
    }
}

#[tokio::test]
async fn a_replay_of_all_aggregates_follows_the_log() {
    let log = MemoryLog::new();
    let section = framework(&log);
    for (number, id) in (1..).zip(["b", "a", "b", "a", "a"]) {
        section.execute_with_metadata(id, vec![Assessed::Met], metadata(number)).await.unwrap();
        let other = StreamWrite {
            stream: StreamId::new("missesx", id),
            expected: Expected::Any,
            events: vec![NewEvent { kind: "other".into(), schema: 1, payload: "{}".into() }],
        };
        let mut batch = batch_of_another_family();
        batch.writes.push(other);
        log.append(batch).await.unwrap();
    }
    let witness = Witness::default();
    QueryReplay::<_, _, Misses>::new(repository(&log), witness.clone()).replay_all().await.unwrap();
    let seen = std::mem::take(&mut *witness.0.lock().unwrap());
    let seen: Vec<_> =
        seen.iter().map(|(id, sequence, position)| (id.as_str(), *sequence, position.as_str())).collect();
    assert_eq!(seen, [("b", 1, "1"), ("a", 1, "3"), ("b", 2, "5"), ("a", 2, "7"), ("a", 3, "9")]);

    QueryReplay::<_, _, Misses>::new(repository(&log), witness.clone()).replay("b").await.unwrap();
    assert_eq!(*witness.0.lock().unwrap(), [("b".into(), 1, "1".into()), ("b".into(), 2, "5".into())]);
}

fn batch_of_another_family() -> Batch {
    Batch {
        id: Uuid::nil(),
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: Vec::new(),
    }
}
