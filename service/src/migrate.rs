//! Moving a log from one store to another: every event as it is, in steps that end where a batch ends.
//!
//! A move that was stopped is taken up where it was; until then nobody opens the target. At the end both stores are read
//! from the first event to the last, and the hashes over all of it must be the same.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use bishui_infra::event_log::leaf::{Hash, leaf_hash};
use bishui_infra::event_log::{EventLog, LogError, Position, Recorded};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::OfficeError;
use crate::restored::set_checkpoints;
use crate::store::Unfinished;

/// Events after which a step ends with the batch.
const STEP_EVENTS: usize = 2_000;
/// Payload bytes after which a step ends with the batch.
const STEP_BYTES: usize = 4 << 20;

/// What was moved.
#[derive(Debug, Serialize)]
pub struct Moved {
    /// Events that were in the target before.
    pub found: Position,
    /// Events in both stores.
    pub events: Position,
    /// The hash over all events of the source: each leaf hash is hashed after the hash of those before it (hex).
    pub source_sha256: String,
    /// The same of the target.
    pub target_sha256: String,
}

/// Moves the events of `from` that `target` does not hold yet, and lets its processes take up where they stood;
/// `progress` is told the position reached.
///
/// # Errors
/// Those of [`Move::between`] and [`Move::carry_out`]; the target is in use.
pub async fn migrate(
    from: &dyn EventLog,
    mut target: Unfinished,
    progress: &(dyn Fn(Position) + Sync),
) -> Result<Moved, OfficeError> {
    let to = target.log();
    let moving = Move::between(from, &*to).await?;
    // A store that is level already is used by now, and stays as it is.
    if !moving.is_level() {
        target.mark(moving.found).await?;
    }
    let moved = moving.carry_out(progress).await?;
    if target.is_marked() {
        set_checkpoints(&*to).await?;
        target.finish(moved.events).await?;
    }
    Ok(moved)
}

/// A move between two logs, one of which is the beginning of the other.
pub struct Move<'a> {
    from: &'a dyn EventLog,
    to: &'a dyn EventLog,
    found: Position,
    head: Position,
}

impl<'a> Move<'a> {
    /// Compares what is in both; nothing is changed.
    ///
    /// # Errors
    /// `Input` where the target holds another log, and the failures of the stores.
    pub async fn between(from: &'a dyn EventLog, to: &'a dyn EventLog) -> Result<Self, OfficeError> {
        let (head, found) = (from.head().await?, to.head().await?);
        if found > head {
            return Err(other_log(&format!("the target has {found} events, the source only {head}")));
        }
        if hash_up_to(from, found).await? != hash_up_to(to, found).await? {
            return Err(other_log(&format!("the first {found} events of the two differ")));
        }
        Ok(Self { from, to, found, head })
    }

    fn is_level(&self) -> bool {
        self.found == self.head
    }

    /// Moves what the target does not hold.
    ///
    /// # Errors
    /// `Input` where a store goes on growing; the failures of the stores; `Corrupt` where the two differ at the end.
    pub async fn carry_out(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Moved, OfficeError> {
        let Self { from, to, found, head } = *self;
        let mut done = found;
        while done < head {
            done = to.take_over(next_step(from, done, head).await?).await?;
            progress(done);
        }
        let (source, target) = (hash_up_to(from, head).await?, hash_up_to(to, head).await?);
        if source != target {
            let what = format!("the {head} events of the target are not those of the source");
            return Err(LogError::Corrupt { what }.into());
        }
        if from.head().await? != head || to.head().await? != head {
            let what = "a store has grown while the log was moved: stop what writes to it, and begin again".to_owned();
            return Err(OfficeError::Input { what });
        }
        Ok(Moved { found, events: head, source_sha256: hex(&source), target_sha256: hex(&target) })
    }
}

fn other_log(why: &str) -> OfficeError {
    OfficeError::Input { what: format!("the target holds another log ({why}): choose an empty store") }
}

/// The events after `after` up to the end of a batch.
async fn next_step(from: &dyn EventLog, after: Position, head: Position) -> Result<Vec<Recorded>, LogError> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    from.replay(after, head, &mut |event| {
        if event.place == 0 && (events.len() >= STEP_EVENTS || bytes >= STEP_BYTES) {
            return ControlFlow::Break(());
        }
        bytes += event.payload.len();
        events.push(event.to_recorded());
        ControlFlow::Continue(())
    })
    .await?;
    if events.is_empty() {
        return Err(LogError::Corrupt { what: format!("nothing follows event {after}, and the head is {head}") });
    }
    Ok(events)
}

/// The hash over the events up to `until`, which must all be there.
async fn hash_up_to(log: &dyn EventLog, until: Position) -> Result<Hash, LogError> {
    let (mut hash, mut last): (Hash, _) = ([0; 32], Position(0));
    log.replay(Position(0), until, &mut |event| {
        hash = Sha256::new().chain_update(hash).chain_update(leaf_hash(&event)).finalize().into();
        last = event.position;
        ControlFlow::Continue(())
    })
    .await?;
    if last == until { Ok(hash) } else { Err(LogError::Corrupt { what: format!("nothing follows event {last}") }) }
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::with_capacity(2 * hash.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests;
