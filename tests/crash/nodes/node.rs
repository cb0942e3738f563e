//! The process that is killed: writers that append without end and print what was acknowledged, and a worker that,
//! while its node has the lease, answers every event of the writers once, in order.

use std::convert::Infallible;
use std::env;
use std::sync::Arc;
use std::time::Duration;

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{
    Batch, EventLog, Expected, Idempotency, Lease, LogError, NewEvent, Position, StreamId, StreamVersion, StreamWrite,
};
use bishui_tests::acknowledged::Acknowledged;
use bishui_tests::child::end_with_the_test;
use bishui_tests::postgres::parsed;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use uuid::Uuid;

/// Address of the database given to a node.
pub(super) const ADDRESS: &str = "BISHUI_NODE_ADDRESS";
/// The number given to a node.
pub(super) const NUMBER: &str = "BISHUI_NODE_NUMBER";
/// `no` for nodes whose work is appended without the lease.
pub(super) const FENCED: &str = "BISHUI_NODE_FENCED";
/// Writers of a node.
pub(super) const WRITERS: u64 = 3;
/// The stream of the work.
pub(super) const ANSWERS: &str = "answers/all";

/// For how long the lease is taken, and how often it is renewed, as by a service.
const LEASE: Duration = Duration::from_secs(6);
const RENEWAL: Duration = Duration::from_secs(2);
/// Wait before a node that cannot reach the database tries again.
const AGAIN: Duration = Duration::from_millis(100);

/// Works until killed.
pub(super) async fn run(address: &str) {
    end_with_the_test();
    let number: u64 = env::var(NUMBER).unwrap().parse().unwrap();
    let fenced = env::var(FENCED).unwrap() == "yes";
    let log = loop {
        match PostgresLog::open(&parsed(address)).await {
            Ok(log) => break Arc::new(log),
            Err(error) => tell(&error).await,
        }
    };
    let mut tasks = JoinSet::new();
    for writer in number * WRITERS..(number + 1) * WRITERS {
        tasks.spawn(write(Arc::clone(&log), writer));
    }
    tasks.spawn(work(log, number, fenced));
    tasks.join_all().await;
}

/// Only a database that is away is no reason to give up.
async fn tell(error: &LogError) {
    assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
    sleep(AGAIN).await;
}

async fn write(log: Arc<PostgresLog>, writer: u64) {
    let mut version = loop {
        match log.version(&StreamId::new("left", writer)).await {
            Ok(version) => break version.0 + 1,
            Err(error) => tell(&error).await,
        }
    };
    loop {
        match log.append(batch(writer, version)).await {
            // A repetition of one whose answer was lost is recorded too.
            Ok(appended) => {
                println!("{}", Acknowledged { writer, version, first: appended.first, last: appended.last });
                version += 1;
            }
            Err(error) => tell(&error).await,
        }
    }
}

/// The batch that brings the streams of `writer` to `version`.
fn batch(writer: u64, version: u64) -> Batch {
    let id = Uuid::from_u64_pair(writer, version);
    let write = |family: &str| StreamWrite {
        stream: StreamId::new(family, writer),
        expected: Expected::Exactly(StreamVersion(version - 1)),
        events: vec![event(format!("{{\"n\":{version}}}"))],
    };
    let idempotency = Some(Idempotency { key: format!("{writer}/{version}"), request: id });
    Batch { idempotency, ..bare(id, vec![write("left"), write("right")]) }
}

fn bare(id: Uuid, writes: Vec<StreamWrite>) -> Batch {
    Batch {
        id,
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "node".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes,
    }
}

fn event(payload: String) -> NewEvent {
    NewEvent { kind: "crash.appended".into(), schema: 1, payload }
}

async fn work(log: Arc<PostgresLog>, number: u64, fenced: bool) {
    let holder = Uuid::from_u64_pair(number, u64::from(std::process::id()));
    loop {
        match log.take_lease("work", holder, LEASE).await {
            Ok(Some(lease)) => {
                let error = tokio::select! {
                    error = answer(&log, number, fenced.then_some(lease)) => error,
                    never = renew(&log, holder) => match never {},
                };
                if !matches!(error, LogError::Deposed { .. }) {
                    tell(&error).await;
                }
            }
            Ok(None) => sleep(RENEWAL).await,
            Err(error) => tell(&error).await,
        }
    }
}

async fn renew(log: &PostgresLog, holder: Uuid) -> Infallible {
    let mut ticks = interval(RENEWAL);
    loop {
        ticks.tick().await;
        if let Err(error) = log.take_lease("work", holder, LEASE).await {
            tell(&error).await;
        }
    }
}

/// Answers every event of the left streams after the last one answered, for as long as that succeeds. Nothing but the
/// lease keeps two nodes from answering the same event.
async fn answer(log: &PostgresLog, number: u64, lease: Option<Lease>) -> LogError {
    let mut done = match last_answered(log).await {
        Ok(position) => position,
        Err(error) => return error,
    };
    let mut head = log.watch();
    loop {
        let events = match log.read_all(done, 200).await {
            Ok(events) => events,
            Err(error) => return error,
        };
        if events.is_empty() {
            head.changed().await.expect("the log lives as long as this");
        }
        // What was read at once is answered in one batch: one worker must keep up with all writers.
        let mut answers = Vec::new();
        for event in &events {
            done = event.position;
            if event.stream.family() == "left" {
                answers.push(self::event(format!("{{\"answers\":{done},\"node\":{number}}}")));
            }
        }
        if answers.is_empty() {
            continue;
        }
        let stream = StreamId::new("answers", "all");
        let write = StreamWrite { stream, expected: Expected::Any, events: answers };
        let batch = Batch { lease: lease.clone(), ..bare(Uuid::from_u64_pair(u64::MAX, done.0), vec![write]) };
        if let Err(error) = log.append(batch).await {
            return error;
        }
    }
}

async fn last_answered(log: &PostgresLog) -> Result<Position, LogError> {
    let stream = StreamId::new("answers", "all");
    let version = log.version(&stream).await?;
    let Some(before) = version.0.checked_sub(1) else { return Ok(Position(0)) };
    let events = log.read_stream(&stream, StreamVersion(before), 1).await?;
    Ok(events.first().map(|event| super::check::Answer::of(event).position).unwrap_or_default())
}
