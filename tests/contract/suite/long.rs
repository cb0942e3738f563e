//! Streams and queues longer than anything a store keeps at hand.

use bishui_infra::event_log::{Expected, Position, StreamVersion};

use crate::Fixture;
use crate::build::{at, stream, write, writes};

/// Events of the long stream: past the farthest step by which a store may go back in it.
const EVENTS: u64 = 5_000;
/// Writers at once: more than wait in the queue of any store.
const WRITERS: u128 = 6_000;

pub(crate) async fn a_long_stream_is_read_from_any_version(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap();
    let (long, other) = (stream("long"), stream("other"));
    let mut written = 0;
    for number in 0.. {
        let count = 1 + written % 7;
        let two = [write(&other, Expected::Any, 1), write(&long, at(written), usize::try_from(count).unwrap())];
        log.append(writes(number, two)).await.unwrap();
        written += count;
        if written >= EVENTS {
            break;
        }
    }
    assert_eq!(log.version(&long).await.unwrap(), StreamVersion(written));
    let all = log.read_stream(&long, StreamVersion(0), usize::MAX).await.unwrap();
    assert_eq!(all.iter().map(|event| event.version.0).collect::<Vec<_>>(), (1..=written).collect::<Vec<_>>());
    for after in [0, 1, 14, 15, 16, 17, 255, 256, 257, 1_000, 4_095, 4_096, 4_097, written - 1, written] {
        for limit in [1_usize, 2, 16, 300] {
            let page = log.read_stream(&long, StreamVersion(after), limit).await.unwrap();
            let from = usize::try_from(after).unwrap();
            assert_eq!(page, all[from..all.len().min(from + limit)], "{limit} after {after}");
        }
    }
    let log_order = log.read_all(start, usize::MAX).await.unwrap();
    assert_eq!(log_order.into_iter().filter(|event| event.stream == long).collect::<Vec<_>>(), all);
}

pub(crate) async fn more_writers_than_can_wait_are_all_answered(fixture: &dyn Fixture) {
    let log = fixture.log();
    let start = log.head().await.unwrap().0;
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let log = std::sync::Arc::clone(&log);
            tokio::spawn(async move {
                let one = writes(number, [write(&stream(&number.to_string()), at(0), 1)]);
                log.append(one).await.unwrap().first.0
            })
        })
        .collect();
    let mut firsts = Vec::new();
    for writer in writers {
        firsts.push(writer.await.unwrap());
    }
    firsts.sort_unstable();
    assert_eq!(firsts, (start + 1..=start + firsts.len() as u64).collect::<Vec<_>>());
    assert_eq!(log.head().await.unwrap(), Position(start + firsts.len() as u64));
}
