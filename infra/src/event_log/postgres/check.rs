//! The full pass: every block is read, its events are compared with one another, and the head, the runs and the keys
//! with the events.

use std::collections::HashMap;

use sqlx::Row as _;

use super::block::unpack;
use super::connections::Connections;
use super::failure::{bigint, corrupt, failed, name, number};
use super::read::key_record;
use super::stored::{Place, first};
use super::writing::Runs;
use crate::event_log::admission::KeyRecord;
use crate::event_log::{EventRef, LogError, Position, StreamVersion};

/// Blocks read at a time.
const PAGE_BLOCKS: i64 = 64;
/// Keys read at a time.
const PAGE_KEYS: i64 = 1_000;
/// Runs counted at a time.
const PAGE_RUNS: i64 = 100_000;

/// The rows of the head with the position of the last block's end: an append changes both at once.
const HEAD: &str = "SELECT position, coalesce((SELECT max(last) FROM bishui.block), 0) FROM bishui.head";
const BLOCKS: &str = "SELECT last, events FROM bishui.block WHERE last > $1 AND last <= $2 ORDER BY last LIMIT $3";
/// The runs of stream $1 and first version $2 each, in this order.
const RUNS: &str = "SELECT run.block, run.count FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY \
        AS asked (stream, version, place) LEFT JOIN bishui.run USING (stream, version) ORDER BY place";
/// Of $4 runs after that of stream $1 and version $2: the last one, how many end with position $3 or before, and the
/// stream and end of one that is beyond the head.
const RUN_PAGE: &str = "WITH page AS (\
        SELECT stream, version, block FROM bishui.run WHERE (stream, version) > ($1, $2) \
        ORDER BY stream, version LIMIT $4\
    ), beyond AS (SELECT stream, block FROM page WHERE block > (SELECT position FROM bishui.head) LIMIT 1) \
    SELECT page.stream, page.version, (SELECT count(*) FROM page WHERE block <= $3), \
        (SELECT stream FROM beyond), (SELECT block FROM beyond) \
    FROM page ORDER BY page.stream DESC, page.version DESC LIMIT 1";
/// The keys from $1 on, and the head.
const KEYS: &str = "SELECT key, request, first_position, last_position, (SELECT position FROM bishui.head) \
    FROM bishui.request_key WHERE key >= $1 ORDER BY key LIMIT $2";

const READING: &str = "reading the whole log";

/// What the events say about streams and keys.
#[derive(Default)]
struct Seen {
    /// The version of each stream, and the number of its newest run on the page.
    streams: HashMap<String, (StreamVersion, usize)>,
    keys: HashMap<String, KeyRecord>,
    runs: u64,
}

/// Compares the log with itself up to its head.
pub(super) async fn verify(connections: &Connections) -> Result<Position, LogError> {
    let head = check_head(connections).await?;
    let (mut seen, mut last, mut room) = (Seen::default(), Position(0), Vec::new());
    while last < head {
        let page = || sqlx::query(BLOCKS).bind(bigint(last.0)).bind(bigint(head.0)).bind(PAGE_BLOCKS);
        let rows = connections.rows(READING, page).await?;
        if rows.is_empty() {
            return Err(corrupt(format!("the head is {head}, but the last event is {last}")));
        }
        let mut runs = Runs::default();
        for row in &rows {
            let end: i64 = row.try_get(0).map_err(read)?;
            last = seen.see_block(row.try_get(1).map_err(read)?, last, end, &mut room, &mut runs)?;
        }
        check_runs(connections, &runs).await?;
        seen.runs += u64::try_from(runs.blocks.len()).unwrap_or(u64::MAX);
    }
    let count = count_runs(connections, head).await?;
    if count != seen.runs {
        return Err(corrupt(format!("{count} runs of streams are listed, and the events make {}", seen.runs)));
    }
    check_keys(connections, head, &seen).await?;
    Ok(head)
}

/// The head, of which there is one row, at the end of the last block.
async fn check_head(connections: &Connections) -> Result<Position, LogError> {
    let rows = connections.rows(READING, || sqlx::query(HEAD)).await?;
    let [row] = rows.as_slice() else {
        return Err(corrupt(format!("the head has {} rows instead of one", rows.len())));
    };
    let head = number(row.try_get(0).map_err(read)?, "the position of the head")?;
    let last = number(row.try_get(1).map_err(read)?, "the end of the last block")?;
    if head != last {
        return Err(corrupt(format!("the head is {head}, but the last event is {last}")));
    }
    Ok(Position(head))
}

impl Seen {
    /// Sees the events of a block that follows `last` and ends at `end` by its column; gives the position of its last.
    fn see_block(
        &mut self,
        block: &[u8],
        last: Position,
        end: i64,
        room: &mut Vec<u8>,
        runs: &mut Runs,
    ) -> Result<Position, LogError> {
        let begin = Position(last.0 + 1);
        let after = unpack(block, Place::Log(begin), room)?;
        if !after.is_empty() {
            return Err(corrupt(format!("the block of event {begin}: something follows it in its row")));
        }
        let (mut rest, mut last) = (room.as_slice(), last);
        while !rest.is_empty() {
            last = Position(last.0 + 1);
            let (event, after) = first(rest, Place::Log(last))?;
            let newest = self.see(&event)?;
            runs.add(newest, event.stream, event.version);
            rest = after;
        }
        if bigint(last.0) != end {
            let what =
                format!("the block of event {begin}: its column says that it ends with {end}, and it ends with {last}");
            return Err(corrupt(what));
        }
        runs.end_block(last);
        Ok(last)
    }

    /// Sees an event; gives the number of its stream's newest run.
    fn see(&mut self, event: &EventRef<'_>) -> Result<&mut usize, LogError> {
        let position = event.position;
        if let (Some(key), Some(request)) = (event.idempotency_key, event.request) {
            let record = KeyRecord { request, first: position, last: position };
            let record = if event.place == 0 { record } else { self.goes_on(key, record) };
            self.keys.insert(key.to_owned(), record);
        }
        let (version, newest) = self.streams.entry(event.stream.to_owned()).or_default();
        version.0 += 1;
        if event.version != *version {
            let what = format!("event {position} is version {} of {}, not {version}", event.version, event.stream);
            return Err(corrupt(what));
        }
        Ok(newest)
    }

    /// The record of a key whose batch goes on at `record`.
    fn goes_on(&self, key: &str, record: KeyRecord) -> KeyRecord {
        self.keys.get(key).map_or(record, |known| KeyRecord { last: record.last, ..*known })
    }
}

/// Compares the runs that some blocks make with those that are kept.
async fn check_runs(connections: &Connections, made: &Runs) -> Result<(), LogError> {
    let asked = || sqlx::query(RUNS).bind(&made.streams).bind(&made.versions);
    let rows = connections.rows(READING, asked).await?;
    for (place, row) in rows.iter().enumerate() {
        let kept: (Option<i64>, Option<i32>) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
        let (block, count) = (made.blocks[place], made.counts[place]);
        if kept != (Some(block), Some(count)) {
            let stream = String::from_utf8_lossy(&made.streams[place]);
            let what = format!(
                "the run of stream `{stream}` from version {} is not that of its {count} events in the block that ends \
                 with event {block}",
                made.versions[place]
            );
            return Err(corrupt(what));
        }
    }
    Ok(())
}

/// How many runs end with `head` or before; none may end beyond the head that the log has by now.
async fn count_runs(connections: &Connections, head: Position) -> Result<u64, LogError> {
    let (mut stream, mut version, mut count) = (Vec::<u8>::new(), 0_i64, 0);
    loop {
        let page = || sqlx::query(RUN_PAGE).bind(&stream).bind(version).bind(bigint(head.0)).bind(PAGE_RUNS);
        let Some(row) = connections.rows(READING, page).await?.pop() else { return Ok(count) };
        count += number(row.try_get(2).map_err(read)?, "the number of runs")?;
        if let (Some(beyond), Some(end)) =
            (row.try_get::<Option<Vec<u8>>, _>(3).map_err(read)?, row.try_get::<Option<i64>, _>(4).map_err(read)?)
        {
            let beyond = String::from_utf8_lossy(&beyond);
            return Err(corrupt(format!("a run of stream `{beyond}` ends with event {end}, which is beyond the head")));
        }
        (stream, version) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
    }
}

async fn check_keys(connections: &Connections, head: Position, seen: &Seen) -> Result<(), LogError> {
    let (mut from, mut count) = (Vec::<u8>::new(), 0_usize);
    loop {
        let page = || sqlx::query(KEYS).bind(&from).bind(PAGE_KEYS);
        let rows = connections.rows(READING, page).await?;
        let Some(last) = rows.last() else { break };
        from = last.try_get(0).map_err(read)?;
        // The next key there can be.
        from.push(0);
        for row in &rows {
            let key = name(row.try_get(0).map_err(read)?, "an idempotency key")?;
            let (record, newest) = (key_record(row, key, 1)?, row.try_get::<i64, _>(4).map_err(read)?);
            // What was used since the head was read has events that were not seen.
            let is_later = record.last > head && bigint(record.last.0) <= newest;
            if is_later {
                continue;
            }
            if seen.keys.get(key) != Some(&record) {
                return Err(corrupt(format!("idempotency key `{}` stands for other events", key.escape_debug())));
            }
            count += 1;
        }
    }
    if count == seen.keys.len() {
        return Ok(());
    }
    Err(corrupt(format!("{count} idempotency keys are listed, and the events used {}", seen.keys.len())))
}

fn read(error: sqlx::Error) -> LogError {
    failed(READING, error)
}
