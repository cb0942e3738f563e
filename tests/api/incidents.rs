//! Incidents: what fails in the background is shown, tried again, and over when it works again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bishui::accounts::Role;
use bishui_infra::event_log::LogError;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use serde_json::json;

use crate::town::{PLAN, Town, eventually};

/// Lets no checkpoint be moved while it is full.
#[derive(Default)]
struct Disk {
    full: AtomicBool,
}

impl Watcher for Disk {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        if matches!(write, Write::Checkpoint(_)) && self.full.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable { what: "the disk of gaotang is full".to_owned(), source: None });
        }
        Ok(())
    }

    fn after(&self, _: Write<'_>) {}
}

#[test]
fn a_failing_store_is_an_incident_until_it_works_again() {
    let disk = Arc::new(Disk::default());
    let town = Town::on(Arc::new(WatchedLog { log: Arc::new(MemoryLog::new()), watcher: disk.clone() }));
    assert_eq!(town.send("GET", "/readyz", &[], "").ok()["ready"], true);
    disk.full.store(true, Ordering::SeqCst);
    let adopt = || town.act("administrator", "/api/v1/plans", ("application/toml", PLAN));
    assert_eq!(adopt().ok()["followed"], false, "it is recorded, and what follows from it not yet");
    let reply = adopt();
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert!(!reply.body.contains("gaotang"), "the store's own words stay in the log: {}", reply.body);
    assert_eq!(reply.problem(), (503, "store_unavailable".to_owned(), "存储暂不可用".to_owned()));
    let ready = eventually(|| Some(town.send("GET", "/readyz", &[], "")).filter(|ready| ready.status == 503));
    let incident = ready.json()["incidents"].clone();
    assert!(incident.as_object().unwrap().values().all(|code| *code == json!("store_unavailable")), "{incident}");
    disk.full.store(false, Ordering::SeqCst);
    assert_eq!(adopt().ok()["events"], json!([]), "it stands already");
    eventually(|| Some(town.send("GET", "/readyz", &[], "")).filter(|ready| ready.status == 200));
    assert_eq!(town.get(&town.token(Role::Auditor), "/api/v1/plan").ok()["revision"], 1);
}
