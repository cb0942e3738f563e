//! Two whole services on one log: both answer, one works, and the other goes on when it is killed or breaks off.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bishui::accounts::Role;
use bishui::http::ServeError;
use bishui::office::Settings;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::mail::{Mailer, OutgoingMail, RecipientOutcome, SinkMailer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::leases::with_mail;
use crate::town::{Town, eventually};

/// Whether a node holds the lease of `work`, as it says.
fn works(town: &Town, work: &str) -> bool {
    town.send("GET", "/metrics", &[], "").body.contains(&format!("bishui_lease_held{{work=\"{work}\"}} 1"))
}

#[test]
fn the_other_node_goes_on_when_one_is_killed_and_no_mail_goes_twice() {
    let log = MemoryLog::new();
    let settings = || Settings { lease_time: Duration::from_millis(600), ..Settings::default() };
    let sinks = [Arc::new(SinkMailer::default()), Arc::new(SinkMailer::default())];
    let mut first = Town::node(Arc::new(log.clone()), sinks[0].clone(), settings());
    eventually(|| works(&first, "mail").then_some(()));
    let second = Town::node(Arc::new(log.clone()), sinks[1].clone(), settings());
    // Acts of the node that does not work are answered when the other has followed them through.
    second.judge();
    assert!(!works(&second, "processes"));
    let before = second.get(&second.token(Role::Clerk), "/api/v1/notices?state=drafted").ok();
    assert_eq!(before.as_array().unwrap().len(), 6);
    second.send_notices();
    let sent = |sink: &SinkMailer| sink.kept().into_iter().map(|kept| kept.mail.message_id).collect::<Vec<_>>();
    assert_eq!((sent(&sinks[0]).len(), sent(&sinks[1]).len()), (6, 0));
    first.kill();
    // The county's report needs nothing; the interview that is held sets off a duty, and its mail comes from the second.
    let path = "/api/v1/counties/gaotang/interview/hold";
    second.post(&second.token(Role::Approver), path, &json!({"attended": ["x"]})).ok();
    for work in ["processes", "mail", "deadlines"] {
        eventually(|| works(&second, work).then_some(()));
    }
    let correction = "section,time,source,ph,do,codmn,nh3n\nbeihu,2020-01-05,national,7.5,8.1,3.0,0.5\n";
    let revised = "/api/v1/readings/revisions?reason=r";
    second.act("approver", revised, ("text/csv", correction)).ok();
    second.send_notices();
    let late = sent(&sinks[1]);
    assert!(!late.is_empty(), "the second node sends");
    assert!(late.iter().all(|id| !sent(&sinks[0]).contains(id)), "and nothing that the first had sent");
    let mails = second.get(&second.token(Role::Clerk), "/api/v1/mails").ok();
    let states: Vec<&Value> = mails.as_array().unwrap().iter().map(|mail| &mail["counts"]).collect();
    assert_eq!(states.len(), 6 + late.len(), "{states:?}");
}

/// A mailer with a fault, which shows once it may.
struct Broken(Semaphore);

#[async_trait]
impl Mailer for Broken {
    async fn send(&self, _: &OutgoingMail, _: &[String]) -> Vec<RecipientOutcome> {
        let _may = self.0.acquire().await.unwrap();
        panic!("a fault of the mailer");
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "nowhere".to_owned()
    }
}

#[test]
fn work_that_breaks_off_ends_its_service_and_another_node_goes_on() {
    let log = MemoryLog::new();
    tokio::runtime::Runtime::new().unwrap().block_on(with_mail(Arc::new(log.clone())));
    let broken = Arc::new(Broken(Semaphore::new(0)));
    let mut first = Town::node(Arc::new(log.clone()), broken.clone(), Settings::default());
    eventually(|| works(&first, "mail").then_some(()));
    let sink = Arc::new(SinkMailer::default());
    let _second = Town::node(Arc::new(log), sink.clone(), Settings::default());
    broken.0.add_permits(1);
    assert!(matches!(first.broken_off(), ServeError::BrokenOff(fault) if fault.is_panic()));
    assert!(!first.dir.path().join("service.json").exists(), "nobody is told to ask it");
    eventually(|| (sink.kept().len() == 2).then_some(()));
}
