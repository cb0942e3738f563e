//! Errands: loading and replaying in processes of their own, so that the peak of memory is that of one of them alone.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bishui_infra::event_log::LogError;
use serde::{Deserialize, Serialize};

use super::disk;
use super::subject::{Part, Stand, failed};
use super::workload::{Run, Spread, Tally};

/// Events of a commit while loading.
const COMMIT_EVENTS: u64 = 100;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Fill an empty part and close it.
    Load,
    /// Fill an empty part and end without closing it, as a kill does.
    Abandon,
    /// Open a part that was filled, and replay it.
    Replay,
}

/// An errand on a part of a stand.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// What is to be done.
    pub work: Work,
    /// On which part.
    pub part: Part,
    /// Events of the load.
    pub events: u64,
    /// Streams of a scattered load; 0 when a stream follows the other.
    pub streams: u64,
}

/// How an errand went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Time to open the part.
    pub open: Duration,
    /// Time of the load with closing, or of the replay.
    pub work: Duration,
    /// Peak memory of the process, in bytes.
    pub peak_bytes: u64,
    /// Events read; 0 of a load.
    pub events: u64,
    /// Runs of unmet assessments that the replay counted.
    pub runs: u64,
    /// The longest of them.
    pub longest: u32,
}

impl Errand {
    /// The run that a load writes.
    pub fn run(&self) -> Run {
        let spread = if self.streams == 0 { Spread::Sequence } else { Spread::Scattered(self.streams) };
        Run { first_stream: 0, writers: 1, events: self.events, size: COMMIT_EVENTS, spread }
    }

    /// Carries the errand out in this process.
    ///
    /// # Errors
    /// What the store failed with.
    pub fn carry_out(&self, stand: &dyn Stand) -> Result<Outcome, LogError> {
        let start = Instant::now();
        let subject = stand.open(self.part)?;
        let open = start.elapsed();
        let start = Instant::now();
        let (work, tally) = match self.work {
            Work::Load => {
                subject.append(self.run())?;
                drop(subject);
                (start.elapsed(), Tally::default())
            }
            Work::Abandon => {
                subject.append(self.run())?;
                let work = start.elapsed();
                std::mem::forget(subject);
                (work, Tally::default())
            }
            Work::Replay => {
                let tally = subject.replay()?;
                (start.elapsed(), tally)
            }
        };
        let peak_bytes = disk::peak_memory_bytes().map_err(|error| failed("the peak of memory", error))?;
        Ok(Outcome { open, work, peak_bytes, events: tally.events, runs: tally.runs, longest: tally.longest })
    }

    /// Has the errand carried out by a process of its own and waits for it.
    ///
    /// # Errors
    /// `Unavailable` where the process fails; what it says on standard error is passed on.
    pub fn send(&self, stand: &dyn Stand) -> Result<Outcome, LogError> {
        let told = serde_json::to_string(self).expect("errands are JSON");
        let mut command = stand.errand()?;
        let output = command.arg(told).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| failed("starting a process for an errand", error))?;
        if !output.status.success() {
            return Err(failed(format!("an errand ({:?} of {})", self.work, self.part), output.status.to_string()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed("the outcome of an errand", error))
    }
}

/// A command that runs this program again.
///
/// # Errors
/// `Unavailable` where the program does not know its file.
pub fn this_program() -> Result<Command, LogError> {
    let program: io::Result<_> = std::env::current_exe();
    program.map(Command::new).map_err(|error| failed("the program's own file", error))
}
