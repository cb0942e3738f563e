//! A group: the requests that one transaction records, judged in order, and what it writes.

use std::collections::HashMap;

use super::failure::bigint;
use super::ground::{Ground, Stream};
use super::stored::encode;
use super::writer::Request;
use crate::event_log::admission::{KeyRecord, Placed, place, place_recorded};
use crate::event_log::{Appended, Lease, LogError, Position, Recorded, StreamId, StreamVersion};

/// The answers to a group, and its effects.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// One for each request, in order.
    pub(super) answers: Vec<Result<Appended, LogError>>,
    /// The events in order.
    pub(super) events: Vec<Recorded>,
    versions: HashMap<StreamId, StreamVersion>,
    keys: HashMap<String, KeyRecord>,
}

/// What a group writes, in the form of the tables.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Position before its first event.
    pub(super) head: i64,
    pub(super) streams: Vec<i64>,
    pub(super) versions: Vec<i64>,
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) new_names: Vec<Vec<u8>>,
    pub(super) new_ids: Vec<i64>,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) requests: Vec<uuid::Uuid>,
    pub(super) firsts: Vec<i64>,
    pub(super) lasts: Vec<i64>,
}

impl Group {
    /// Judges `requests` in order on `ground`; later ones see what the earlier ones of the group record.
    pub(super) fn judge(requests: &[Request], ground: &Ground) -> Self {
        let mut group = Self::default();
        for request in requests {
            let answer = group.judge_one(request, ground);
            group.answers.push(answer);
        }
        group
    }

    fn judge_one(&mut self, request: &Request, ground: &Ground) -> Result<Appended, LogError> {
        let head = self.events.last().map_or(ground.head, |event| event.position);
        let version_of = |stream: &StreamId| match self.versions.get(stream) {
            Some(version) => Ok(*version),
            None => Ok(ground.version(stream)),
        };
        let placed = match request {
            Request::Append(batch, _) => {
                if let Some(asked) = &batch.idempotency
                    && let Some(known) = self.keys.get(&asked.key).or_else(|| ground.keys.get(&asked.key))
                {
                    return known.answer(asked);
                }
                check_lease(ground, batch.lease.as_ref())?;
                place(batch, head, version_of)?
            }
            Request::TakeOver(events, _) => place_recorded(events.clone(), head, version_of)?,
        };
        Ok(self.take(placed))
    }

    fn take(&mut self, placed: Placed) -> Appended {
        for event in placed.events {
            if let Some(version) = self.versions.get_mut(&event.stream) {
                *version = event.version;
            } else {
                self.versions.insert(event.stream.clone(), event.version);
            }
            self.events.push(event);
        }
        self.keys.extend(placed.keys);
        placed.appended
    }

    /// Position of its last event, or of the head it stands on.
    pub(super) fn last(&self, ground: &Ground) -> Position {
        self.events.last().map_or(ground.head, |event| event.position)
    }

    /// The streams that its events touch, as they stand after it.
    pub(super) fn streams(&self, ground: &Ground) -> HashMap<StreamId, Stream> {
        let mut streams: HashMap<StreamId, Stream> = HashMap::with_capacity(self.versions.len());
        for event in &self.events {
            if let Some(stream) = streams.get_mut(&event.stream) {
                stream.version = event.version;
            } else {
                let id = ground.streams.get(&event.stream).map_or(bigint(event.position.0), |stream| stream.id);
                streams.insert(event.stream.clone(), Stream { id, version: event.version });
            }
        }
        streams
    }

    /// Its effects in the form of the tables.
    pub(super) fn writing(&self, ground: &Ground, streams: &HashMap<StreamId, Stream>) -> Writing {
        let mut writing = Writing { head: bigint(ground.head.0), ..Writing::default() };
        for event in &self.events {
            let id = streams.get(&event.stream).expect("every stream of the group is there").id;
            if id == bigint(event.position.0) {
                writing.new_names.push(event.stream.as_str().as_bytes().to_vec());
                writing.new_ids.push(id);
            }
            writing.streams.push(id);
            writing.versions.push(bigint(event.version.0));
            writing.bodies.push(encode(event));
        }
        for (key, record) in &self.keys {
            writing.keys.push(key.as_bytes().to_vec());
            writing.requests.push(record.request);
            writing.firsts.push(bigint(record.first.0));
            writing.lasts.push(bigint(record.last.0));
        }
        writing
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
