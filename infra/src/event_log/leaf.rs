//! The leaf of an event: the bytes that are hashed for the proof of the log, the same in every store.
//!
//! | bytes | what |
//! |---|---|
//! | 8, 8 | position, version |
//! | 16, 4 | id of the batch, place in it |
//! | 2 | schema version |
//! | 8, 4 | recorded at: whole seconds since 1970, nanoseconds (signed as the seconds are) |
//! | 2 + n, four times | stream, type, actor, idempotency key (empty when there is none): length, then UTF-8 |
//! | 1 | which of the following are there: 1 idempotency key, 2 request, 4 causation, 8 correlation |
//! | 16 each | request, causation, correlation, as far as they are there |
//! | rest | payload |
//!
//! Numbers are big-endian. The leaf hash is that of RFC 6962, 2.1: SHA-256 of a zero byte and the leaf.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::EventRef;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of an event's leaf.
pub fn leaf_hash(event: &EventRef<'_>) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf(event)).finalize().into()
}

/// The leaf of an event.
pub fn leaf(event: &EventRef<'_>) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(256 + event.payload.len());
    write(event, &mut leaf);
    leaf
}

/// Writes the leaf of an event behind what is in `to`.
pub(super) fn write(event: &EventRef<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(&event.position.0.to_be_bytes());
    to.extend_from_slice(&event.version.0.to_be_bytes());
    to.extend_from_slice(event.batch.as_bytes());
    to.extend_from_slice(&event.place.to_be_bytes());
    to.extend_from_slice(&event.schema.to_be_bytes());
    to.extend_from_slice(&event.recorded_at.as_second().to_be_bytes());
    to.extend_from_slice(&event.recorded_at.subsec_nanosecond().to_be_bytes());
    for text in [event.stream, event.kind, event.actor, event.idempotency_key.unwrap_or_default()] {
        let length = u16::try_from(text.len()).expect("names are bounded by NAME_BYTES_MAX");
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(text.as_bytes());
    }
    let there = |flag: u8, is_there: bool| if is_there { flag } else { 0 };
    to.push(
        there(1, event.idempotency_key.is_some())
            | there(2, event.request.is_some())
            | there(4, event.causation.is_some())
            | there(8, event.correlation.is_some()),
    );
    for id in [event.request, event.causation, event.correlation].into_iter().flatten() {
        to.extend_from_slice(Uuid::as_bytes(&id));
    }
    to.extend_from_slice(event.payload.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::{Position, Recorded, StreamId, StreamVersion, event_id};

    fn event() -> Recorded {
        let batch = Uuid::from_u128(1);
        Recorded {
            position: Position(7),
            stream: StreamId::new("county", "高唐"),
            version: StreamVersion(3),
            id: event_id(batch, 2),
            kind: "county.interview_held".into(),
            schema: 2,
            recorded_at: "2026-03-05T01:02:03.000000004Z".parse().unwrap(),
            actor: "甲".into(),
            causation: Some(Uuid::from_u128(2)),
            correlation: None,
            idempotency_key: Some("k".into()),
            request: Some(Uuid::from_u128(3)),
            batch,
            place: 2,
            payload: "{}".into(),
        }
    }

    /// Published checkpoints rest on these bytes: they never change.
    #[test]
    fn the_leaf_is_the_one_described() {
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3][..],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 2],
            &[0, 0, 0, 0, 0x69, 0xa8, 0xd6, 0x0b, 0, 0, 0, 4],
            b"\x00\x0dcounty/\xe9\xab\x98\xe5\x94\x90\x00\x15county.interview_held\x00\x03\xe7\x94\xb2\x00\x01k\x07",
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            b"{}",
        ];
        assert_eq!(leaf(&EventRef::from(&event())), expected.concat());
    }

    #[test]
    fn every_fact_of_the_event_changes_its_hash() {
        let hash = |event: &Recorded| leaf_hash(&EventRef::from(event));
        let event = event();
        let changed = [
            Recorded { position: Position(8), ..event.clone() },
            Recorded { stream: StreamId::new("county", "高"), ..event.clone() },
            Recorded { version: StreamVersion(4), ..event.clone() },
            Recorded { kind: "county.interview_hel".into(), ..event.clone() },
            Recorded { schema: 1, ..event.clone() },
            Recorded { recorded_at: "2026-03-05T01:02:03.000000005Z".parse().unwrap(), ..event.clone() },
            Recorded { actor: "乙".into(), ..event.clone() },
            Recorded { causation: None, ..event.clone() },
            Recorded { correlation: Some(Uuid::from_u128(2)), causation: None, ..event.clone() },
            Recorded { idempotency_key: Some(String::new()), ..event.clone() },
            Recorded { idempotency_key: None, ..event.clone() },
            Recorded { request: None, ..event.clone() },
            Recorded { batch: Uuid::from_u128(2), ..event.clone() },
            Recorded { place: 3, ..event.clone() },
            Recorded { payload: "{ }".into(), ..event.clone() },
        ];
        let mut hashes: Vec<Hash> = changed.iter().map(hash).collect();
        hashes.push(hash(&event));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), changed.len() + 1);
    }
}
