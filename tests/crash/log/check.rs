//! What must hold of a store after a kill.

use std::collections::HashMap;
use std::path::Path;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Appended, EventLog, Position, StreamId, StreamVersion, event_id};
use bishui_tests::acknowledged::Acknowledged;
use uuid::Uuid;

use crate::victim::{LARGE_EVENTS, LARGE_EVERY, WRITERS, batch, is_large, payload};

/// Events read at a time.
const PAGE_EVENTS: usize = 1_024;

/// What is found at each position: the event's id, stream and version.
type Places = Vec<(Uuid, StreamId, StreamVersion)>;

/// Opens the store, checks all of it against what was acknowledged, closes it, and gives its head, or what is wrong.
pub(super) fn reopened(path: &Path, known: &[Acknowledged]) -> Result<Position, String> {
    let log = SledLog::open(path).map_err(|error| format!("it does not open: {error}"))?;
    let head = log.verify().map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let places = read_whole(&log, head).await?;
        check_batches_are_whole(&places)?;
        if let Some(lost) = known.iter().find(|acknowledged| !is_there(&places, acknowledged)) {
            return Err(format!("{lost:?} is not there"));
        }
        if let Some(last) = known.last() {
            let again = log.append(batch(last.writer, last.version)).await;
            let expected = Appended { first: last.first, last: last.last, duplicate: true };
            if !matches!(&again, Ok(appended) if *appended == expected) {
                return Err(format!("{last:?} is not known again: {again:?}"));
            }
        }
        Ok(head)
    })
}

/// All places, after a look at every payload.
async fn read_whole(log: &SledLog, head: Position) -> Result<Places, String> {
    let mut places = Places::new();
    let mut after = Position(0);
    while after < head {
        for event in log.read_all(after, PAGE_EVENTS).await.unwrap() {
            after.0 += 1;
            let writer = event.stream.key().parse().unwrap();
            let expected = payload(event.stream.family(), writer, event.version.0);
            if event.position != after || event.payload != expected {
                return Err(format!("event {after} is another"));
            }
            places.push((event.id, event.stream, event.version));
        }
    }
    Ok(places)
}

/// Every batch writes to both streams of its writer, and large ones to the bulk stream.
fn check_batches_are_whole(places: &Places) -> Result<(), String> {
    let mut versions: HashMap<&StreamId, u64> = HashMap::new();
    for (_, stream, version) in places {
        let last = versions.entry(stream).or_default();
        *last += 1;
        if version.0 != *last {
            return Err(format!("{stream} has version {version} where {last} should be"));
        }
    }
    let version = |family, writer| versions.get(&StreamId::new(family, writer)).copied().unwrap_or_default();
    let halves = (0..WRITERS).map(|writer| (version("left", writer), version("right", writer)));
    let bulk = (version("bulk", 0), version("left", 0) / LARGE_EVERY * LARGE_EVENTS);
    match halves.chain([bulk]).find(|(one, other)| one != other) {
        Some(unequal) => Err(format!("a batch is there in part: {unequal:?}")),
        None => Ok(()),
    }
}

/// Whether the batch stands where its writer was told.
fn is_there(places: &Places, acknowledged: &Acknowledged) -> bool {
    let Acknowledged { writer, version, first, last } = *acknowledged;
    let start = usize::try_from(first.0 - 1).unwrap();
    let id = Uuid::from_u64_pair(writer, version);
    let expected = [("left", 0), ("right", 1)]
        .map(|(family, index)| (event_id(id, index), StreamId::new(family, writer), StreamVersion(version)));
    let bulk = if is_large(writer, version) { LARGE_EVENTS } else { 0 };
    places.get(start..start + 2) == Some(&expected[..]) && last.0 - first.0 + 1 == 2 + bulk
}
