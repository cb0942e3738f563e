//! Work off the path of the writer: filling the next segment with zeros, and saving the index.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use super::Store;
use super::index::Index;
use super::tail::{Tail, prepare_ahead};

/// What is to be done.
pub(super) enum Upkeep {
    /// Fill this segment with zeros.
    Prepare(u32),
    /// Save the index as it was at this end of the journal.
    Save(Box<(Tail, Index)>),
}

/// Serves until every sender is gone.
pub(super) fn run(store: &Arc<Store>, work: &mpsc::Receiver<Upkeep>) {
    while let Ok(work) = work.recv() {
        match work {
            Upkeep::Prepare(number) => prepare_ahead(&store.reader, &store.prepared, number),
            Upkeep::Save(saved) => {
                save(store, &saved.0, &saved.1);
                store.saving.store(false, Ordering::Release);
            }
        }
    }
}

/// Saves the index; a failure costs time at the next opening only.
pub(super) fn save(store: &Store, tail: &Tail, index: &Index) {
    if let Err(error) = store.catalogue.save(tail, index) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot be saved");
        return;
    }
    let saved = tail.location().pack();
    store.index_mut().keys.retain(|_, location| location.pack() >= saved);
}
