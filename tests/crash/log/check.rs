//! What must hold of a store after a kill.

use std::collections::HashMap;
use std::path::Path;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Appended, EventLog, Position, StreamId, StreamVersion, event_id};
use uuid::Uuid;

use crate::Acknowledged;
use crate::victim::{LARGE_EVENTS, LARGE_EVERY, WRITERS, batch, is_large, payload};

/// Events read at a time.
const PAGE_EVENTS: usize = 1_024;

/// What is found at each position: the event's id, stream and version.
type Places = Vec<(Uuid, StreamId, StreamVersion)>;

/// Opens the store, checks all of it against what was acknowledged, closes it, and gives its head.
pub(super) fn reopened(path: &Path, known: &[Acknowledged]) -> Position {
    let log = SledLog::open(path).unwrap();
    let head = log.verify().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let places = read_whole(&log, head).await;
        assert_batches_are_whole(&places);
        for acknowledged in known {
            assert_is_there(&places, acknowledged);
        }
        if let Some(last) = known.last() {
            let again = log.append(batch(last.writer, last.version)).await.unwrap();
            assert_eq!(again, Appended { first: last.first, last: last.last, duplicate: true });
        }
    });
    head
}

/// All places, after a look at every payload.
async fn read_whole(log: &SledLog, head: Position) -> Places {
    let mut places = Places::new();
    let mut after = Position(0);
    while after < head {
        for event in log.read_all(after, PAGE_EVENTS).await.unwrap() {
            after.0 += 1;
            assert_eq!(event.position, after);
            let writer = event.stream.key().parse().unwrap();
            let expected = payload(event.stream.family(), writer, event.version.0);
            assert!(event.payload == expected, "payload of event {after}");
            places.push((event.id, event.stream, event.version));
        }
    }
    places
}

/// Every batch writes to both streams of its writer, and large ones to the bulk stream.
fn assert_batches_are_whole(places: &Places) {
    let mut versions: HashMap<&StreamId, u64> = HashMap::new();
    for (_, stream, version) in places {
        let last = versions.entry(stream).or_default();
        *last += 1;
        assert_eq!(version.0, *last, "versions of {stream}");
    }
    let version = |family, writer| versions.get(&StreamId::new(family, writer)).copied().unwrap_or_default();
    for writer in 0..WRITERS {
        assert_eq!(version("left", writer), version("right", writer), "streams of writer {writer}");
    }
    assert_eq!(version("bulk", 0), version("left", 0) / LARGE_EVERY * LARGE_EVENTS, "bulk stream");
}

/// The batch stands where its writer was told.
fn assert_is_there(places: &Places, acknowledged: &Acknowledged) {
    let Acknowledged { writer, version, first, last } = *acknowledged;
    let start = usize::try_from(first.0 - 1).unwrap();
    let id = Uuid::from_u64_pair(writer, version);
    let expected = [("left", 0), ("right", 1)]
        .map(|(family, index)| (event_id(id, index), StreamId::new(family, writer), StreamVersion(version)));
    assert_eq!(places.get(start..start + 2), Some(&expected[..]), "{acknowledged:?}");
    let bulk = if is_large(writer, version) { LARGE_EVENTS } else { 0 };
    assert_eq!(last.0 - first.0 + 1, 2 + bulk, "{acknowledged:?}");
}
