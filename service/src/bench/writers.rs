//! Writers on threads of their own, and the time they took.

use std::time::{Duration, Instant};

use bishui_infra::event_log::LogError;

use super::group::REQUESTS_MAX;
use super::workload::{Fact, Run};

/// The time that the commits of a run took.
#[derive(Debug, Clone)]
pub struct Timed {
    /// From the start of the first commit to the acknowledgement of the last.
    pub elapsed: Duration,
    /// Each commit, as its writer waited for it.
    pub commits: Vec<Duration>,
}

/// Runs every writer of `run` on a thread of its own, or on the caller's when it is the only one; `write` returns when
/// the commit is durable.
///
/// # Errors
/// The first failure of a writer.
pub fn on_threads(run: Run, write: impl Fn(&[Fact]) -> Result<(), LogError> + Sync) -> Result<Timed, LogError> {
    assert!(run.writers <= REQUESTS_MAX, "a group holds a request of each writer");
    let writer = |number: u64| -> Result<Vec<Duration>, LogError> {
        let timed = |facts: Vec<Fact>| {
            let start = Instant::now();
            write(&facts).map(|()| start.elapsed())
        };
        run.commits(number).map(timed).collect()
    };
    let start = Instant::now();
    if run.writers == 1 {
        let commits = writer(0)?;
        return Ok(Timed { elapsed: start.elapsed(), commits });
    }
    let writers: Vec<_> = std::thread::scope(|scope| {
        let writer = &writer;
        let threads: Vec<_> = (0..run.writers).map(|number| scope.spawn(move || writer(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no writer panics")).collect()
    });
    let elapsed = start.elapsed();
    let commits = writers.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    Ok(Timed { elapsed, commits })
}
