//! The process that is killed: several writers that append without end and print what was acknowledged. What a batch
//! holds follows from its writer and its number, so that another process can tell what must be there.

use std::path::Path;
use std::sync::Arc;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{
    Batch, EventLog, Expected, Idempotency, LogError, NewEvent, Position, StreamId, StreamVersion, StreamWrite,
};
use bishui_tests::acknowledged::Acknowledged;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::READY;

/// Writers at once.
pub(super) const WRITERS: u64 = 8;
/// Every so many batches of writer 0 are large.
pub(super) const LARGE_EVERY: u64 = 20;
/// Events of a large batch in its bulk stream: more than a store would write in one piece.
pub(super) const LARGE_EVENTS: u64 = 1_300;
/// Batches that are told before they are appended, where that is wanted.
pub(super) const EARLY_BATCHES: u64 = 200;

/// Appends to `store` until killed; as a control, tells `early`.
pub(super) fn run(store: &Path, early: bool) {
    println!("{READY}");
    let log = Arc::new(SledLog::open(store).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if early {
            tell_early(&log).await;
        }
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(Arc::clone(&log), writer));
        }
        writers.join_all().await;
    });
}

async fn write(log: Arc<SledLog>, writer: u64) {
    let mut version = 1;
    loop {
        match log.append(batch(writer, version)).await {
            // Met again after a restart: the key of the first batch is known.
            Ok(appended) if appended.duplicate => version = resume(&log, writer).await,
            Ok(appended) => {
                println!("{}", Acknowledged { writer, version, first: appended.first, last: appended.last });
                version += 1;
            }
            Err(error) => panic!("writer {writer}: {error}"),
        }
    }
}

/// Tells of batches, then appends them. There is one writer of small batches, so it knows where they will stand.
async fn tell_early(log: &SledLog) {
    let (writer, versions) = (WRITERS - 1, 1..=EARLY_BATCHES);
    for version in versions.clone() {
        println!("{}", Acknowledged { writer, version, first: Position(2 * version - 1), last: Position(2 * version) });
    }
    for version in versions {
        log.append(batch(writer, version)).await.unwrap();
    }
}

/// The next version of a writer's streams, learnt from a conflict.
async fn resume(log: &SledLog, writer: u64) -> u64 {
    let unkeyed = Batch { idempotency: None, ..batch(writer, 1) };
    match log.append(unkeyed).await {
        Err(LogError::Conflict { actual, .. }) => actual.0 + 1,
        outcome => panic!("writer {writer} is not where its key says: {outcome:?}"),
    }
}

/// The batch that brings the streams of `writer` to `version`.
pub(super) fn batch(writer: u64, version: u64) -> Batch {
    let id = Uuid::from_u64_pair(writer, version);
    let mut writes = vec![single("left", writer, version), single("right", writer, version)];
    if is_large(writer, version) {
        let before = (version / LARGE_EVERY - 1) * LARGE_EVENTS;
        let events = (before + 1..=before + LARGE_EVENTS).map(|at| event("bulk", writer, at)).collect();
        writes.push(StreamWrite { stream: StreamId::new("bulk", writer), expected: exactly(before), events });
    }
    Batch {
        id,
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: None,
        idempotency: Some(Idempotency { key: format!("{writer}/{version}"), request: id }),
        lease: None,
        writes,
    }
}

fn single(family: &str, writer: u64, version: u64) -> StreamWrite {
    let stream = StreamId::new(family, writer);
    StreamWrite { stream, expected: exactly(version - 1), events: vec![event(family, writer, version)] }
}

fn exactly(version: u64) -> Expected {
    Expected::Exactly(StreamVersion(version))
}

/// Whether the batch has events in the bulk stream too.
pub(super) fn is_large(writer: u64, version: u64) -> bool {
    writer == 0 && version.is_multiple_of(LARGE_EVERY)
}

fn event(family: &str, writer: u64, version: u64) -> NewEvent {
    NewEvent { kind: "crash.appended".into(), schema: 1, payload: payload(family, writer, version) }
}

/// The payload of `version` of a stream; some are larger than a stored piece, some much larger.
pub(super) fn payload(family: &str, writer: u64, version: u64) -> String {
    let padding = match (family, version % 97) {
        ("bulk", _) => 10,
        (_, 13) => 40_000,
        (_, rest) => 3 * usize::try_from(rest * rest).expect("below 10,000"),
    };
    format!("{{\"断面\":\"{family}/{writer}\",\"次\":{version},\"注\":\"{}\"}}", "水".repeat(padding / 3))
}
