//! A group: the requests that one transaction records, judged in order, and the events it records.

use std::collections::HashMap;

use super::ground::Ground;
use super::stored::encode;
use super::writer::Request;
use crate::event_log::admission::{KeyRecord, judge, judge_recorded};
use crate::event_log::{Appended, EventRef, Lease, LogError, Position, StreamId, StreamVersion};

/// The answers to a group, and its effects.
#[derive(Debug)]
pub(super) struct Group {
    /// One for each request, in order.
    pub(super) answers: Vec<Result<Appended, LogError>>,
    /// Position before its first event.
    pub(super) head: Position,
    /// The stored forms of its events, one after the other.
    pub(super) events: Vec<u8>,
    /// Where each event ends there.
    pub(super) ends: Vec<usize>,
    /// The stream of each event, by its place among the streams, and its version.
    pub(super) places: Vec<(usize, StreamVersion)>,
    /// The streams that its events are of, with the versions they have after it.
    pub(super) streams: Vec<(StreamId, StreamVersion)>,
    /// The place of each stream among them.
    known: HashMap<StreamId, usize>,
    /// The keys that its batches used.
    pub(super) keys: HashMap<String, KeyRecord>,
}

impl Group {
    /// Judges `requests` in order on `ground`; later ones see what the earlier ones of the group record.
    pub(super) fn judge(requests: &[Request], ground: &Ground) -> Self {
        let mut group = Self {
            answers: Vec::with_capacity(requests.len()),
            head: ground.head,
            events: Vec::new(),
            ends: Vec::new(),
            places: Vec::new(),
            streams: Vec::new(),
            known: HashMap::new(),
            keys: HashMap::new(),
        };
        for request in requests {
            let answer = group.judge_one(request, ground);
            group.answers.push(answer);
        }
        group
    }

    fn judge_one(&mut self, request: &Request, ground: &Ground) -> Result<Appended, LogError> {
        let head = self.last();
        let version_of = |stream: &StreamId| match self.known.get(stream) {
            Some(place) => Ok(self.streams[*place].1),
            None => Ok(ground.version(stream)),
        };
        match request {
            Request::Append(batch, _) => {
                if let Some(asked) = &batch.idempotency
                    && let Some(known) = self.keys.get(&asked.key).or_else(|| ground.keys.get(&asked.key))
                {
                    return known.answer(asked);
                }
                check_lease(ground, batch.lease.as_ref())?;
                let judged = judge(batch, head, version_of)?;
                let mut events = judged.events(batch);
                for write in &batch.writes {
                    for event in events.by_ref().take(write.events.len()) {
                        self.take(&write.stream, &event);
                    }
                }
                self.keys.extend(judged.key(batch));
                Ok(judged.appended)
            }
            Request::TakeOver(events, _) => {
                let (keys, appended) = judge_recorded(events, head, version_of)?;
                for event in events {
                    self.take(&event.stream, &EventRef::from(event));
                }
                self.keys.extend(keys);
                Ok(appended)
            }
        }
    }

    fn take(&mut self, stream: &StreamId, event: &EventRef<'_>) {
        let place = if let Some(place) = self.known.get(stream) {
            self.streams[*place].1 = event.version;
            *place
        } else {
            self.known.insert(stream.clone(), self.streams.len());
            self.streams.push((stream.clone(), event.version));
            self.streams.len() - 1
        };
        encode(event, &mut self.events);
        self.ends.push(self.events.len());
        self.places.push((place, event.version));
    }

    /// Position of its last event, or of the head it stands on.
    pub(super) fn last(&self) -> Position {
        Position(self.head.0 + u64::try_from(self.ends.len()).expect("a group is bounded far below 2^64 events"))
    }

    /// Whether it records nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Refuses a batch of a term that another has followed.
fn check_lease(ground: &Ground, lease: Option<&Lease>) -> Result<(), LogError> {
    let Some(lease) = lease else { return Ok(()) };
    if ground.leases.get(&lease.work) == Some(&lease.term) {
        return Ok(());
    }
    Err(LogError::Deposed { work: lease.work.clone(), term: lease.term })
}
