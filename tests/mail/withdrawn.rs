//! A notice that was withdrawn while its mail was under way.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bishui::act::Act;
use bishui::delivery::deliver_due;
use bishui::drill::{MAIL_FROM, Stage};
use bishui::office::Request;
use bishui::scenario::{Deed, Play};
use bishui_domain::delivery::RecipientState;
use bishui_domain::ids::MailId;
use bishui_domain::notice::NoticeState;
use bishui_infra::calendar;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::mail::{Mailer, OutgoingMail, RecipientOutcome, SinkMailer};

/// A server that never answers the final dot.
struct Silent;

#[async_trait]
impl Mailer for Silent {
    async fn send(&self, _: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        recipients.iter().map(|address| crate::outcome(address, crate::unknown("no reply"))).collect()
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "silence".to_owned()
    }
}

/// A server that takes mail for everyone but the second address of an office, which it puts off.
struct Greylisting;

#[async_trait]
impl Mailer for Greylisting {
    async fn send(&self, _: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        let later = |address: &str| address.starts_with("second@");
        let reply =
            |address: &str| if later(address) { crate::deferred("451 later") } else { crate::accepted("250 ok") };
        let outcome = |address: &String| crate::outcome(address, reply(address));
        recipients.iter().map(outcome).collect()
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "greylisting".to_owned()
    }
}

/// The demonstration year up to its correction, which withdraws a notice; and the mail of that notice.
async fn withdrawn(mailer: Arc<dyn Mailer>) -> (Stage, MailId) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/demo/scenario.toml");
    let mut play = Play::read(&file).unwrap();
    if mailer.describe() == "greylisting" {
        for county in &mut play.plan.county {
            county.emails.push(format!("second@{}.example", county.id));
        }
    }
    let stage = Stage::new(&play, Arc::new(MemoryLog::new()), Arc::new(calendar::built_in()), mailer);
    stage.adopt_plan(&play, &Request::by("河长办")).await.unwrap();
    for scripted in &play.acts {
        stage.perform(&play, scripted, &Request::by("河长办")).await.unwrap();
        if matches!(scripted.deed, Deed::Revise { .. }) {
            break;
        }
    }
    let register = stage.office.register().clone();
    let withdrawn = |id| register.notice[&id].state == NoticeState::Withdrawn;
    let mail = register.mail.iter().find(|(_, mail)| withdrawn(mail.message.notice)).map(|(id, _)| *id);
    (stage, mail.unwrap())
}

/// Finds out about the mail, delivers what is due then, and gives where its recipients stand and what was sent.
async fn resolve(arrived: bool) -> (Vec<RecipientState>, usize) {
    let (stage, mail) = withdrawn(Arc::new(Silent)).await;
    let act = Act::ResolveMail { mail, arrived, basis: "邮件系统日志".to_owned() };
    stage.office.perform(&act, &Request::by("河长办")).await.unwrap();
    let sink = SinkMailer::default();
    deliver_due(&stage.office, &sink, MAIL_FROM).await.unwrap();
    let recorded = stage.office.register().mail[&mail].clone();
    let sent = sink.kept().into_iter().filter(|kept| kept.mail.message_id == recorded.message.message_id).count();
    (recorded.recipients.into_iter().map(|(_, state)| state).collect(), sent)
}

#[tokio::test]
async fn what_had_not_arrived_is_not_sent_any_more() {
    let (states, sent) = resolve(false).await;
    assert_eq!((states, sent), (vec![RecipientState::Cancelled], 0));
}

#[tokio::test]
async fn what_had_arrived_is_recorded_as_accepted() {
    let (states, sent) = resolve(true).await;
    assert!(matches!(states[..], [RecipientState::Accepted { .. }]), "{states:?}");
    assert_eq!(sent, 0);
}

#[tokio::test]
async fn a_withdrawn_notice_goes_to_nobody_it_has_not_reached() {
    let (stage, mail) = withdrawn(Arc::new(Greylisting)).await;
    let recorded = stage.office.register().mail[&mail].clone();
    let states: Vec<_> = recorded.recipients.iter().map(|(_, state)| state).collect();
    assert!(matches!(states[..], [RecipientState::Accepted { .. }, RecipientState::Cancelled]), "{states:?}");
    assert_eq!(recorded.due_at(), None);
}
