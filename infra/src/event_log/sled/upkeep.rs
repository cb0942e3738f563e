//! Work off the path of the writer: making room, saving the index, and noting how far the log has come.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Store;
use super::catalogue::Catalogue;
use super::index::Index;
use super::tail::{Tail, Wanted};
use crate::event_log::Position;

/// Time without a new event after which nothing is taken to be written.
const IDLE: Duration = Duration::from_millis(50);
/// The same when there is nothing to do but note the end of the log.
const REST: Duration = Duration::from_secs(1);

/// What is to be done.
pub(super) enum Upkeep {
    /// Make room.
    Room(Wanted),
    /// Save the index as it was at this end of the journal.
    Save(Box<(Tail, Index)>),
    /// Note how far the log was acknowledged.
    Note,
}

/// Serves until every sender is gone; then the room that was wanted is made, for the next opening.
pub(super) fn run(store: &Arc<Store>, work: &Receiver<Upkeep>) {
    let mut ahead = 0;
    let mut head = store.head();
    // What was tried to be noted: where that fails, it is not tried again for the same end.
    let mut noted = head;
    loop {
        let filled = store.room.is_filled(ahead);
        match work.recv_timeout(if filled { REST } else { IDLE }) {
            Ok(Upkeep::Room(wanted)) => {
                ahead = wanted.ahead;
                made(wanted.soon, &store.room.fill(wanted.soon));
            }
            Ok(Upkeep::Save(saved)) => {
                save(store, saved.0, saved.1);
                store.saving.store(false, Ordering::Release);
            }
            Ok(Upkeep::Note) => note(&store.catalogue, store.head()),
            Err(RecvTimeoutError::Timeout) => {
                let before = std::mem::replace(&mut head, store.head());
                if head != before {
                    continue;
                }
                if filled {
                    if std::mem::replace(&mut noted, head) != head {
                        note(&store.catalogue, head);
                    }
                } else if !made(ahead, &store.room.fill_one(ahead)) {
                    // It is asked for again with the next segment.
                    ahead = 0;
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                made(ahead, &store.room.fill(ahead));
                return;
            }
        }
    }
}

/// Whether room up to a segment was made. A failure is met again by the append that needs the segment.
fn made(segment: u32, outcome: &io::Result<()>) -> bool {
    if let Err(error) = outcome {
        tracing::warn!(segment, error = error as &dyn std::error::Error, "cannot make room for more events");
    }
    outcome.is_ok()
}

/// Keeps that the log was acknowledged up to `head`. Without that, damage at the end is not told from a write
/// that was cut short.
pub(super) fn note(catalogue: &Catalogue, head: Position) {
    if let Err(error) = catalogue.acknowledge(head) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the end of the log cannot be noted");
    }
}

/// Saves the index; a failure costs time at the next opening only.
pub(super) fn save(store: &Store, tail: Tail, index: Index) {
    let saved = tail.location().pack();
    if let Err(error) = store.catalogue.save(&tail, index) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the index cannot be saved; sled may refuse whatever comes after a failed write until a restart"
        );
        return;
    }
    store.index_mut().keys.retain(|_, location| location.pack() >= saved);
}
