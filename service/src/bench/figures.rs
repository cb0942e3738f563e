//! The report in figures for people: speeds, ratios, milliseconds. Nothing is decided by them.
#![expect(clippy::float_arithmetic, reason = "speeds and ratios are quotients that are only shown")]
#![expect(clippy::cast_precision_loss, reason = "counts and times of a measurement are far below 2^52")]

use std::time::Duration;

use serde::Serialize;

use super::writers::Timed;

/// Events a second, or the ratio of two such speeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speeds {
    /// One writer, an event a commit.
    pub one: f64,
    /// 64 writers, an event a commit.
    pub group: f64,
    /// One writer, 100 events a commit.
    pub batch: f64,
    /// Reading everything in order, parsing and counting.
    pub replay: f64,
}

impl Speeds {
    /// These speeds as shares of others.
    #[must_use]
    pub fn over(&self, limit: &Self) -> Self {
        let ratio = |own: f64, limit: f64| rounded(own / limit, 1_000.0);
        Self {
            one: ratio(self.one, limit.one),
            group: ratio(self.group, limit.group),
            batch: ratio(self.batch, limit.batch),
            replay: ratio(self.replay, limit.replay),
        }
    }
}

/// The 99th percentile of the time that a writer waits for a commit, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tails {
    /// One writer.
    pub one: f64,
    /// 64 writers.
    pub group: f64,
}

/// Peak memory in MB (10⁶ bytes) of a process that does only this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peaks {
    /// Loading.
    pub load: f64,
    /// Opening and replaying.
    pub replay: f64,
}

/// Events a second, to the tenth.
pub fn speed(events: u64, time: Duration) -> f64 {
    rounded(events as f64 / time.as_secs_f64(), 10.0)
}

/// The 99th percentile of a run's commits in milliseconds, to the microsecond.
pub fn p99_ms(timed: &Timed) -> f64 {
    let mut commits = timed.commits.clone();
    commits.sort_unstable();
    let place = (commits.len() * 99).div_ceil(100).saturating_sub(1);
    commits.get(place).map_or(0.0, |time| rounded(time.as_secs_f64() * 1_000.0, 1_000.0))
}

/// Seconds to the microsecond.
pub fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64(), 1_000_000.0)
}

/// MB to the tenth.
pub fn megabytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / 1_000_000.0, 10.0)
}

/// Bytes an event, to the tenth.
pub fn bytes_per_event(bytes: u64, events: u64) -> f64 {
    rounded(bytes as f64 / events as f64, 10.0)
}

/// The median of some figures; the lower of the two in the middle of an even number.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn rounded(figure: f64, steps: f64) -> f64 {
    (figure * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(figure: f64, expected: f64) -> bool {
        figure.total_cmp(&expected).is_eq()
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert!(is(median(vec![3.0, 1.0, 2.0]), 2.0));
        assert!(is(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0));
        assert!(is(median(vec![5.0]), 5.0));
    }

    #[test]
    fn the_99th_percentile_leaves_one_in_a_hundred_above() {
        let commits = (1..=200).rev().map(Duration::from_millis).collect();
        assert!(is(p99_ms(&Timed { elapsed: Duration::ZERO, commits }), 198.0));
        let commits = vec![Duration::from_micros(1_234)];
        assert!(is(p99_ms(&Timed { elapsed: Duration::ZERO, commits }), 1.234));
    }

    #[test]
    fn a_speed_is_events_over_seconds() {
        assert!(is(speed(1_000, Duration::from_millis(300)), 3_333.3));
        let speeds = |one| Speeds { one, group: 2.0, batch: 3.0, replay: 4.0 };
        assert_eq!(speeds(1.0).over(&speeds(3.0)), Speeds { one: 0.333, group: 1.0, batch: 1.0, replay: 1.0 });
    }
}
