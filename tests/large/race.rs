//! An officer's act that comes between what a step reads and what it records.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bishui::act::Act;
use bishui::delivery::deliver_due;
use bishui::drill::MAIL_FROM;
use bishui::office::{Office, Request, Settings};
use bishui_domain::ids::NoticeId;
use bishui_domain::notice::NoticeState;
use bishui_domain::plan::rules::Approval;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, LogError, Position};
use bishui_infra::mail::SinkMailer;
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::steps::{COUNTIES, adopt, january, office_with, perform};

/// Withdraws a notice at another office of the same log when dispatch is about to queue its letter.
struct Withdrawal {
    log: Arc<dyn EventLog>,
    withdrawn: Mutex<Option<NoticeId>>,
}

impl Withdrawal {
    fn other_office(&self) -> Office {
        let settings = Settings { wait_within: Duration::ZERO, ..Settings::default() };
        office_with(Arc::clone(&self.log), settings)
    }

    async fn withdraw(&self) -> NoticeId {
        let events = self.log.read_all(Position(0), usize::MAX).await.unwrap();
        let approved = events.iter().find(|event| event.kind == "notice.notice_approved").unwrap();
        let notice = approved.stream.key().parse().unwrap();
        let act = Act::WithdrawNotice { notice, reason: "误".to_owned() };
        self.other_office().perform(&act, &Request::by("乙")).await.unwrap();
        notice
    }
}

impl Watcher for Withdrawal {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        let mut withdrawn = self.withdrawn.lock().unwrap();
        if withdrawn.is_none() && matches!(write, Write::Append("process/dispatch")) {
            *withdrawn = Some(block_in_place(|| Handle::current().block_on(self.withdraw())));
        }
        Ok(())
    }

    fn after(&self, _: Write<'_>) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_withdrawn_while_its_letter_is_written_is_not_mailed() {
    let inner: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let watcher = Arc::new(Withdrawal { log: Arc::clone(&inner), withdrawn: Mutex::new(None) });
    let log: Arc<dyn EventLog> = Arc::new(WatchedLog { log: inner, watcher: Arc::clone(&watcher) as Arc<dyn Watcher> });
    let office = office_with(log, Settings { approval: Some(Approval::Automatic), ..Settings::default() });
    adopt(&office, COUNTIES).await;
    let csv = january(COUNTIES, "1.7");
    perform(&office, Act::Import { file: "1.csv".to_owned(), csv, mapping: None }).await;
    perform(&office, Act::Publish { period: "2020-01".parse().unwrap(), declare_rest: None }).await;
    deliver_due(&office, &SinkMailer::default(), MAIL_FROM).await.unwrap();
    let withdrawn = watcher.withdrawn.lock().unwrap().expect("the act came between");
    let register = office.register();
    assert_eq!(register.notice[&withdrawn].state, NoticeState::Withdrawn);
    assert!(register.mail.values().all(|mail| mail.message.notice != withdrawn), "its letter was queued");
    let sent = register.notice.values().filter(|notice| notice.state == NoticeState::Sent).count();
    assert_eq!(sent, register.notice.len() - 1, "the others are sent");
}
