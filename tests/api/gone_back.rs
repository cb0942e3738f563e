//! A log that has gone back, as a database does when a standby without its newest events is promoted.

use std::sync::{Arc, Mutex};

use bishui::act::Act;
use bishui::office::{Office, Request};
use bishui::records::stream;
use bishui::register::Register;
use bishui_domain::standard::Target;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, LogError, Position};
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};

use crate::projections::{office_on, pay, planned};

/// The log that has taken the place of the first, once there is one.
#[derive(Default)]
struct Promoted(Mutex<Option<Arc<dyn EventLog>>>);

impl Watcher for Promoted {
    fn before(&self, _: Write<'_>) -> Result<(), LogError> {
        Ok(())
    }

    fn after(&self, _: Write<'_>) {}

    fn answering(&self, log: &Arc<dyn EventLog>) -> Result<Arc<dyn EventLog>, LogError> {
        Ok(self.0.lock().unwrap().clone().unwrap_or_else(|| Arc::clone(log)))
    }
}

/// An office whose log has gone back by a payment and the correction of a target before it; and that log.
async fn set_back() -> (Office, Arc<dyn EventLog>) {
    let (log, promoted) = (MemoryLog::new(), Arc::new(Promoted::default()));
    let office = planned(Arc::new(WatchedLog { log: Arc::new(log.clone()), watcher: promoted.clone() })).await;
    pay(&office, 1).await;
    let kept = log.head().await.unwrap();
    let (section, from, reason) = ("beihu".parse().unwrap(), "2020-02".parse().unwrap(), "误录".to_owned());
    let act = Act::CorrectTarget { section, from, until: None, target: Target::II, reason };
    office.perform(&act, &Request::by("test")).await.unwrap();
    pay(&office, 2).await;
    let standby: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let newest = usize::try_from(kept.0).unwrap();
    standby.take_over(log.read_all(Position(0), newest).await.unwrap()).await.unwrap();
    *promoted.0.lock().unwrap() = Some(Arc::clone(&standby));
    (office, standby)
}

/// The office says once that its log has gone back, and then shows what that log holds.
async fn notices(office: &Office, log: &dyn EventLog) {
    let error = office.bring_level().await.unwrap_err();
    assert_eq!(error.code(), "store_damaged");
    assert!(error.to_string().contains("it has gone back"), "{error}");
    office.bring_level().await.unwrap();
    let mut built = Register::default();
    for recorded in log.read_all(Position(0), usize::MAX).await.unwrap() {
        built.apply(&recorded).unwrap();
    }
    assert_eq!(*office.register(), built);
    let (_, version) = office.records().plan_book().await.unwrap();
    assert_eq!(
        version,
        log.version(&stream::plan()).await.unwrap(),
        "no decision rests on a plan that is not recorded"
    );
    let position = pay(office, 3).await;
    assert_eq!(office.register().position(), position);
}

#[tokio::test]
async fn a_log_that_ends_before_what_was_shown_is_noticed() {
    let (office, standby) = set_back().await;
    notices(&office, &*standby).await;
}

#[tokio::test]
async fn a_log_that_went_back_and_has_grown_since_is_noticed() {
    let (office, standby) = set_back().await;
    let other = office_on(Arc::clone(&standby));
    while other.log().head().await.unwrap() <= office.register().position() {
        pay(&other, 9).await;
    }
    notices(&office, &*standby).await;
}
