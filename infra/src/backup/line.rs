//! A line of a part: one event with its leaf hash.

use bishui_domain::sha256::Sha256;
use serde::{Deserialize, Serialize};

use crate::event_log::leaf::leaf_hash;
use crate::event_log::{EventRef, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Recorded, event_id};

/// Most bytes of a line: a payload in which every byte takes an escape of six, and the rest of the event.
pub const LINE_BYTES_MAX: u64 = 6 * (PAYLOAD_BYTES_MAX as u64 + 4 * NAME_BYTES_MAX as u64) + 4_096;

/// A line: an event whose leaf hash was computed, or read and found right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The leaf hash.
    pub leaf: Sha256,
    /// The event.
    #[serde(flatten)]
    pub event: Recorded,
}

#[derive(Deserialize)]
struct Leaf {
    leaf: Sha256,
}

impl Line {
    /// The line of an event.
    pub fn of(event: Recorded) -> Self {
        Self { leaf: leaf_of(&event), event }
    }

    /// The bytes of the line, with the end of the line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("an event holds only texts and numbers");
        bytes.push(b'\n');
        bytes
    }

    /// The line that these bytes are: exactly as [`Line::to_bytes`] writes it, with the event's own id and leaf hash.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.last() != Some(&b'\n') {
            return Err("the line breaks off".to_owned());
        }
        let unreadable = |error: serde_json::Error| format!("no event can be read: {error}");
        let event: Recorded = serde_json::from_slice(bytes).map_err(unreadable)?;
        let Leaf { leaf } = serde_json::from_slice(bytes).map_err(unreadable)?;
        check_bounds(&event)?;
        if event.id != event_id(event.batch, event.place) {
            return Err(format!("event {} has an id that is not its own", event.position));
        }
        let line = Self::of(event);
        if line.leaf != leaf {
            return Err(format!("event {} is not what its leaf hash says", line.event.position));
        }
        if line.to_bytes() != bytes {
            return Err(format!("event {} is not written as a backup writes it", line.event.position));
        }
        Ok(line)
    }
}

/// The leaf hash of an event within the bounds of the log.
pub(super) fn leaf_of(event: &Recorded) -> Sha256 {
    Sha256(leaf_hash(&EventRef::from(event)))
}

fn check_bounds(event: &Recorded) -> Result<(), String> {
    let key = event.idempotency_key.as_deref().unwrap_or_default();
    let names = [event.stream.as_str(), &event.kind, &event.actor, key];
    if names.iter().any(|name| name.len() > NAME_BYTES_MAX) || event.payload.len() > PAYLOAD_BYTES_MAX {
        return Err(format!("event {} is larger than the log takes", event.position));
    }
    Ok(())
}
