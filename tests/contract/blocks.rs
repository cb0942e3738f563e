//! The log on PostgreSQL keeps events in blocks: wherever they are cut, it reads as a log in memory does.

use std::ops::ControlFlow;

use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{Batch, EventLog, Expected, Position, Recorded, StreamVersion, StreamWrite};
use bishui_tests::postgres::{Cluster, database_name, parsed};
use sqlx::Row as _;

use crate::build::{at, event, positions, stream, write, writes};

/// Events of the large batch.
const EVENTS: u64 = 600;
/// Bytes of the largest payload.
const LARGE: usize = 1 << 20;

/// A payload of `bytes` bytes, of which none repeats for long: it does not get smaller.
fn payload(number: u64, bytes: usize) -> String {
    let mut state = number;
    let digit = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 40) % 26).unwrap())
    });
    let text: String = digit.take(bytes - r#"{"x":""}"#.len()).collect();
    format!("{{\"x\":\"{text}\"}}")
}

/// A batch over three streams in turns: small events, some of a page and more, and two of the largest size.
fn large() -> Batch {
    let one = |number: u64| {
        let bytes = match number {
            100 | 101 => LARGE,
            number if number % 50 == 0 => 9_000,
            number => 20 + usize::try_from(number % 7).unwrap() * 150,
        };
        StreamWrite {
            stream: stream(&format!("s{}", number % 3)),
            expected: Expected::Any,
            events: vec![event(payload(number, bytes))],
        }
    };
    writes(1, (1..=EVENTS).map(one).collect::<Vec<_>>())
}

async fn replayed(log: &dyn EventLog, after: u64, until: u64) -> Vec<Recorded> {
    let mut events = Vec::new();
    let mut visit = |event: bishui_infra::event_log::EventRef<'_>| {
        events.push(event.to_recorded());
        ControlFlow::Continue(())
    };
    log.replay(Position(after), Position(until), &mut visit).await.unwrap();
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_over_many_blocks_is_read_from_anywhere() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let (log, memory) = (PostgresLog::open(&parsed(&address)).await.unwrap(), MemoryLog::new());
    for log in [&log as &dyn EventLog, &memory] {
        log.append(writes(9, [write(&stream("s1"), at(0), 1)])).await.unwrap();
        log.append(large()).await.unwrap();
        log.append(writes(10, [write(&stream("s2"), Expected::Any, 2)])).await.unwrap();
    }
    let head = EVENTS + 3;
    assert_eq!(log.verify().await.unwrap(), Position(head));
    for after in (0..=head).step_by(7).chain([head - 1, head + 1, u64::MAX]) {
        for limit in [1, 13, 200] {
            let expected = memory.read_all(Position(after), limit).await.unwrap();
            assert_eq!(log.read_all(Position(after), limit).await.unwrap(), expected, "{limit} after {after}");
        }
        let until = after.saturating_add(31);
        assert_eq!(replayed(&log, after, until).await, replayed(&memory, after, until).await, "after {after}");
    }
    for name in ["s0", "s1", "s2"].map(stream) {
        let version = memory.version(&name).await.unwrap();
        assert_eq!(log.version(&name).await.unwrap(), version);
        for after in (0..=version.0).step_by(5) {
            for limit in [1, 9, usize::MAX] {
                let expected = memory.read_stream(&name, StreamVersion(after), limit).await.unwrap();
                let read = log.read_stream(&name, StreamVersion(after), limit).await.unwrap();
                assert_eq!(read, expected, "{limit} of {name} after {after}");
            }
        }
    }
}

#[tokio::test]
async fn a_block_fits_a_page_unless_its_one_event_does_not() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let log = PostgresLog::open(&parsed(&address)).await.unwrap();
    log.append(large()).await.unwrap();
    let mut connection = cluster.connect(database_name(&address)).await;
    let mut number =
        async |sql: &str| -> i64 { sqlx::query(sql).fetch_one(&mut connection).await.unwrap().try_get(0).unwrap() };
    let out_of_line = "SELECT count(DISTINCT chunk_id) FROM pg_toast.pg_toast_";
    let table = number("SELECT 'bishui.block'::regclass::oid::bigint").await;
    // Those of 9,000 bytes and of the largest size; every other row is whole in its page.
    assert_eq!(number(&format!("{out_of_line}{table}")).await, 11 + 2);
    assert_eq!(number("SELECT count(*) FROM bishui.block WHERE pg_column_compression(events) IS NOT NULL").await, 0);
    let rows = number("SELECT count(*) FROM bishui.block").await;
    assert!((40..90).contains(&rows), "{rows} blocks");
}

#[tokio::test]
async fn nodes_in_turns_leave_one_log_without_a_seam() {
    let address = Cluster::shared().database().await;
    let nodes =
        [PostgresLog::open(&parsed(&address)).await.unwrap(), PostgresLog::open(&parsed(&address)).await.unwrap()];
    let (shared, memory) = (stream("shared"), MemoryLog::new());
    for number in 0..12_u64 {
        let own = stream(&format!("own{}", number % 2));
        let count = 1 + usize::try_from(number * number % 120).unwrap();
        let batch = writes(
            u128::from(number),
            [write(&shared, Expected::Any, count), write(&own, Expected::Any, 2), write(&shared, Expected::Any, 1)],
        );
        memory.append(batch.clone()).await.unwrap();
        nodes[usize::try_from(number % 2).unwrap()].append(batch).await.unwrap();
    }
    let head = memory.head().await.unwrap();
    assert_eq!(nodes[0].verify().await.unwrap(), head);
    for node in &nodes {
        assert_eq!(positions(node, 0).await, (1..=head.0).collect::<Vec<_>>());
        for after in [0, 1, head.0 / 2, head.0 - 1] {
            let expected = memory.read_stream(&shared, StreamVersion(after), 50).await.unwrap();
            assert_eq!(node.read_stream(&shared, StreamVersion(after), 50).await.unwrap(), expected);
        }
    }
}
