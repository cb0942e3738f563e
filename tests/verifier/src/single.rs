//! The check of the proof of one event: a JSON object with event, checkpoint and hashes.

use serde_json::Value;

use crate::event::Event;
use crate::note::{self, Key};
use crate::{Hash, Or as _, Rejected, json, reject, tree};

/// The format, and its version.
pub const FORMAT: &str = "bishui-proof/1";
/// Its fields, all of them.
const FIELDS: [&str; 5] = ["format", "key", "checkpoint", "event", "proof"];

/// Checks the proof of one event against the key of its log, and gives the event.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(proof: &[u8], key: &Key) -> Result<Event, Rejected> {
    let value = json::read(proof)?;
    let value = json::fields(&value, &FIELDS)?;
    if value["format"] != FORMAT {
        return reject("no proof of this format");
    }
    key.is_named(value["key"].as_str())?;
    let (size, root) = key.checkpoint(&note_lines(&value["checkpoint"])?)?;
    let event = Event::read(&value["event"])?;
    let index = event.position.checked_sub(1).or_reject("positions count from 1")?;
    let proof = hashes(&value["proof"])?;
    if tree::included_root(index, size, event.leaf, &proof)? != root {
        return reject("the event is not in the log of the checkpoint");
    }
    Ok(event)
}

/// The lines of a note in JSON.
pub(crate) fn note_lines(value: &Value) -> Result<Vec<&str>, Rejected> {
    let note = value.as_str().and_then(|note| note.strip_suffix('\n')).or_reject("no checkpoint")?;
    Ok(note.split('\n').collect())
}

/// Hashes in JSON.
pub(crate) fn hashes(value: &Value) -> Result<Vec<Hash>, Rejected> {
    let hashes = value.as_array().or_reject("no hashes")?;
    hashes.iter().map(|hash| note::hash(hash.as_str().unwrap_or_default())).collect()
}
