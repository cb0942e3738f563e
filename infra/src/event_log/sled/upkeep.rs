//! Work off the path of the writer: making room, and saving the index.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Store;
use super::index::Index;
use super::tail::{Tail, Wanted};

/// Time without a new event after which nothing is taken to be written.
const IDLE: Duration = Duration::from_millis(50);

/// What is to be done.
pub(super) enum Upkeep {
    /// Make room.
    Room(Wanted),
    /// Save the index as it was at this end of the journal.
    Save(Box<(Tail, Index)>),
}

/// Serves until every sender is gone; then the room that was wanted is made, for the next opening.
pub(super) fn run(store: &Arc<Store>, work: &Receiver<Upkeep>) {
    let mut ahead = 0;
    let mut head = store.head();
    loop {
        let next = if store.room.is_filled(ahead) {
            work.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            work.recv_timeout(IDLE)
        };
        match next {
            Ok(Upkeep::Room(wanted)) => {
                ahead = wanted.ahead;
                made(wanted.soon, &store.room.fill(wanted.soon));
            }
            Ok(Upkeep::Save(saved)) => {
                save(store, saved.0, saved.1);
                store.saving.store(false, Ordering::Release);
            }
            Err(RecvTimeoutError::Timeout) => {
                let before = std::mem::replace(&mut head, store.head());
                if head == before && !made(ahead, &store.room.fill_one(ahead)) {
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

/// Saves the index; a failure costs time at the next opening only.
pub(super) fn save(store: &Store, tail: Tail, index: Index) {
    let saved = tail.location().pack();
    if let Err(error) = store.catalogue.save(&tail, index) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot be saved");
        return;
    }
    store.index_mut().keys.retain(|_, location| location.pack() >= saved);
}
