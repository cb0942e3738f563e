//! Rounds: the limit and the store in turns, so that both see the same minute of the machine.

use std::time::{Duration, Instant};

use bishui_infra::event_log::LogError;

use super::figures::{median, p99_ms, speed};
use super::limit::BareDisk;
use super::subject::{Part, Stand, Subject};
use super::workload::{Run, Spread, Tally};
use super::writers::Timed;

/// A round in which half of the bare commits take longer measures the machine's other work.
const BARE_MEDIAN_MAX: Duration = Duration::from_millis(1);
/// Rounds discarded for one figure before such rounds are kept: the disk is that slow.
const DISCARDED_MAX: u32 = 20;

/// What became of the rounds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Rounds {
    /// Rounds behind each median.
    pub each: u32,
    /// Rounds discarded and repeated, because the bare disk took over a millisecond for half of its commits.
    pub discarded: u32,
    /// Rounds kept although it did, because too many had been discarded.
    pub slow: u32,
}

/// The medians of one kind of run.
#[derive(Debug, Clone, Copy)]
pub struct Medians {
    /// Events a second of the bare disk.
    pub limit: f64,
    /// Events a second of the store.
    pub ours: f64,
    /// 99th percentile of the bare disk's commits, in milliseconds.
    pub limit_p99_ms: f64,
    /// 99th percentile of the store's commits, in milliseconds.
    pub p99_ms: f64,
}

/// Times `shape` on the bare disk and on the store's part for rounds, in turns; `next_stream` is moved past the streams
/// that were written.
///
/// # Errors
/// What the disk or the store failed with.
pub fn appends(
    stand: &dyn Stand,
    shape: (u64, u64, u64),
    next_stream: &mut u64,
    rounds: &mut Rounds,
) -> Result<Medians, LogError> {
    let (writers, events, size) = shape;
    let disk = BareDisk::new(stand.directory().join("bare"));
    let (mut limits, mut ours): (Vec<Timed>, Vec<Timed>) = Default::default();
    let mut discarded = 0;
    let mut total = 0;
    while ours.len() < rounds.each as usize {
        let run = Run { first_stream: *next_stream, writers, events, size, spread: Spread::Sequence };
        total = run.total();
        let (limit, bare_median) = disk.append(run)?;
        if bare_median > BARE_MEDIAN_MAX {
            if discarded < DISCARDED_MAX {
                discarded += 1;
                continue;
            }
            rounds.slow += 1;
        }
        // The store is open during its own turn only: nothing that it does afterwards slows the bare disk.
        let subject = stand.open(Part::Rounds)?;
        ours.push(subject.append(run)?);
        drop(subject);
        limits.push(limit);
        *next_stream += run.streams();
    }
    rounds.discarded += discarded;
    let speeds = |timed: &[Timed]| median(timed.iter().map(|timed| speed(total, timed.elapsed)).collect());
    let tails = |timed: &[Timed]| median(timed.iter().map(p99_ms).collect());
    Ok(Medians { limit: speeds(&limits), ours: speeds(&ours), limit_p99_ms: tails(&limits), p99_ms: tails(&ours) })
}

/// Times the replay of the bare file and of the store in turns; both must count the same. Gives the speeds in events a
/// second, the limit's first, and what was counted.
///
/// # Errors
/// What the disk or the store failed with, and `Corrupt` where they differ.
pub fn replays(disk: &BareDisk, subject: &dyn Subject, rounds: Rounds) -> Result<(f64, f64, Tally), LogError> {
    let (mut limits, mut ours) = (Vec::new(), Vec::new());
    let timed = |replay: &dyn Fn() -> Result<Tally, LogError>| {
        let start = Instant::now();
        replay().map(|tally| (speed(tally.events, start.elapsed()), tally))
    };
    let mut counted = Tally::default();
    for _ in 0..rounds.each {
        let (limit, expected) = timed(&|| disk.replay())?;
        let (own, tally) = timed(&|| subject.replay())?;
        if tally != expected {
            let what = format!(
                "the store replays {} events and {} runs, the file {} and {}",
                tally.events, tally.runs, expected.events, expected.runs
            );
            return Err(LogError::Corrupt { what });
        }
        limits.push(limit);
        ours.push(own);
        counted = tally;
    }
    Ok((median(limits), median(ours), counted))
}
