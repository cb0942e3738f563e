//! The cqrs-es faces store what the office stores: the same streams, types, ids and payloads, byte for byte.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bishui::act::Act;
use bishui::drill::Stage;
use bishui::office::Request;
use bishui::scenario::Play;
use bishui_domain::notice::{NoticeCommand, NoticeState};
use bishui_domain::plan::book::PlanCommand;
use bishui_infra::aggregate::face::{Decider, Face, MailCommand, Mails, Notices, Plans};
use bishui_infra::aggregate::{ACTOR, COMMAND, CORRELATION, LogRepository, RECORDED_AT};
use bishui_infra::calendar;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::overlay::OverlayLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use bishui_infra::mail::{Mailer, Outcome, OutgoingMail, RecipientOutcome};
use cqrs_es::CqrsFramework;
use cqrs_es::persist::PersistedEventStore;

/// A server that never answers the final dot.
struct Silent;

#[async_trait]
impl Mailer for Silent {
    async fn send(&self, _: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        let unknown = |address: &String| RecipientOutcome {
            address: address.clone(),
            outcome: Outcome::Unknown { what: "no reply".to_owned() },
        };
        recipients.iter().map(unknown).collect()
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "silence".to_owned()
    }
}

/// Carries out `act` by the office, and `command` by the face on the same log as it was before; both must have stored
/// the same event.
async fn compare<D: Decider>(stage: &Stage, act: Act, key: &str, command: D::Command) {
    let base = Arc::clone(stage.office.log());
    let before = base.head().await.unwrap();
    stage.office.perform(&act, &Request::by("河长办")).await.unwrap();
    let by_office = after(&*base, before).await;
    let metadata = HashMap::from([
        // The act's own id is what its chain goes back to.
        (COMMAND.to_owned(), by_office.correlation.unwrap().to_string()),
        (CORRELATION.to_owned(), by_office.correlation.unwrap().to_string()),
        (ACTOR.to_owned(), by_office.actor.clone()),
        (RECORDED_AT.to_owned(), by_office.recorded_at.to_string()),
    ]);
    let other: Arc<dyn EventLog> = Arc::new(OverlayLog::over(base, before));
    let store = PersistedEventStore::<_, Face<D>>::new_event_store(LogRepository::new(Arc::clone(&other)));
    CqrsFramework::new(store, vec![], ()).execute_with_metadata(key, command, metadata).await.unwrap();
    assert_eq!(after(&*other, before).await, by_office);
}

/// The first event after `position`.
async fn after(log: &dyn EventLog, position: Position) -> Recorded {
    log.read_all(position, 1).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_face_stores_what_the_office_stores() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/demo/scenario.toml");
    let play = Play::read(&file).unwrap();
    let log = Arc::new(MemoryLog::new());
    let stage = Stage::new(&play, log, Arc::new(calendar::built_in()), Arc::new(Silent));
    let (plan, again) = (play.plan.clone(), Box::new(play.plan.clone()));
    compare::<Plans>(&stage, Act::AdoptPlan { plan: again }, "book", PlanCommand::Adopt { plan }).await;

    // The first round of the year that is published raises the first notices.
    for scripted in &play.acts[..4] {
        stage.perform(&play, scripted, &Request::by("河长办")).await.unwrap();
    }
    stage.let_time_pass().await.unwrap();
    let (id, mail) = stage.office.register().mail.first_key_value().map(|(id, mail)| (*id, mail.clone())).unwrap();
    let basis = "邮件系统日志".to_owned();
    let act = Act::ResolveMail { mail: id, arrived: true, basis: basis.clone() };
    compare::<Mails>(&stage, act, &id.to_string(), MailCommand::Resolve { arrived: true, basis }).await;

    let notice = mail.message.notice;
    assert_eq!(stage.office.register().notice[&notice].state, NoticeState::Sent);
    let (on, signed_by) = (stage.office.today(), "王主任".to_owned());
    let act = Act::AcknowledgeNotice { notice, signed_by: signed_by.clone() };
    compare::<Notices>(&stage, act, &notice.to_string(), NoticeCommand::Acknowledge { on, signed_by }).await;
}
