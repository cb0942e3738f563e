//! The clock: the only place that asks what time it is.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, moved by a fixed amount: not at all in service, into the demonstration year for a demonstration.
#[derive(Debug, Default)]
pub struct SystemClock {
    shift: SignedDuration,
}

impl SystemClock {
    /// A clock that shows `at` now and runs on from there.
    pub fn starting_at(at: Timestamp) -> Self {
        Self { shift: at.duration_since(Timestamp::now()) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now().checked_add(self.shift).unwrap_or(Timestamp::MAX)
    }
}

/// A clock that is set: for drills, demonstrations and tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock forward to `at`; it never goes back.
    pub fn advance_to(&self, at: Timestamp) {
        let mut now = self.0.lock().expect("a clock is never left half set");
        *now = (*now).max(at);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("a clock is never left half set")
    }
}
