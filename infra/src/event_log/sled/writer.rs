//! The one writer: it owns the positions, commits what is queued as one group, and answers only what is on the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ::sled::Batch as Tree;
use tokio::sync::{mpsc, oneshot, watch};

use super::heads::Heads;
use super::keys;
use super::store::{Store, put_event, put_key};
use crate::event_log::admission::{KeyRecord, Placed, place, place_recorded};
use crate::event_log::lease::Leases;
use crate::event_log::{Appended, Batch, LogError, Position, Recorded, StreamId, StreamVersion};

/// Most requests in one group.
const GROUP_REQUESTS_MAX: usize = 1_024;
/// Payload bytes after which a group takes no further request.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Most events written to sled at once. It keeps a whole batch in memory until the batch is complete, some ten times
/// its size, so a larger group goes in parts.
const PART_EVENTS_MAX: usize = 512;
/// Payload bytes after which a part takes no further event.
const PART_BYTES_MAX: usize = 4 << 20;

/// What is asked of the writer, and where to answer.
pub(super) enum Request {
    /// Record a batch within the bounds.
    Append(Batch, oneshot::Sender<Result<Appended, LogError>>),
    /// Record events of another log as they are.
    TakeOver(Vec<Recorded>, oneshot::Sender<Result<Appended, LogError>>),
    /// Move a checkpoint.
    Checkpoint(Move, oneshot::Sender<Result<(), LogError>>),
}

/// A checkpoint's move.
pub(super) struct Move {
    pub(super) consumer: String,
    pub(super) expected: Position,
    pub(super) to: Position,
}

/// An answer held back until its group is on the disk. Refusals wait too: they may rest on a member of the group.
enum Answer {
    Append(oneshot::Sender<Result<Appended, LogError>>, Result<Appended, LogError>),
    Checkpoint(oneshot::Sender<Result<(), LogError>>, Result<(), LogError>),
}

/// The effects of one group.
#[derive(Default)]
struct Group {
    events: Vec<Recorded>,
    versions: HashMap<StreamId, StreamVersion>,
    keys: HashMap<String, KeyRecord>,
    checkpoints: HashMap<String, Position>,
}

impl Group {
    fn take(&mut self, placed: Placed) -> Appended {
        self.events.extend(placed.events);
        self.versions.extend(placed.versions);
        self.keys.extend(placed.keys);
        placed.appended
    }
}

/// The writer's state.
pub(super) struct Writer {
    store: Arc<Store>,
    leases: Arc<Mutex<Leases>>,
    head: Position,
    heads: Heads,
    published: watch::Sender<Position>,
    /// The first failed write. What is on the disk is not known since, so nothing more is written.
    poison: Option<::sled::Error>,
}

impl Writer {
    pub(super) fn new(store: Arc<Store>, leases: Arc<Mutex<Leases>>, published: watch::Sender<Position>) -> Self {
        let head = *published.borrow();
        Self { store, leases, head, heads: Heads::default(), published, poison: None }
    }

    /// Serves until every sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.blocking_recv() {
            let requests = drain(first, &mut queue);
            self.serve(requests);
        }
    }

    fn serve(&mut self, requests: Vec<Request>) {
        let mut group = Group::default();
        let answers: Vec<Answer> = requests.into_iter().map(|request| self.judge(&mut group, request)).collect();
        if self.poison.is_none()
            && let Err(error) = self.commit(group)
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the event log takes no more writes");
            self.poison = Some(error);
        }
        for answer in answers {
            self.answer(answer);
        }
    }

    fn judge(&mut self, group: &mut Group, request: Request) -> Answer {
        match request {
            Request::Append(batch, to) => Answer::Append(to, self.judge_append(group, batch)),
            Request::TakeOver(events, to) => Answer::Append(to, self.judge_take_over(group, events)),
            Request::Checkpoint(step, to) => Answer::Checkpoint(to, self.judge_move(group, step)),
        }
    }

    fn judge_append(&mut self, group: &mut Group, mut batch: Batch) -> Result<Appended, LogError> {
        if let Some(asked) = &batch.idempotency {
            let known = match group.keys.get(&asked.key) {
                Some(record) => Some(*record),
                None => self.store.key(&asked.key)?,
            };
            if let Some(record) = known {
                return record.answer(asked);
            }
        }
        self.leases.lock().expect("no holder of the leases panics").check(batch.lease.as_ref())?;
        let head = group.events.last().map_or(self.head, |event| event.position);
        let placed = place(&mut batch, head, |stream| match group.versions.get(stream) {
            Some(version) => Ok(*version),
            None => self.heads.get_or_read(stream, || self.store.version(stream)),
        })?;
        Ok(group.take(placed))
    }

    fn judge_take_over(&mut self, group: &mut Group, events: Vec<Recorded>) -> Result<Appended, LogError> {
        let head = group.events.last().map_or(self.head, |event| event.position);
        let placed = place_recorded(events, head, |stream| match group.versions.get(stream) {
            Some(version) => Ok(*version),
            None => self.heads.get_or_read(stream, || self.store.version(stream)),
        })?;
        Ok(group.take(placed))
    }

    fn judge_move(&self, group: &mut Group, step: Move) -> Result<(), LogError> {
        let actual = match group.checkpoints.get(&step.consumer) {
            Some(position) => *position,
            None => self.store.checkpoint(&step.consumer)?,
        };
        if actual != step.expected {
            return Err(LogError::CheckpointMoved { consumer: step.consumer, expected: step.expected, actual });
        }
        group.checkpoints.insert(step.consumer, step.to);
        Ok(())
    }

    /// Puts the group on the disk, then publishes its head.
    fn commit(&mut self, group: Group) -> Result<(), ::sled::Error> {
        if group.events.is_empty() && group.keys.is_empty() && group.checkpoints.is_empty() {
            return Ok(());
        }
        let head = group.events.last().map_or(self.head, |event| event.position);
        let mut rest = group.events.as_slice();
        let mut last = Tree::default();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(part_length(rest));
            let mut tree = Tree::default();
            for event in part {
                put_event(&mut tree, event);
            }
            rest = after;
            if rest.is_empty() {
                last = tree;
            } else {
                tree.insert(keys::UNFINISHED, &self.head.0.to_be_bytes());
                self.store.apply(tree)?;
                self.store.flush()?;
            }
        }
        if group.events.len() > part_length(&group.events) {
            // The parts are on the disk before the head that makes them part of the log.
            self.store.sync()?;
            last.remove(keys::UNFINISHED);
        }
        for (key, record) in &group.keys {
            put_key(&mut last, key, *record);
        }
        for (consumer, position) in &group.checkpoints {
            last.insert(keys::checkpoint(consumer), &position.0.to_be_bytes());
        }
        last.insert(keys::HEAD, &head.0.to_be_bytes());
        self.store.apply(last)?;
        self.store.sync()?;
        self.heads.extend(group.versions);
        self.head = head;
        self.published.send_if_modified(|published| std::mem::replace(published, head) != head);
        Ok(())
    }

    fn answer(&self, answer: Answer) {
        // A caller that went away loses its answer, not its batch.
        match answer {
            Answer::Append(to, result) => drop(to.send(self.unless_poisoned(result))),
            Answer::Checkpoint(to, result) => drop(to.send(self.unless_poisoned(result))),
        }
    }

    fn unless_poisoned<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        match &self.poison {
            None => result,
            Some(cause) => Err(LogError::Unavailable {
                what: "a write failed, and nothing is written after that".into(),
                source: Some(Box::new(cause.clone())),
            }),
        }
    }
}

/// The first request and what else is queued, up to the bounds of a group.
fn drain(first: Request, queue: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut bytes = weight(&first);
    let mut requests = vec![first];
    while requests.len() < GROUP_REQUESTS_MAX
        && bytes < GROUP_BYTES_MAX
        && let Ok(request) = queue.try_recv()
    {
        bytes += weight(&request);
        requests.push(request);
    }
    requests
}

fn weight(request: &Request) -> usize {
    match request {
        Request::Append(batch, _) => {
            batch.writes.iter().flat_map(|write| &write.events).map(|event| event.payload.len()).sum()
        }
        Request::TakeOver(events, _) => events.iter().map(|event| event.payload.len()).sum(),
        Request::Checkpoint(..) => 0,
    }
}

/// How many of `events` go into one part: at least one, when there is one.
fn part_length(events: &[Recorded]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&Recorded| {
        let room = bytes < PART_BYTES_MAX;
        bytes += event.payload.len();
        room
    };
    events.iter().take(PART_EVENTS_MAX).take_while(fits).count()
}

#[cfg(test)]
mod tests;
