//! The check that one checkpoint continues another: a JSON object with both and the proof of consistency.

use crate::note::Key;
use crate::single::{hashes, note_lines};
use crate::{Rejected, json, reject, tree};

/// The format, and its version.
pub const FORMAT: &str = "bishui-continuation/1";
/// Its fields, all of them.
const FIELDS: [&str; 5] = ["format", "key", "old", "checkpoint", "proof"];

/// Checks that the log of the older checkpoint is the beginning of that of the newer one; gives their sizes.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(proof: &[u8], key: &Key) -> Result<(u64, u64), Rejected> {
    let value = json::read(proof)?;
    let value = json::fields(&value, &FIELDS)?;
    if value["format"] != FORMAT {
        return reject("no proof of this format");
    }
    key.is_named(value["key"].as_str())?;
    let (old, old_root) = key.checkpoint(&note_lines(&value["old"])?)?;
    let (size, root) = key.checkpoint(&note_lines(&value["checkpoint"])?)?;
    let proof = hashes(&value["proof"])?;
    let holds = if old == size {
        proof.is_empty() && old_root == root
    } else if old == 0 {
        proof.is_empty()
    } else {
        tree::continued_roots(old, size, old_root, &proof)? == (old_root, root)
    };
    if holds { Ok((old, size)) } else { reject("the newer checkpoint does not continue the older one") }
}
