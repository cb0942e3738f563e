//! Leases: which node does a piece of background work, and the terms that fence off one that lost it.
//!
//! A lease is taken for a time and renewed before that is over. Every change of holder begins a new term; what a
//! holder of an earlier term still appends is refused, however late it comes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::LogError;

/// A holder's term of one piece of work; part of every batch that the holder appends for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The work.
    pub work: String,
    /// Number of the term, from 1.
    pub term: u64,
}

/// The leases of a log that one process has to itself: its own clock counts the time.
#[derive(Debug, Default)]
pub(super) struct Leases(HashMap<String, Held>);

#[derive(Debug)]
struct Held {
    holder: Uuid,
    term: u64,
    until: Instant,
}

impl Leases {
    /// Takes or renews the lease of `work`; none while another holder's time runs.
    pub(super) fn take(&mut self, work: &str, holder: Uuid, time: Duration, now: Instant) -> Option<Lease> {
        let held = self.0.entry(work.to_owned()).or_insert(Held { holder, term: 1, until: now });
        if held.holder != holder {
            if held.until > now {
                return None;
            }
            (held.holder, held.term) = (holder, held.term + 1);
        }
        held.until = now + time;
        Some(Lease { work: work.to_owned(), term: held.term })
    }

    /// Ends the time of a lease at once.
    pub(super) fn end(&mut self, lease: &Lease, now: Instant) {
        if let Some(held) = self.0.get_mut(&lease.work)
            && held.term == lease.term
        {
            held.until = now;
        }
    }

    /// Refuses a batch of a term that another has followed.
    pub(super) fn check(&self, lease: Option<&Lease>) -> Result<(), LogError> {
        let Some(lease) = lease else { return Ok(()) };
        match self.0.get(&lease.work) {
            Some(held) if held.term == lease.term => Ok(()),
            Some(_) | None => Err(LogError::Deposed { work: lease.work.clone(), term: lease.term }),
        }
    }
}
