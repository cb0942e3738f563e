//! The audit: reads every event, computes every leaf and the roots anew, and names the first event that differs.
//!
//! A root tells that something before it differs, and not what. The stored leaf hashes tell what, where they themselves
//! have the root that was signed; where they are lost, the stretch between two checkpoints is named. Memory grows with
//! the number of streams, not of events.

mod diagnosis;
mod pass;

use std::fmt;
use std::ops::ControlFlow;

use serde::Serialize;

use super::ProofError;
use super::checkpoint::TreeHead;
use super::tiles::Tiles;
use crate::event_log::{EventLog, Position};
use pass::Pass;

/// A checkpoint to be compared with, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// File or place, for people.
    pub from: String,
    /// What it says.
    pub head: TreeHead,
    /// Whether it is in this log's list. One that is not was signed by the same key, perhaps of another history.
    pub own: bool,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum How {
    /// Something in it is not what was recorded.
    Changed,
    /// It was taken out, with those after it where there are more, and the rest moved up.
    Removed {
        /// Events taken out.
        count: u64,
    },
    /// It was put in, with those after it where there are more, and the rest moved on.
    Inserted {
        /// Events put in.
        count: u64,
    },
    /// It has changed places with another.
    Swapped {
        /// Position of the other.
        with: Position,
    },
}

/// A difference between the log and what was signed, or within the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub enum Difference {
    /// The log does not hang together: positions, versions or batches.
    Order {
        /// Where.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// The first event that is not the one a checkpoint was signed over.
    Event {
        /// Where it stands.
        position: Position,
        /// What became of it.
        #[serde(flatten)]
        how: How,
        /// The checkpoint that shows it.
        checkpoint: String,
    },
    /// Some event of this stretch is not the one a checkpoint was signed over.
    Stretch {
        /// Position of the first.
        first: Position,
        /// Position of the last.
        last: Position,
        /// The checkpoint that shows it.
        checkpoint: String,
    },
    /// The log ends before a checkpoint does.
    Truncated {
        /// Events of the log.
        events: u64,
        /// Events of the checkpoint.
        covered: u64,
        /// The checkpoint that shows it.
        checkpoint: String,
    },
    /// The key has signed two histories: the events are those of one checkpoint, and not those of another that covers no
    /// more. Where they part is not known.
    Fork {
        /// Events of the checkpoint that is not of this log.
        size: u64,
        /// That checkpoint.
        checkpoint: String,
        /// The one of this log.
        own: String,
    },
    /// Stored hashes are not those of the events, which agree with the checkpoints: the hashes are damaged.
    Hashes {
        /// The first event whose hash differs; none when it is the hash of an inner node.
        position: Option<Position>,
    },
}

impl Difference {
    /// The first position concerned.
    pub fn position(&self) -> Position {
        match self {
            Self::Order { position, .. } | Self::Event { position, .. } => *position,
            Self::Hashes { position } => position.unwrap_or_default(),
            Self::Stretch { first, .. } => *first,
            Self::Fork { .. } => Position(1),
            Self::Truncated { events, .. } => Position(events + 1),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { position, what } => write!(f, "event {position}: {what}"),
            Self::Event { position, how, checkpoint } => match how {
                How::Changed => write!(f, "event {position} was changed ({checkpoint})"),
                How::Removed { count: 1 } => write!(f, "event {position} was removed ({checkpoint})"),
                How::Removed { count } => write!(f, "{count} events were removed from {position} on ({checkpoint})"),
                How::Inserted { count: 1 } => write!(f, "event {position} was inserted ({checkpoint})"),
                How::Inserted { count } => write!(f, "{count} events were inserted at {position} ({checkpoint})"),
                How::Swapped { with } => write!(f, "events {position} and {with} were swapped ({checkpoint})"),
            },
            Self::Stretch { first, last, checkpoint } => {
                write!(f, "an event from {first} to {last} is not the one that was signed ({checkpoint})")
            }
            Self::Fork { size, checkpoint, own } => {
                write!(f, "fork: {checkpoint} is of another history of {size} events; the log is that of {own}")
            }
            Self::Truncated { events, covered, checkpoint } => {
                write!(f, "truncated: the log has {events} events, {checkpoint} covers {covered}")
            }
            Self::Hashes { position } => {
                let of = position.map_or_else(|| "inner nodes".to_owned(), |position| format!("event {position}"));
                write!(
                    f,
                    "a stored hash of {of} is damaged, the events agree with the checkpoints: take the files `level-*` \
                     away and make a checkpoint, which derives them again"
                )
            }
        }
    }
}

/// What an audit has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Events read, and their root.
    pub head: TreeHead,
    /// Checkpoints compared with.
    pub checkpoints: usize,
    /// Every kind of difference found, the first position first.
    pub differences: Vec<Difference>,
}

/// Reads the whole log and compares it with itself, with `claims`, and with the stored hashes.
///
/// # Errors
/// The log or the hashes cannot be read; a difference is no error.
pub async fn audit(log: &dyn EventLog, tiles: &Tiles, claims: &[Claim]) -> Result<Audit, ProofError> {
    let mut pass = Pass::new(tiles, claims);
    log.replay(Position(0), log.head().await?, &mut |event| {
        if pass.take(&event).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await?;
    let found = pass.finish()?;
    let mut differences: Vec<Difference> = found.order.into_iter().collect();
    if let Some(refuted) = found.refuted {
        differences.push(match found.differing {
            // The stored hashes have the root that was signed: they tell which event it is.
            Some(position) if refuted.hashes_agree => {
                let how = diagnosis::diagnose(log, tiles, position).await?;
                Difference::Event { position, how, checkpoint: refuted.checkpoint }
            }
            Some(_) | None => {
                Difference::Stretch { first: refuted.first, last: refuted.last, checkpoint: refuted.checkpoint }
            }
        });
    } else if found.differing.is_some() || found.inner_damaged {
        differences.push(Difference::Hashes { position: found.differing });
    }
    differences.extend(found.forked);
    differences.extend(found.truncated);
    differences.sort_by_key(Difference::position);
    Ok(Audit { head: found.head, checkpoints: claims.len(), differences })
}
