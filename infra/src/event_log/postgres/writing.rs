//! What a group writes, in the form of the tables, and the statements that write it.

use std::ops::Range;

use sqlx::postgres::PgQueryResult;
use sqlx::{Error, PgConnection};

use super::block::cut;
use super::failure::bigint;
use super::group::Group;
use crate::event_log::{Position, StreamVersion};

/// Bytes of blocks after which a statement takes no further block.
const STATEMENT_BYTES_MAX: usize = 8 << 20;

/// Moves the head from $1 to $2 under the terms $3. What follows happens only with it.
const MOVE: &str = "WITH moved AS (UPDATE bishui.head SET position = $2 WHERE position = $1 AND terms = $3";
/// A further condition: none of the keys $4 is there.
const NO_KEY: &str = " AND NOT EXISTS (SELECT FROM bishui.request_key WHERE key = ANY ($4::bytea[]))";
/// A further condition: none of the streams $5 is there.
const NO_STREAM: &str = " AND NOT EXISTS (SELECT FROM bishui.run WHERE stream = ANY ($5::bytea[]))";
/// Keeps the keys $6 to $9.
const KEYS: &str = ", keys AS (\
        INSERT INTO bishui.request_key (key, request, first_position, last_position) \
        SELECT key, request, first, last FROM unnest($6::bytea[], $7::uuid[], $8::bigint[], $9::bigint[]) \
            AS new (key, request, first, last) WHERE EXISTS (SELECT FROM moved) \
        ON CONFLICT (key) DO UPDATE SET request = excluded.request, first_position = excluded.first_position, \
            last_position = excluded.last_position\
    )";
/// Inserts the runs $10 to $13.
const RUNS: &str = ", runs AS (\
        INSERT INTO bishui.run (version, block, count, stream) \
        SELECT version, block, count, stream FROM unnest($10::bigint[], $11::bigint[], $12::int[], $13::bytea[]) \
            AS new (version, block, count, stream) WHERE EXISTS (SELECT FROM moved)\
    ) ";
/// The same for one run: lists of one would cost an append a tenth of its time.
const RUN: &str = ", runs AS (\
        INSERT INTO bishui.run (version, block, count, stream) \
        SELECT $10::bigint, $11::bigint, $12::int, $13::bytea FROM moved\
    ) ";
/// Inserts the blocks $14 and $15.
const BLOCKS: &str = "INSERT INTO bishui.block (last, events) \
    SELECT last, events FROM unnest($14::bigint[], $15::bytea[]) AS new (last, events) \
    WHERE EXISTS (SELECT FROM moved)";
/// The same for one block.
const BLOCK: &str = "INSERT INTO bishui.block (last, events) SELECT $14::bigint, $15::bytea FROM moved";
/// Inserts the runs $1 to $4 and the blocks $5 and $6.
const CONTINUE: &str = "WITH runs AS (\
        INSERT INTO bishui.run (version, block, count, stream) \
        SELECT version, block, count, stream FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::bytea[]) \
            AS new (version, block, count, stream)\
    ) \
    INSERT INTO bishui.block (last, events) \
    SELECT last, events FROM unnest($5::bigint[], $6::bytea[]) AS new (last, events)";

/// Which events of a stream are in which block: one entry for a stream and a block.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) streams: Vec<Vec<u8>>,
    /// Version of the first.
    pub(super) versions: Vec<i64>,
    pub(super) counts: Vec<i32>,
    /// Position of the block's last event.
    pub(super) blocks: Vec<i64>,
}

impl Runs {
    /// The next event of the open block is of `stream`, whose newest run is the one numbered `newest`, if that is one.
    pub(super) fn add(&mut self, newest: &mut usize, stream: &str, version: StreamVersion) {
        let open = self.blocks.len()..self.streams.len();
        if open.contains(newest) && self.streams[*newest] == stream.as_bytes() {
            self.counts[*newest] += 1;
            return;
        }
        *newest = self.streams.len();
        self.streams.push(stream.as_bytes().to_vec());
        self.versions.push(bigint(version.0));
        self.counts.push(1);
    }

    /// The open block ends with `last`.
    pub(super) fn end_block(&mut self, last: Position) {
        self.blocks.resize(self.streams.len(), bigint(last.0));
    }
}

/// What a group writes.
#[derive(Debug)]
pub(super) struct Writing {
    /// Position before its first event, and of its last.
    head: i64,
    last: i64,
    runs: Runs,
    /// Where the runs of each block end.
    run_ends: Vec<usize>,
    /// Position of each block's last event.
    pub(super) lasts: Vec<i64>,
    pub(super) blocks: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
    requests: Vec<uuid::Uuid>,
    key_firsts: Vec<i64>,
    key_lasts: Vec<i64>,
}

/// What must not be there for a group to be written at once.
#[derive(Debug, Default)]
pub(super) struct Absent<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) streams: Vec<&'a [u8]>,
}

impl Writing {
    /// The effects of `group`.
    pub(super) fn of(group: &Group) -> Self {
        let mut writing = Self {
            head: bigint(group.head.0),
            last: bigint(group.last().0),
            runs: Runs::default(),
            run_ends: Vec::new(),
            lasts: Vec::new(),
            blocks: Vec::new(),
            keys: Vec::with_capacity(group.keys.len()),
            requests: Vec::with_capacity(group.keys.len()),
            key_firsts: Vec::with_capacity(group.keys.len()),
            key_lasts: Vec::with_capacity(group.keys.len()),
        };
        let mut newest = vec![usize::MAX; group.streams.len()];
        for (taken, block) in cut(&group.events, &group.ends) {
            let last = Position(group.head.0 + u64::try_from(taken.end).expect("a group is bounded"));
            for (stream, version) in &group.places[taken] {
                writing.runs.add(&mut newest[*stream], group.streams[*stream].0.as_str(), *version);
            }
            writing.runs.end_block(last);
            writing.run_ends.push(writing.runs.blocks.len());
            writing.lasts.push(bigint(last.0));
            writing.blocks.push(block);
        }
        for (key, record) in &group.keys {
            writing.keys.push(key.as_bytes().to_vec());
            writing.requests.push(record.request);
            writing.key_firsts.push(bigint(record.first.0));
            writing.key_lasts.push(bigint(record.last.0));
        }
        writing
    }

    /// Runs of blocks that one statement takes: at least one block each.
    pub(super) fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |block: &&Vec<u8>| {
                let room = bytes < STATEMENT_BYTES_MAX;
                bytes += block.len();
                room
            };
            let length = self.blocks.get(start..)?.iter().take_while(fits).count();
            let part = start..start + length;
            start = part.end;
            (length > 0).then_some(part)
        })
    }

    /// Moves the head over all of this under `terms`, if nothing of `absent` is there, and writes the first `part` of
    /// its blocks with it.
    pub(super) async fn append(
        &self,
        terms: i64,
        absent: &Absent<'_>,
        part: Range<usize>,
        connection: &mut PgConnection,
    ) -> Result<PgQueryResult, Error> {
        // What a group does not need is left out: it would cost every append some time.
        let needed = |is_needed: bool, text: &'static str| if is_needed { text } else { "" };
        let no_key = needed(!absent.keys.is_empty(), NO_KEY);
        let no_stream = needed(!absent.streams.is_empty(), NO_STREAM);
        let keys = needed(!self.keys.is_empty(), KEYS);
        let runs = self.runs_of(&part);
        let (one_run, one_block) = (runs.len() == 1, part.len() == 1);
        let (insert_runs, insert_blocks) = (if one_run { RUN } else { RUNS }, if one_block { BLOCK } else { BLOCKS });
        let sql = [MOVE, no_key, no_stream, " RETURNING position)", keys, insert_runs, insert_blocks].concat();
        let query = sqlx::query(&sql).bind(self.head).bind(self.last).bind(terms);
        let query = query.bind(&absent.keys).bind(&absent.streams);
        let query = query.bind(&self.keys).bind(&self.requests).bind(&self.key_firsts).bind(&self.key_lasts);
        let (made, first) = (&self.runs, runs.start);
        let query = if one_run {
            let query = query.bind(made.versions[first]).bind(made.blocks[first]);
            query.bind(made.counts[first]).bind(&made.streams[first])
        } else {
            let query = query.bind(&made.versions[runs.clone()]).bind(&made.blocks[runs.clone()]);
            query.bind(&made.counts[runs.clone()]).bind(&made.streams[runs])
        };
        let query = if one_block {
            query.bind(self.lasts[part.start]).bind(&self.blocks[part.start])
        } else {
            query.bind(&self.lasts[part.clone()]).bind(&self.blocks[part])
        };
        query.execute(connection).await
    }

    /// Writes a further `part` of the blocks.
    pub(super) async fn go_on(
        &self,
        part: Range<usize>,
        connection: &mut PgConnection,
    ) -> Result<PgQueryResult, Error> {
        let runs = self.runs_of(&part);
        let query = sqlx::query(CONTINUE).bind(&self.runs.versions[runs.clone()]).bind(&self.runs.blocks[runs.clone()]);
        let query = query.bind(&self.runs.counts[runs.clone()]).bind(&self.runs.streams[runs]);
        query.bind(&self.lasts[part.clone()]).bind(&self.blocks[part]).execute(connection).await
    }

    /// The runs of some blocks.
    fn runs_of(&self, part: &Range<usize>) -> Range<usize> {
        let end_before = |block: usize| block.checked_sub(1).map_or(0, |before| self.run_ends[before]);
        end_before(part.start)..end_before(part.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_run_in_each_of_its_blocks() {
        let (mut runs, mut a, mut b) = (Runs::default(), usize::MAX, usize::MAX);
        for version in 1..=3 {
            runs.add(&mut a, "a", StreamVersion(version));
            runs.add(&mut b, "b", StreamVersion(10 + version));
        }
        runs.end_block(Position(6));
        runs.add(&mut b, "b", StreamVersion(14));
        runs.end_block(Position(7));
        // A number from another pass over the log says nothing here.
        runs.add(&mut 2, "c", StreamVersion(1));
        runs.end_block(Position(8));
        let names: Vec<&[u8]> = runs.streams.iter().map(Vec::as_slice).collect();
        assert_eq!(names, [&b"a"[..], b"b", b"b", b"c"]);
        assert_eq!(runs.versions, [1, 11, 14, 1]);
        assert_eq!(runs.counts, [3, 3, 1, 1]);
        assert_eq!(runs.blocks, [6, 6, 7, 8]);
    }
}
