//! Keys of the one tree: a letter for the kind, then big-endian numbers, so that byte order is log order.
//!
//! Everything stands in one tree because a sled batch is atomic within a tree only.

use crate::event_log::{Position, StreamId, StreamVersion};

/// Store format.
pub(super) const FORMAT: &[u8] = b"m/format";
/// Position up to which the log is committed.
pub(super) const HEAD: &[u8] = b"m/head";
/// Head that a group written in parts stands on, there from its first part to its last. Only then may there be
/// events above the head.
pub(super) const UNFINISHED: &[u8] = b"m/unfinished";

const CHECKPOINT: u8 = b'c';
const EVENT: u8 = b'e';
const IDEMPOTENCY: u8 = b'k';
const STREAM: u8 = b's';

/// Bytes in an event key.
const EVENT_KEY_BYTES: usize = 11;

/// Prefix of all event keys.
pub(super) const EVENTS: &[u8] = &[EVENT];
/// Prefix of all stream index keys.
pub(super) const STREAMS: &[u8] = &[STREAM];
/// Prefix of all idempotency keys.
pub(super) const IDEMPOTENCY_KEYS: &[u8] = &[IDEMPOTENCY];

/// Key of the `chunk`th piece of the event at `position`.
pub(super) fn event(position: Position, chunk: u16) -> [u8; EVENT_KEY_BYTES] {
    let mut key = [EVENT; EVENT_KEY_BYTES];
    key[1..9].copy_from_slice(&position.0.to_be_bytes());
    key[9..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// Position and chunk of an event key; none when it is not one.
pub(super) fn parse_event(key: &[u8]) -> Option<(Position, u16)> {
    let key: &[u8; EVENT_KEY_BYTES] = key.try_into().ok()?;
    let (position, chunk) = key[1..].split_at(8);
    let position = u64::from_be_bytes(position.try_into().ok()?);
    Some((Position(position), u16::from_be_bytes(chunk.try_into().ok()?)))
}

/// Prefix of the index of `stream`. The length in front keeps one stream's keys apart from another's whose name
/// begins alike.
pub(super) fn stream(stream: &StreamId) -> Vec<u8> {
    let name = stream.as_str().as_bytes();
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    let mut key = Vec::with_capacity(name.len() + 11);
    key.push(STREAM);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(name);
    key
}

/// Key of the index entry of `version` in `stream`; its value is the position.
pub(super) fn stream_version(stream: &StreamId, version: StreamVersion) -> Vec<u8> {
    let mut key = self::stream(stream);
    key.extend_from_slice(&version.0.to_be_bytes());
    key
}

/// Version at the end of a stream index key; none when it is too short.
pub(super) fn parse_version(key: &[u8]) -> Option<StreamVersion> {
    number(key.get(key.len().checked_sub(8)?..)?).map(StreamVersion)
}

/// Key of what is kept of an idempotency key.
pub(super) fn idempotency(key: &str) -> Vec<u8> {
    [IDEMPOTENCY_KEYS, key.as_bytes()].concat()
}

/// Key of a consumer's checkpoint.
pub(super) fn checkpoint(consumer: &str) -> Vec<u8> {
    [&[CHECKPOINT], consumer.as_bytes()].concat()
}

/// A big-endian number of exactly eight bytes.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
