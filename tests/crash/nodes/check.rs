//! What must hold of the log, and waiting for what the nodes do.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{EventLog, LogError, Position, Recorded, event_id};
use bishui_tests::acknowledged::Acknowledged;
use serde::Deserialize;
use tokio::time::timeout;
use uuid::Uuid;

use crate::node::ANSWERS;

/// An event of the work.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    /// The event that is answered.
    #[serde(rename = "answers")]
    pub(super) position: Position,
    /// The node that answers.
    pub(super) node: usize,
}

impl Answer {
    pub(super) fn of(event: &Recorded) -> Self {
        serde_json::from_str(&event.payload).unwrap()
    }
}

/// The node that has done the newest work.
pub(super) async fn worker(log: &PostgresLog) -> usize {
    work_of(log, Position(0), |_| true).await
}

/// Waits for work recorded after `from` by a node other than `node`.
pub(super) async fn work_of_another(log: &PostgresLog, from: Position, node: usize, longest: Duration) {
    timeout(longest, work_of(log, from, |other| other != node)).await.expect("another node goes on with the work");
}

/// Waits for work recorded after `from` by a node that is `wanted`; gives the newest such node.
async fn work_of(log: &PostgresLog, from: Position, wanted: impl Fn(usize) -> bool) -> usize {
    let (mut after, mut head) = (from, log.watch());
    loop {
        let events = read(log, after).await;
        let workers =
            events.iter().filter(|event| event.stream.as_str() == ANSWERS).map(|event| Answer::of(event).node);
        if let Some(node) = workers.filter(|node| wanted(*node)).last() {
            return node;
        }
        after = events.last().map_or(after, |event| event.position);
        head.changed().await.unwrap();
    }
}

/// All events after `after`; asked again while the database is away.
async fn read(log: &PostgresLog, after: Position) -> Vec<Recorded> {
    loop {
        match log.read_all(after, usize::MAX).await {
            Ok(events) => return events,
            Err(LogError::Unavailable { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Waits until every event up to the head of now is answered; gives that head.
pub(super) async fn work_is_level(log: &PostgresLog, longest: Duration) -> Position {
    let end = log.head().await.unwrap();
    let level = async {
        let (mut after, mut head) = (Position(0), log.watch());
        let (mut newest, mut open) = (Position(0), Position(0));
        loop {
            let events = read(log, after).await;
            for event in &events {
                after = event.position;
                if event.stream.as_str() == ANSWERS {
                    newest = Answer::of(event).position;
                } else if event.position <= end && event.stream.family() == "left" {
                    open = event.position;
                }
            }
            if after >= end && newest >= open {
                return;
            }
            head.changed().await.unwrap();
        }
    };
    timeout(longest, level).await.expect("the work gets level");
    end
}

/// Everything that must not be: an acknowledged batch that is not in its place, half a batch, work done twice, out of
/// order or left out.
pub(super) async fn faults(log: &PostgresLog, known: &[Acknowledged]) -> Vec<String> {
    let mut events = Vec::new();
    let end = log.head().await.unwrap();
    let collect = &mut |event: bishui_infra::event_log::EventRef<'_>| {
        events.push(event.to_recorded());
        ControlFlow::Continue(())
    };
    log.replay(Position(0), end, collect).await.unwrap();
    let mut faults = Vec::new();
    for acknowledged in known {
        if !is_there(&events, acknowledged) {
            faults.push(format!("{acknowledged:?} is not there"));
        }
    }
    let mut versions: HashMap<String, HashMap<u64, u64>> = HashMap::new();
    for event in events.iter().filter(|event| event.stream.as_str() != ANSWERS) {
        let writer = event.stream.key().parse().unwrap();
        versions.entry(event.stream.family().to_owned()).or_default().insert(writer, event.version.0);
    }
    if versions.get("left") != versions.get("right") {
        faults.push(format!("half a batch is there: {versions:?}"));
    }
    faults.extend(faults_of_work(&events));
    faults
}

fn faults_of_work(events: &[Recorded]) -> Vec<String> {
    let (mut faults, mut answered, mut last) = (Vec::new(), HashSet::new(), Position(0));
    for event in events.iter().filter(|event| event.stream.as_str() == ANSWERS) {
        let answer = Answer::of(event);
        if !answered.insert(answer.position) {
            faults.push(format!("event {} was answered again by node {}", answer.position, answer.node));
        }
        if answer.position < last {
            faults.push(format!("event {} was answered after event {last}", answer.position));
        }
        last = last.max(answer.position);
    }
    let left = events.iter().filter(|event| event.stream.family() == "left" && event.position <= last);
    faults.extend(
        left.filter(|event| !answered.contains(&event.position))
            .map(|event| format!("event {} was left out", event.position)),
    );
    faults
}

/// The batch stands where its writer was told.
fn is_there(events: &[Recorded], acknowledged: &Acknowledged) -> bool {
    let Acknowledged { writer, version, first, last } = *acknowledged;
    let start = usize::try_from(first.0 - 1).unwrap();
    let Some([left, right]) = events.get(start..start + 2) else { return false };
    let id = Uuid::from_u64_pair(writer, version);
    let is = |event: &Recorded, family: &str, place| {
        event.id == event_id(id, place)
            && event.stream.as_str() == format!("{family}/{writer}")
            && event.version.0 == version
    };
    last.0 == first.0 + 1 && is(left, "left", 0) && is(right, "right", 1)
}
