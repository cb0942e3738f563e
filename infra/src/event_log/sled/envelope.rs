//! The stored form of an event: format, checksum, meta as JSON, then the payload's bytes exactly as given.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format of the envelope, 1 |
//! | 4 | CRC-32 of all that follows |
//! | 4 | length of the meta |
//! | | meta, then payload |

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event_log::{LogError, Position, Recorded, StreamId, StreamVersion};

/// Format written by this program.
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 9;

/// Everything of an event but its payload. It repeats the place, so an event under a wrong key is recognised.
#[derive(Serialize, Deserialize)]
struct Meta<'a> {
    position: Position,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    version: StreamVersion,
    id: Uuid,
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    schema: u16,
    recorded_at: Timestamp,
    actor: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Cow<'a, str>>,
    request: Option<Uuid>,
    batch: Uuid,
    place: u32,
}

/// The stored form of `event`.
pub(super) fn encode(event: &Recorded) -> Vec<u8> {
    let meta = Meta {
        position: event.position,
        stream: event.stream.as_str().into(),
        version: event.version,
        id: event.id,
        kind: event.kind.as_str().into(),
        schema: event.schema,
        recorded_at: event.recorded_at,
        actor: event.actor.as_str().into(),
        causation: event.causation,
        correlation: event.correlation,
        idempotency_key: event.idempotency_key.as_deref().map(Cow::from),
        request: event.request,
        batch: event.batch,
        place: event.place,
    };
    let meta = serde_json::to_vec(&meta).expect("strings, numbers, ids and times are JSON");
    let meta_bytes = u32::try_from(meta.len()).expect("names are bounded far below 4 GiB");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + meta.len() + event.payload.len());
    bytes.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
    bytes.extend_from_slice(&meta_bytes.to_le_bytes());
    bytes.extend_from_slice(&meta);
    bytes.extend_from_slice(event.payload.as_bytes());
    let checksum = crc32fast::hash(&bytes[5..]);
    bytes[1..5].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The event stored as `bytes` under `position`.
pub(super) fn decode(position: Position, bytes: &[u8]) -> Result<Recorded, LogError> {
    let damaged = |what: &str| LogError::Corrupt { what: format!("event {position}: {what}") };
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(|| damaged("it is cut short"))?;
    let [format, crc0, crc1, crc2, crc3, len0, len1, len2, len3] = *header;
    if format != FORMAT {
        return Err(damaged("its envelope has an unknown format"));
    }
    if u32::from_le_bytes([crc0, crc1, crc2, crc3]) != crc32fast::hash(&bytes[5..]) {
        return Err(damaged("its checksum does not match"));
    }
    let meta_bytes = u32::from_le_bytes([len0, len1, len2, len3]);
    let (meta, payload) = usize::try_from(meta_bytes)
        .ok()
        .and_then(|length| body.split_at_checked(length))
        .ok_or_else(|| damaged("its meta is cut short"))?;
    let meta: Meta<'_> = serde_json::from_slice(meta).map_err(|_| damaged("its meta cannot be read"))?;
    if meta.position != position {
        return Err(damaged("it says it is another event"));
    }
    let payload = String::from_utf8(payload.to_vec()).map_err(|_| damaged("its payload is not UTF-8"))?;
    Ok(recorded(meta, payload))
}

fn recorded(meta: Meta<'_>, payload: String) -> Recorded {
    Recorded {
        position: meta.position,
        stream: StreamId(meta.stream.into_owned()),
        version: meta.version,
        id: meta.id,
        kind: meta.kind.into_owned(),
        schema: meta.schema,
        recorded_at: meta.recorded_at,
        actor: meta.actor.into_owned(),
        causation: meta.causation,
        correlation: meta.correlation,
        idempotency_key: meta.idempotency_key.map(Cow::into_owned),
        request: meta.request,
        batch: meta.batch,
        place: meta.place,
        payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Recorded {
        Recorded {
            position: Position(7),
            stream: StreamId::new("county", "高唐"),
            version: StreamVersion(3),
            id: Uuid::from_u128(1),
            kind: "county.interview_held".into(),
            schema: 2,
            recorded_at: "2026-03-05T01:02:03.123456789Z".parse().unwrap(),
            actor: "office \"甲\"".into(),
            causation: Some(Uuid::from_u128(2)),
            correlation: None,
            idempotency_key: Some("k\n1".into()),
            request: Some(Uuid::from_u128(3)),
            batch: Uuid::from_u128(4),
            place: 0,
            payload: "{ \"名\":\t\"徒骇河\", \"x\": 1.50 }".into(),
        }
    }

    #[test]
    fn an_event_survives_its_stored_form() {
        assert_eq!(decode(Position(7), &encode(&event())).unwrap(), event());
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let stored = encode(&event());
        for place in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[place] ^= 0x20;
            assert!(matches!(decode(Position(7), &damaged), Err(LogError::Corrupt { .. })), "byte {place}");
        }
    }

    #[test]
    fn every_lost_tail_is_noticed() {
        let stored = encode(&event());
        for length in 0..stored.len() {
            assert!(matches!(decode(Position(7), &stored[..length]), Err(LogError::Corrupt { .. })), "length {length}");
        }
    }

    #[test]
    fn an_event_under_a_wrong_position_is_noticed() {
        let error = decode(Position(8), &encode(&event())).unwrap_err();
        assert_eq!(error.to_string(), "the store is damaged: event 8: it says it is another event");
    }
}
