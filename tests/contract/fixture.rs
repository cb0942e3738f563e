//! The logs under test: how each kind is made, and how it is opened again after its process has ended.

use std::sync::{Arc, Mutex};

use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::overlay::OverlayLog;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_tests::postgres::{Cluster, parsed};
use tempfile::TempDir;

use crate::do_nothing::DoNothingLog;
use crate::overlay::{HISTORY_HEAD, history};

/// One kind of log.
pub(crate) trait Fixture {
    /// A log with nothing of the suite in it.
    fn log(&self) -> Arc<dyn EventLog>;

    /// Closes `log`, which was made here last and of which this is the only handle, and opens it again.
    fn reopened(&self, log: Arc<dyn EventLog>) -> Arc<dyn EventLog>;
}

/// Logs in memory. They keep nothing over the end of a process and do not promise to: what opens one again is another
/// handle on it.
pub(crate) struct InMemory;

impl Fixture for InMemory {
    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(MemoryLog::new())
    }

    fn reopened(&self, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        log
    }
}

/// Logs on sled, in directories that live as long as this.
#[derive(Default)]
pub(crate) struct OnSled(Mutex<Vec<TempDir>>);

impl Fixture for OnSled {
    fn log(&self) -> Arc<dyn EventLog> {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::open(dir.path()).unwrap();
        self.0.lock().unwrap().push(dir);
        Arc::new(log)
    }

    fn reopened(&self, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        close(log);
        let dirs = self.0.lock().unwrap();
        Arc::new(SledLog::open(dirs.last().expect("a log was made").path()).unwrap())
    }
}

/// Logs in databases of the shared cluster; their addresses.
#[derive(Default)]
pub(crate) struct OnPostgres(Mutex<Vec<String>>);

impl Fixture for OnPostgres {
    fn log(&self) -> Arc<dyn EventLog> {
        let address = in_runtime(Cluster::shared().database());
        let log = in_runtime(PostgresLog::open(&parsed(&address))).unwrap();
        self.0.lock().unwrap().push(address);
        Arc::new(log)
    }

    fn reopened(&self, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        close(log);
        let addresses = self.0.lock().unwrap();
        Arc::new(in_runtime(PostgresLog::open(&parsed(addresses.last().expect("a log was made")))).unwrap())
    }
}

/// Previews over a log, up to a head; like logs in memory, they are there for one process.
pub(crate) struct Overlaid {
    base: Arc<dyn EventLog>,
    base_head: Position,
}

impl Overlaid {
    pub(crate) fn over_nothing() -> Self {
        Self { base: Arc::new(MemoryLog::new()), base_head: Position(0) }
    }

    pub(crate) async fn over_history() -> Self {
        Self { base: history().await, base_head: HISTORY_HEAD }
    }
}

impl Fixture for Overlaid {
    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(OverlayLog::over(Arc::clone(&self.base), self.base_head))
    }

    fn reopened(&self, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        log
    }
}

/// Logs that do nothing: no rule may pass.
pub(crate) struct DoingNothing;

impl Fixture for DoingNothing {
    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(DoNothingLog)
    }

    fn reopened(&self, _: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        Arc::new(DoNothingLog)
    }
}

/// Logs that keep every rule until they are closed, and are empty when they are opened again.
pub(crate) struct Forgetting;

impl Fixture for Forgetting {
    fn log(&self) -> Arc<dyn EventLog> {
        InMemory.log()
    }

    fn reopened(&self, _: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        InMemory.log()
    }
}

/// Drops a log for good: another handle would keep it open.
fn close(log: Arc<dyn EventLog>) {
    assert_eq!(Arc::strong_count(&log), 1, "the rule holds the log elsewhere");
    drop(log);
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}
