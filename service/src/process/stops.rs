//! How this node tries again where a process stopped: at growing pauses, or at once when a person asks.
//!
//! What a restart must not lose (where it stopped, and what is skipped) is in the log; this is only pacing.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bishui_infra::event_log::Position;
use jiff::{SignedDuration, Timestamp};

use super::Process;

/// Pause after the first failed attempt; it doubles with each.
const PAUSE_FIRST: SignedDuration = SignedDuration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Attempts at the event a process stopped at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// The event.
    pub(crate) position: Position,
    /// Attempts of this node so far.
    pub(crate) attempts: u32,
    /// When the next one is made.
    pub(crate) next: Timestamp,
    /// How often a person had asked for another attempt before the last one.
    retries: u64,
}

/// The processes that stopped, as this node tries them.
#[derive(Debug, Default)]
pub(crate) struct Stops(Mutex<BTreeMap<Process, Tried>>);

impl Stops {
    /// The attempts of a process at the event it stopped at.
    pub(crate) fn of(&self, process: Process) -> Option<Tried> {
        self.table().get(&process).copied()
    }

    /// Whether the event may be tried now; `retries` is how often a person has asked so far.
    pub(super) fn may_try(&self, process: Process, position: Position, retries: u64, now: Timestamp) -> bool {
        match self.of(process) {
            Some(tried) if tried.position == position => tried.next <= now || tried.retries < retries,
            Some(_) | None => true,
        }
    }

    /// Notes a failed attempt.
    pub(super) fn failed(&self, process: Process, position: Position, retries: u64, now: Timestamp) {
        let mut table = self.table();
        let attempts = match table.get(&process) {
            Some(tried) if tried.position == position => tried.attempts.saturating_add(1),
            Some(_) | None => 1,
        };
        let next = now.checked_add(pause(attempts)).unwrap_or(Timestamp::MAX);
        table.insert(process, Tried { position, attempts, next, retries });
    }

    /// Notes that the process is past the event.
    pub(super) fn passed(&self, process: Process) {
        if self.table().remove(&process).is_some() {
            tracing::info!(%process, "a process that had stopped goes on");
        }
    }

    /// When the next attempt of any process is made.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.table().values().map(|tried| tried.next).min()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<Process, Tried>> {
        self.0.lock().expect("stops are never left half noted")
    }
}

fn pause(attempts: u32) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(16);
    PAUSE_FIRST.saturating_mul(2_i32.pow(doublings)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Position = Position(7);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a second of this century")
    }

    #[test]
    fn pauses_double_from_a_second_to_five_minutes() {
        let stops = Stops::default();
        for (attempts, seconds) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64), (8, 128), (9, 256)] {
            stops.failed(Process::Dispatch, EVENT, 0, at(0));
            assert_eq!(
                stops.of(Process::Dispatch).map(|tried| (tried.attempts, tried.next)),
                Some((attempts, at(seconds)))
            );
        }
        stops.failed(Process::Dispatch, EVENT, 0, at(0));
        assert_eq!(stops.next(), Some(at(300)));
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }

    #[test]
    fn a_person_need_not_wait_and_another_event_starts_anew() {
        let stops = Stops::default();
        stops.failed(Process::Dispatch, EVENT, 2, at(0));
        assert!(!stops.may_try(Process::Dispatch, EVENT, 2, at(0)));
        assert!(stops.may_try(Process::Dispatch, EVENT, 2, at(1)), "the pause is over");
        assert!(stops.may_try(Process::Dispatch, EVENT, 3, at(0)), "a person asked after the attempt");
        assert!(stops.may_try(Process::Dispatch, Position(8), 2, at(0)), "another event");
        assert!(stops.may_try(Process::Drafting, EVENT, 2, at(0)), "another process");
        stops.passed(Process::Dispatch);
        assert_eq!((stops.of(Process::Dispatch), stops.next()), (None, None));
    }
}
