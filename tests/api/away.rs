//! A store that is away in the midst of an attempt or of an act: what is known is recorded later, what is not is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bishui::accounts::Role;
use bishui::act::Act;
use bishui::delivery::deliver_due;
use bishui::error::OfficeError;
use bishui::office::{Office, Request};
use bishui_domain::delivery::RecipientState;
use bishui_domain::money::Fen;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, LogError};
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use serde_json::json;

use crate::leases::{FROM, Server, with_mail};
use crate::projections::planned;
use crate::town::Town;

fn away() -> LogError {
    LogError::Unavailable { what: "the store is away".to_owned(), source: None }
}

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// It is not made.
    Refused,
    /// It is made, and the writer is not told so.
    AnswerLost,
}

/// The fates of the next appends of an actor; all later ones are done.
struct Fates {
    actor: &'static str,
    next: Mutex<VecDeque<Fate>>,
}

impl Fates {
    fn of(actor: &'static str) -> Arc<Self> {
        Arc::new(Self { actor, next: Mutex::default() })
    }

    fn are(&self, fates: impl IntoIterator<Item = Fate>) {
        self.next.lock().unwrap().extend(fates);
    }

    fn log(self: &Arc<Self>) -> Arc<dyn EventLog> {
        Arc::new(WatchedLog { log: Arc::new(MemoryLog::new()), watcher: self.clone() })
    }

    /// Takes the fate of the append that is under way when it is the one asked for.
    fn take(&self, write: Write<'_>, fate: Fate) -> bool {
        let mut next = self.next.lock().unwrap();
        let concerned = matches!(write, Write::Append(actor) if actor == self.actor);
        concerned && next.front() == Some(&fate) && next.pop_front().is_some()
    }
}

impl Watcher for Fates {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        if self.take(write, Fate::Refused) { Err(away()) } else { Ok(()) }
    }

    fn after(&self, write: Write<'_>) {
        self.take(write, Fate::Done);
    }

    fn lost(&self, write: Write<'_>) -> Option<LogError> {
        self.take(write, Fate::AnswerLost).then(away)
    }
}

fn states(office: &Office) -> Vec<RecipientState> {
    let register = office.register();
    register.mail.values().flat_map(|mail| mail.recipients.iter().map(|(_, state)| state.clone())).collect()
}

fn accepted(states: &[RecipientState]) -> usize {
    states.iter().filter(|state| matches!(state, RecipientState::Accepted { .. })).count()
}

#[tokio::test]
async fn an_outcome_that_is_known_is_recorded_when_the_store_is_back() {
    let fates = Fates::of("process/mail");
    let office = with_mail(fates.log()).await;
    let server = Server::default();
    fates.are([Fate::Done, Fate::Refused]);
    assert_eq!(deliver_due(&office, &server, FROM).await.unwrap_err().code(), "store_unavailable");
    let taken = || server.taken.load(Ordering::SeqCst);
    assert_eq!((taken(), accepted(&states(&office))), (1, 0), "the first was taken, and its end not recorded");
    deliver_due(&office, &server, FROM).await.unwrap();
    assert_eq!((taken(), accepted(&states(&office))), (2, 2), "both were taken once: {:?}", states(&office));
}

#[tokio::test]
async fn an_attempt_whose_beginning_may_be_recorded_is_shown_as_unknown_and_a_person_decides() {
    let fates = Fates::of("process/mail");
    let office = with_mail(fates.log()).await;
    let server = Server::default();
    fates.are([Fate::AnswerLost]);
    assert_eq!(deliver_due(&office, &server, FROM).await.unwrap_err().code(), "store_unavailable");
    deliver_due(&office, &server, FROM).await.unwrap();
    let taken = || server.taken.load(Ordering::SeqCst);
    assert_eq!((taken(), accepted(&states(&office))), (1, 1));
    let unknown = |state: &RecipientState| matches!(state, RecipientState::Unknown { .. });
    let mails = office.register().mail.clone();
    let (mail, _) = mails.iter().find(|(_, mail)| mail.recipients.iter().any(|(_, state)| unknown(state))).unwrap();
    let decided = Act::ResolveMail { mail: *mail, arrived: false, basis: "nobody has it".to_owned() };
    office.perform(&decided, &Request::by("test")).await.unwrap();
    deliver_due(&office, &server, FROM).await.unwrap();
    assert_eq!((taken(), accepted(&states(&office))), (2, 2));
}

#[tokio::test]
async fn an_act_whose_answer_was_lost_is_done_once_under_its_key() {
    let fates = Fates::of("clerk");
    let office = planned(fates.log()).await;
    let act = Act::Pay { county: "gaotang".parse().unwrap(), fen: Fen(7), year: None };
    let request = Request { idempotency_key: Some("k".to_owned()), ..Request::by("clerk") };
    fates.are([Fate::AnswerLost]);
    assert!(matches!(office.perform(&act, &request).await, Err(OfficeError::Log(LogError::Unavailable { .. }))));
    let receipt = office.perform(&act, &request).await.unwrap();
    assert_eq!((receipt.duplicate, receipt.followed, receipt.events.len()), (true, true, 1));
    assert_eq!(office.register().ledger.len(), 1);
}

/// Refuses every move of a checkpoint, or everything.
#[derive(Default)]
struct Faults {
    checkpoints: AtomicBool,
    everything: AtomicBool,
}

impl Watcher for Faults {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        match write {
            Write::Checkpoint(_) if self.checkpoints.load(Ordering::SeqCst) => Err(away()),
            Write::Checkpoint(_) | Write::Append(_) => Ok(()),
        }
    }

    fn after(&self, _: Write<'_>) {}

    fn answering(&self, log: &Arc<dyn EventLog>) -> Result<Arc<dyn EventLog>, LogError> {
        if self.everything.load(Ordering::SeqCst) { Err(away()) } else { Ok(Arc::clone(log)) }
    }
}

#[test]
fn a_recorded_act_is_never_told_as_failed_and_reads_go_on_without_the_processes() {
    let faults = Arc::new(Faults::default());
    let town = Town::on(Arc::new(WatchedLog { log: Arc::new(MemoryLog::new()), watcher: faults.clone() }));
    town.judge();
    let finance = town.token(Role::Finance);
    let pay = || {
        let path = "/api/v1/counties/gaotang/payments";
        town.post_with(&finance, path, &json!({"fen": 7}), &[("idempotency-key", "k")])
    };
    faults.checkpoints.store(true, Ordering::SeqCst);
    let receipt = pay().ok();
    assert_eq!((&receipt["followed"], &receipt["duplicate"]), (&json!(false), &json!(false)));
    assert_eq!(receipt["events"][0]["type"], "compensation.payment_received");
    assert_eq!(receipt["position"], receipt["events"][0]["position"]);
    let again = pay().ok();
    assert_eq!((&again["followed"], &again["duplicate"]), (&json!(false), &json!(true)));
    let paid = |ledger: &serde_json::Value| {
        let lines = ledger["lines"].as_array().unwrap().clone();
        lines.iter().filter(|line| line["fen"] == 7).count()
    };
    assert_eq!(paid(&town.get(&finance, "/api/v1/ledgers/2020").ok()), 1, "what is recorded is shown");
    assert_eq!(town.send("GET", "/", &[], "").status, 200);
    let asked = town.post(&town.token(Role::Auditor), "/api/v1/queries", &json!({"ask": "status"}));
    assert_eq!(asked.status, 200, "{}", asked.body);
    faults.checkpoints.store(false, Ordering::SeqCst);
    assert_eq!(pay().ok()["followed"], true);
}

#[test]
fn numbers_are_told_while_the_store_is_away() {
    let faults = Arc::new(Faults::default());
    let town = Town::on(Arc::new(WatchedLog { log: Arc::new(MemoryLog::new()), watcher: faults.clone() }));
    faults.everything.store(true, Ordering::SeqCst);
    let numbers = town.send("GET", "/metrics", &[], "");
    assert_eq!(numbers.status, 200);
    assert!(numbers.body.contains("bishui_lease_held{work=\"mail\"}"), "{}", numbers.body);
    assert_eq!(town.send("GET", "/readyz", &[], "").status, 503);
}
