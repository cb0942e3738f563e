//! The one writer: it owns the positions, writes what is queued as one group, and answers only what is on the disk.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use super::Store;
use super::entries::{Skips, skip_levels};
use super::index::{Changes, Index};
use super::read::key_record;
use super::streams::{Head, NameHash, name_hash};
use super::tail::{CHECKPOINT_ROOM, Journal, NO_SKIPS, Sheet};
use super::upkeep::{Upkeep, note, save};
use crate::event_log::admission::{KeyRecord, judge, judge_recorded};
use crate::event_log::{Appended, Batch, EventRef, Idempotency, LogError, Position, Recorded, StreamId, StreamVersion};

/// Segments after which the index is saved, so that opening the log reads no more than these.
const SAVE_SEGMENTS: u32 = 8;
/// Keys in memory after which the index is saved.
const SAVE_KEYS: usize = 100_000;
/// Bytes of an event's envelope, names apart, at most.
const ENVELOPE_BYTES: usize = 256;

/// What is asked of the writer. A move of a checkpoint is answered with the head.
pub(super) enum Work {
    /// Record a batch within the bounds.
    Append(Batch),
    /// Record events of another log as they are.
    TakeOver(Vec<Recorded>),
    /// Move a checkpoint.
    Checkpoint(Move),
}

/// A checkpoint's move.
pub(super) struct Move {
    pub(super) consumer: String,
    pub(super) expected: Position,
    pub(super) to: Position,
}

impl Work {
    /// Bytes it takes in the journal, at most.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Append(batch) => {
                let shared =
                    ENVELOPE_BYTES + batch.actor.len() + batch.idempotency.as_ref().map_or(0, |it| it.key.len());
                let writes = batch.writes.iter().flat_map(|write| {
                    write
                        .events
                        .iter()
                        .map(|event| shared + write.stream.as_str().len() + event.kind.len() + event.payload.len())
                });
                writes.sum()
            }
            Self::TakeOver(events) => {
                let names = |event: &Recorded| {
                    let key = event.idempotency_key.as_ref().map_or(0, String::len);
                    event.stream.as_str().len() + event.kind.len() + event.actor.len() + key
                };
                events.iter().map(|event| ENVELOPE_BYTES + names(event) + event.payload.len()).sum()
            }
            Self::Checkpoint(_) => CHECKPOINT_ROOM,
        }
    }
}

/// The writer's state.
pub(super) struct Writer {
    store: Arc<Store>,
    journal: Journal,
    upkeep: mpsc::Sender<Upkeep>,
    /// Segment in which the index was last saved.
    saved: u32,
    /// Keys in memory with which it is saved next.
    keys_due: usize,
    /// The newest segment that was asked for.
    asked: u32,
    /// Segment in which the end of the log was last noted.
    noted: u32,
    /// The first failed write. What is on the disk is not known since, so nothing more is written.
    poison: Option<String>,
}

impl Writer {
    pub(super) fn new(store: Arc<Store>, journal: Journal, saved: u32, upkeep: mpsc::Sender<Upkeep>) -> Self {
        let noted = journal.segment();
        Self { store, journal, upkeep, saved, keys_due: SAVE_KEYS, asked: 0, noted, poison: None }
    }

    /// Lets the upkeep end: no more is asked of it.
    pub(super) fn retire(&mut self) {
        self.upkeep = mpsc::channel().0;
    }

    /// Saves what the next opening should not have to read again, and how far the log was acknowledged.
    pub(super) fn save_last(&mut self) {
        let tail = self.journal.tail();
        if self.poison.is_some() {
            return;
        }
        if tail.segment > self.saved {
            let index = self.store.index().clone();
            return save(&self.store, tail, index);
        }
        note(&self.store.catalogue, tail.head);
    }

    /// Carries out a group; gives the answers in order.
    pub(super) fn serve<'w>(
        &mut self,
        group: impl Iterator<Item = &'w Work> + Clone,
    ) -> Vec<Result<Appended, LogError>> {
        if let Some(cause) = &self.poison {
            return group.map(|_| Err(stopped(cause))).collect();
        }
        if let Err(error) = self.journal.reserve(group.clone().map(Work::weight).sum()) {
            // Nothing was written, so the next group may have better luck.
            return group.map(|_| Err(full(&error))).collect();
        }
        match self.write(group.clone()) {
            Ok(answers) => {
                self.look_after();
                answers
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the event log takes no more writes");
                let cause = error.to_string();
                let answers = group.map(|_| Err(stopped(&cause))).collect();
                self.poison = Some(cause);
                answers
            }
        }
    }

    /// Judges and writes the group, puts it on the disk, then publishes its head.
    fn write<'w>(&mut self, group: impl Iterator<Item = &'w Work>) -> io::Result<Vec<Result<Appended, LogError>>> {
        let store = Arc::clone(&self.store);
        let head = self.journal.head();
        let index = store.index();
        let mut draft = Draft {
            store: &store,
            index: &index,
            head,
            changes: Changes::default(),
            keys: HashMap::new(),
            sheet: self.journal.sheet(),
        };
        let mut answers = Vec::new();
        for work in group {
            answers.push(draft.take(work)?);
        }
        let Draft { mut changes, sheet, head: new_head, .. } = draft;
        drop(index);
        changes.blocks = sheet.finish()?;
        if !changes.blocks.is_empty() {
            let mut index = store.index_mut();
            index.merge(changes);
            store.head.send_if_modified(|published| std::mem::replace(published, new_head) != new_head);
        }
        Ok(answers)
    }

    /// Asks for room and for a snapshot when it is time. An upkeep that has ended is met at the next use of
    /// a segment, and a snapshot that is missing costs time at the next opening only.
    fn look_after(&mut self) {
        if let Some(wanted) = self.journal.wants_room()
            && wanted.soon != self.asked
        {
            self.asked = wanted.soon;
            drop(self.upkeep.send(Upkeep::Room(wanted)));
        }
        let segment = self.journal.segment();
        if segment != self.noted {
            self.noted = segment;
            drop(self.upkeep.send(Upkeep::Note));
        }
        let keys = self.store.index().keys.len();
        if keys < SAVE_KEYS {
            self.keys_due = SAVE_KEYS;
        }
        let due = segment >= self.saved + SAVE_SEGMENTS || keys >= self.keys_due;
        if due && !self.store.saving.swap(true, Ordering::AcqRel) {
            let tail = self.journal.tail();
            // Where saving fails, the keys stay: it is tried again with as many more, not with every group.
            (self.saved, self.keys_due) = (segment, keys + SAVE_KEYS);
            let index = self.store.index().clone();
            drop(self.upkeep.send(Upkeep::Save(Box::new((tail, index)))));
        }
    }
}

fn stopped(cause: &str) -> LogError {
    let what = format!("a write failed ({cause}), and nothing is written before a restart");
    LogError::Unavailable { what, source: None }
}

fn full(error: &io::Error) -> LogError {
    let what = format!("there is no room for more events: {error}");
    LogError::Unavailable { what, source: Some(Box::new(io::Error::from(error.kind()))) }
}

/// A group being judged and laid out.
struct Draft<'w, 's, 'j> {
    store: &'s Store,
    index: &'s Index,
    head: Position,
    changes: Changes,
    /// Keys of the group's batches.
    keys: HashMap<String, KeyRecord>,
    sheet: Sheet<'j, 'w>,
}

impl<'w> Draft<'w, '_, '_> {
    /// Judges a piece of work and lays it out; the outer error is of the disk.
    fn take(&mut self, work: &'w Work) -> io::Result<Result<Appended, LogError>> {
        match work {
            Work::Append(batch) => self.append(batch),
            Work::TakeOver(events) => self.take_over(events),
            Work::Checkpoint(step) => self.checkpoint(step),
        }
    }

    fn append(&mut self, batch: &'w Batch) -> io::Result<Result<Appended, LogError>> {
        let judged = match self.known(batch.idempotency.as_ref()) {
            Ok(Some(answer)) => return Ok(Ok(answer)),
            Ok(None) => self.store.leases().check(batch.lease.as_ref()),
            Err(error) => Err(error),
        };
        let judged = judged.and_then(|()| judge(batch, self.head, |stream| Ok(self.version(stream))));
        let judged = match judged {
            Ok(judged) => judged,
            Err(refused) => return Ok(Err(refused)),
        };
        let events = u32::try_from(judged.appended.last.0 - self.head.0).expect("a batch is bounded far below 2^32");
        self.lay_out(judged.events(batch), events)?;
        self.head = judged.appended.last;
        self.keys.extend(judged.key(batch));
        Ok(Ok(judged.appended))
    }

    fn take_over(&mut self, events: &'w [Recorded]) -> io::Result<Result<Appended, LogError>> {
        let judged = judge_recorded(events, self.head, |stream| Ok(self.version(stream)));
        let (keys, appended) = match judged {
            Ok(judged) => judged,
            Err(refused) => return Ok(Err(refused)),
        };
        for batch in events.chunk_by(|one, next| one.batch == next.batch && one.place + 1 == next.place) {
            let length = u32::try_from(batch.len()).expect("a batch is bounded far below 2^32");
            self.lay_out(batch.iter().map(EventRef::from), length)?;
        }
        self.head = appended.last;
        self.keys.extend(keys);
        Ok(Ok(appended))
    }

    fn checkpoint(&mut self, step: &'w Move) -> io::Result<Result<Appended, LogError>> {
        let known = self.changes.checkpoints.get(&step.consumer).or_else(|| self.index.checkpoints.get(&step.consumer));
        let actual = known.copied().unwrap_or_default();
        if actual != step.expected {
            let (consumer, expected) = (step.consumer.clone(), step.expected);
            return Ok(Err(LogError::CheckpointMoved { consumer, expected, actual }));
        }
        self.sheet.checkpoint(&step.consumer, step.to)?;
        self.changes.checkpoints.insert(step.consumer.clone(), step.to);
        Ok(Ok(Appended { first: self.head, last: self.head, duplicate: false }))
    }

    /// The answer to a request whose key is known.
    fn known(&self, asked: Option<&Idempotency>) -> Result<Option<Appended>, LogError> {
        let Some(asked) = asked else { return Ok(None) };
        let record = match self.keys.get(&asked.key) {
            Some(record) => Some(*record),
            None => recorded_key(self.store, self.index, &asked.key)?,
        };
        record.map(|record| record.answer(asked)).transpose()
    }

    fn head_of(&self, stream: NameHash) -> Head {
        self.changes.streams.head(stream).or_else(|| self.index.streams.head(stream)).unwrap_or_default()
    }

    fn version(&self, stream: &StreamId) -> StreamVersion {
        StreamVersion(self.head_of(name_hash(stream.as_str())).version)
    }

    /// The skips of the next event of a stream, at so many levels.
    fn skips(&self, stream: NameHash, levels: usize) -> Skips {
        let mut skips = NO_SKIPS;
        self.index.streams.skips(stream, &mut skips[..levels]);
        self.changes.streams.skips(stream, &mut skips[..levels]);
        skips
    }

    /// Puts a batch's events on the sheet.
    fn lay_out(&mut self, events: impl Iterator<Item = EventRef<'w>>, batch_events: u32) -> io::Result<()> {
        // A run of a stream's events needs its hash once, and its end looked up and noted once.
        let mut run: Option<(&str, NameHash, Head)> = None;
        for event in events {
            let (hash, previous) = match run {
                Some((stream, hash, head)) if stream == event.stream => (hash, head.location),
                Some(_) | None => {
                    self.end_run(run);
                    let hash = name_hash(event.stream);
                    (hash, self.head_of(hash).location)
                }
            };
            let levels = skip_levels(event.version.0);
            let skips = self.skips(hash, levels);
            let location = self.sheet.event(event, batch_events, previous, &skips)?;
            run = Some((event.stream, hash, Head { version: event.version.0, location }));
            if levels > 0 {
                self.end_run(run);
            }
            if let (0, Some(key)) = (event.place, event.idempotency_key) {
                self.changes.keys.insert(name_hash(key), location);
            }
        }
        self.end_run(run);
        Ok(())
    }

    fn end_run(&mut self, run: Option<(&str, NameHash, Head)>) {
        if let Some((_, stream, head)) = run {
            self.changes.streams.advance(stream, head.version, head.location);
        }
    }
}

/// What is kept of a key that was recorded.
pub(super) fn recorded_key(store: &Store, index: &Index, key: &str) -> Result<Option<KeyRecord>, LogError> {
    let hash = name_hash(key);
    let location = match index.keys.get(&hash) {
        Some(location) => Some(*location),
        None => store.catalogue.key(hash)?,
    };
    location.map(|location| key_record(&store.reader, location, key)).transpose()
}
