//! Our own logs as the subject: any [`EventLog`], written and read as the service does it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bishui_infra::codec;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{
    Batch, EventLog, EventRef, Expected, LogError, NewEvent, Position, StreamId, StreamVersion, StreamWrite,
};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::subject::{Part, Stand, Subject, failed};
use super::workload::{Fact, KIND, Run, Tally};
use super::writers::Timed;
use super::{disk, errand};

/// Embedded stores in a directory.
pub struct SledStand {
    directory: PathBuf,
    runtime: Handle,
}

impl SledStand {
    /// Stores in `directory`; their tasks run on `runtime`, of which the caller must not be a task.
    pub fn new(directory: PathBuf, runtime: Handle) -> Self {
        Self { directory, runtime }
    }

    fn path(&self, part: Part) -> PathBuf {
        self.directory.join(part.to_string())
    }
}

impl Stand for SledStand {
    fn name(&self) -> String {
        "sled".into()
    }

    fn directory(&self) -> &Path {
        &self.directory
    }

    fn open(&self, part: Part) -> Result<Box<dyn Subject>, LogError> {
        let log = SledLog::open(self.path(part))?;
        Ok(Box::new(LogSubject { log: Arc::new(log), runtime: self.runtime.clone(), has_tasks: false }))
    }

    fn bytes(&self, part: Part) -> Result<u64, LogError> {
        let path = self.path(part);
        disk::bytes(&path).map_err(|error| failed(format!("the size of {}", path.display()), error))
    }

    fn errand(&self) -> Result<Command, LogError> {
        let mut command = errand::this_program()?;
        command.args(["bench", "errand", "--store"]).arg(format!("sled:{}", self.directory.display()));
        Ok(command)
    }
}

/// An open log.
pub(super) struct LogSubject {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) runtime: Handle,
    /// Whether the log works in tasks of the runtime: as in the service, its callers are tasks beside them then.
    pub(super) has_tasks: bool,
}

impl Subject for LogSubject {
    fn append(&self, run: Run) -> Result<Timed, LogError> {
        let start = Instant::now();
        let commits = self.runtime.block_on(async {
            if run.writers == 1 && !self.has_tasks {
                // A single writer needs no scheduler: it is polled on this thread.
                return write(Arc::clone(&self.log), run, 0).await;
            }
            let writers: JoinSet<_> =
                (0..run.writers).map(|writer| write(Arc::clone(&self.log), run, writer)).collect();
            writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().map(|commits| commits.concat())
        })?;
        Ok(Timed { elapsed: start.elapsed(), commits })
    }

    fn replay(&self) -> Result<Tally, LogError> {
        let (mut tally, mut outcome) = (Tally::default(), Ok(()));
        let mut visit = |event: EventRef<'_>| {
            outcome =
                stream_number(event.stream).and_then(|stream| tally.count_payload(stream, event.payload.as_bytes()));
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.runtime.block_on(self.log.replay(Position(0), Position(u64::MAX), &mut visit))?;
        outcome.map(|()| tally)
    }
}

/// Writes the commits of one writer.
async fn write(log: Arc<dyn EventLog>, run: Run, writer: u64) -> Result<Vec<Duration>, LogError> {
    let mut commits = Vec::new();
    for facts in run.commits(writer) {
        let start = Instant::now();
        log.append(batch(&facts)).await?;
        commits.push(start.elapsed());
    }
    Ok(commits)
}

/// A commit as the batch of an act, on the versions that the act has read.
fn batch(facts: &[Fact]) -> Batch {
    let write = |facts: &[Fact]| StreamWrite {
        stream: StreamId::new("section", format_args!("s-{:07}", facts[0].stream)),
        expected: Expected::Exactly(StreamVersion(facts[0].version - 1)),
        events: facts.iter().map(new_event).collect(),
    };
    Batch {
        id: Uuid::from_u64_pair(facts[0].stream, facts[0].version),
        recorded_at: Timestamp::UNIX_EPOCH,
        actor: "bench".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: facts.chunk_by(|a, b| a.stream == b.stream).map(write).collect(),
    }
}

fn new_event(fact: &Fact) -> NewEvent {
    NewEvent { kind: KIND.into(), schema: codec::schema_of(KIND), payload: fact.payload.into() }
}

fn stream_number(name: &str) -> Result<u64, LogError> {
    let number = name.strip_prefix("section/s-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| LogError::Corrupt { what: format!("stream {name} was never written") })
}
