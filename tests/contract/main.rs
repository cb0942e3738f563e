//! The contract of the event log: one suite, run on every store, and proof that a store that does nothing fails it.
#![expect(clippy::unwrap_used, reason = "an unexpected answer of a log is a failure of the test")]

use std::sync::{Arc, Mutex};

use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::overlay::OverlayLog;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_tests::postgres::{Cluster, parsed};
use tempfile::TempDir;

mod blocks;
mod build;
mod database;
mod do_nothing;
mod face;
mod overlay;
mod restart;
mod servers;
mod suite;

use do_nothing::DoNothingLog;
use suite::for_each_rule;

/// Makes logs to be tested, each with nothing of the suite in it.
type Fixture<'a> = &'a dyn Fn() -> Arc<dyn EventLog>;

/// One test per rule of the suite, on the logs of a fixture.
macro_rules! contract {
    ([$run:ident] $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                super::$run!(suite::$rule);
            }
        )*
    };
}

macro_rules! on_memory {
    ($rule:path) => {
        $rule(&|| Arc::new(MemoryLog::new())).await
    };
}
use on_memory;

macro_rules! on_sled {
    ($rule:path) => {
        let dirs = Mutex::new(Vec::new());
        $rule(&|| sled_log(&dirs)).await
    };
}
use on_sled;

macro_rules! on_postgres {
    ($rule:path) => {
        $rule(&postgres_log).await
    };
}
use on_postgres;

macro_rules! on_overlay {
    ($rule:path) => {
        $rule(&|| Arc::new(OverlayLog::over(Arc::new(MemoryLog::new()), Position(0)))).await
    };
}
use on_overlay;

macro_rules! on_overlay_with_history {
    ($rule:path) => {
        let base = overlay::history().await;
        $rule(&|| Arc::new(OverlayLog::over(Arc::clone(&base), overlay::HISTORY_HEAD))).await
    };
}
use on_overlay_with_history;

mod memory_log {
    use super::*;
    for_each_rule!(contract, [on_memory]);
}

mod sled_log {
    use super::*;
    for_each_rule!(contract, [on_sled]);
}

mod postgres_log {
    use super::*;
    for_each_rule!(contract, [on_postgres]);
}

mod overlay_log {
    use super::*;
    for_each_rule!(contract, [on_overlay]);
}

mod overlay_log_with_history {
    use super::*;
    for_each_rule!(contract, [on_overlay_with_history]);
}

/// A log on sled in a new directory, which lives as long as `dirs`.
fn sled_log(dirs: &Mutex<Vec<TempDir>>) -> Arc<dyn EventLog> {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path()).unwrap();
    dirs.lock().unwrap().push(dir);
    Arc::new(log)
}

/// A log in a new database.
fn postgres_log() -> Arc<dyn EventLog> {
    let open = async { PostgresLog::open(&parsed(&Cluster::shared().database().await)).await.unwrap() };
    Arc::new(tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open)))
}

macro_rules! rules_a_do_nothing_log_passes {
    ([] $($rule:ident),* $(,)?) => {{
        let mut passed = Vec::new();
        $(
            // A panic of the rule ends the thread that it has for itself.
            let rule = std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(suite::$rule(&|| Arc::new(DoNothingLog)));
            });
            if rule.join().is_ok() {
                passed.push(stringify!($rule));
            }
        )*
        passed
    }};
}

#[test]
fn a_log_that_does_nothing_fails_every_rule() {
    let passed: Vec<&str> = for_each_rule!(rules_a_do_nothing_log_passes, []);
    assert_eq!(passed, Vec::<&str>::new());
}
