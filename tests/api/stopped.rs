//! A consumer that cannot get past an event: it is shown, the others go on, and a person decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bishui::accounts::Role;
use bishui::act::Act;
use bishui::delivery::deliver_due;
use bishui::office::Request;
use bishui::replay::replay;
use bishui::restored::take_up;
use bishui_domain::escalation::warning_notice::WarningEvent;
use bishui_domain::event::Event;
use bishui_domain::ids::NoticeId;
use bishui_domain::notice::{DocumentNumber, NoticeEvent, Series};
use bishui_infra::codec;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Batch, EventLog, Expected, LogError, NewEvent, Position, StreamId, StreamWrite};
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::leases::{FROM, Server, with_mail};
use crate::projections::office_on;
use crate::town::{PLAN, Town, eventually, readings};

/// Records an event as it is; gives its position.
fn record(log: &MemoryLog, stream: StreamId, event: NewEvent) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(log.append(batch(stream, event))).unwrap().last.0
}

fn batch(stream: StreamId, event: NewEvent) -> Batch {
    Batch {
        id: Uuid::from_u128(99),
        recorded_at: "2020-03-05T01:00:00Z".parse().unwrap(),
        actor: "hand".to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![StreamWrite { stream, expected: Expected::Any, events: vec![event] }],
    }
}

/// The approval of a notice that does not exist: sound in itself, and nothing that can be mailed.
fn orphan(log: &MemoryLog) -> u64 {
    record(log, StreamId::new("notice", NoticeId::derived(Uuid::from_u128(5), "notice")), approval())
}

fn approval() -> NewEvent {
    let number = DocumentNumber { prefix: "聊环".to_owned(), series: Series::Warning, year: 2020, number: 77 };
    codec::encode(&Event::from(NoticeEvent::NoticeApproved { number }))
}

/// An event of a kind that nobody knows.
fn nonsense() -> NewEvent {
    NewEvent { kind: "mail.nonsense".to_owned(), schema: 1, payload: "{}".to_owned() }
}

fn incidents(town: &Town) -> Value {
    town.get(&town.token(Role::Auditor), "/api/v1/incidents").ok()
}

/// The one incident, once there is one.
fn incident(town: &Town) -> Value {
    eventually(|| incidents(town).as_array().unwrap().first().cloned())
}

fn skip(town: &Town, consumer: &str, position: u64, reason: &str) -> crate::town::Reply {
    let order = json!({"position": position, "reason": reason});
    town.post(&town.token(Role::Administrator), &format!("/api/v1/incidents/{consumer}/skip"), &order)
}

/// A number of the metrics.
fn number(town: &Town, name: &str) -> u64 {
    let numbers = town.send("GET", "/metrics", &[], "").body;
    let value =
        numbers.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {numbers}"));
    value.trim().parse().unwrap()
}

#[test]
fn one_consumer_stops_visibly_and_the_others_go_on() {
    let log = MemoryLog::new();
    let town = Town::on(Arc::new(log.clone()));
    town.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    let publish = |month: &str, ammonia: &str| {
        town.act("clerk", "/api/v1/readings/imports", ("text/csv", &readings(month, ammonia))).ok();
        town.publish(month);
        let drafted = town.get(&town.token(Role::Clerk), "/api/v1/notices?state=drafted").ok();
        drafted.as_array().unwrap().len()
    };
    assert_eq!(publish("2020-01", "1.5"), 2, "a warning for each county");
    let position = orphan(&log);
    let shown = incident(&town);
    assert_eq!((&shown["consumer"], &shown["position"]), (&json!("dispatch"), &json!(position)));
    assert_eq!((&shown["type"], &shown["code"]), (&json!("notice.notice_approved"), &json!("unknown_notice")));
    assert_eq!((&shown["attempts"], &shown["since"]), (&json!(1), &json!("2020-03-05T01:00:00Z")));
    assert_eq!(
        publish("2020-02", "1.6"),
        6,
        "escalation and drafting go on: a warning and an interview for each county"
    );
    let ready = town.send("GET", "/readyz", &[], "").ok();
    assert_eq!((&ready["ready"], &ready["stopped"]), (&json!(true), &json!({"dispatch": "unknown_notice"})));
    assert_eq!((&ready["lag"]["escalation"], &ready["lag"]["register"]), (&json!(0), &json!(0)));
    assert!(ready["lag"]["dispatch"].as_u64().unwrap() > 0);
    assert!(number(&town, "bishui_consumer_lag_events{consumer=\"dispatch\"}") > 0);
    let numbers = town.send("GET", "/metrics", &[], "").body;
    for line in [
        "bishui_consumer_stopped{consumer=\"dispatch\"} 1",
        "bishui_consumer_stopped{consumer=\"escalation\"} 0",
        "bishui_consumer_lag_events{consumer=\"escalation\"} 0",
        "bishui_projection_lag_events{projection=\"register\"} 0",
        "bishui_incidents 1",
        "bishui_lease_held{work=\"processes\"} 1",
    ] {
        assert!(numbers.contains(line), "`{line}` is missing: {numbers}");
    }
}

#[test]
fn a_register_that_stops_is_shown_with_what_it_lacks() {
    const LAG: &str = "bishui_projection_lag_events{projection=\"register\"}";
    let log = MemoryLog::new();
    let town = Town::on(Arc::new(log.clone()));
    town.judge();
    assert_eq!(number(&town, LAG), 0);
    let position = record(&log, StreamId::new("mail", NoticeId::derived(Uuid::from_u128(5), "mail")), nonsense());
    let has_stopped = || incidents(&town).as_array().unwrap().iter().any(|incident| incident["consumer"] == "register");
    eventually(|| has_stopped().then_some(()));
    assert_eq!(number(&town, "bishui_projection_stopped{projection=\"register\"}"), 1);
    assert!(number(&town, LAG) > 0);
    skip(&town, "register", position, "误录").ok();
    eventually(|| (number(&town, LAG) == 0).then_some(()));
}

#[test]
fn only_the_failing_event_is_skipped_for_a_recorded_reason_and_the_consumer_goes_on() {
    let log = MemoryLog::new();
    let town = Town::on(Arc::new(log.clone()));
    town.judge();
    let position = orphan(&log);
    incident(&town);
    let problem = |reply: crate::town::Reply| {
        let (status, code, _) = reply.problem();
        (status, code)
    };
    assert_eq!(problem(skip(&town, "dispatch", position + 1, "r")), (409, "not_the_failing_event".to_owned()));
    assert_eq!(problem(skip(&town, "dispatch", position - 1, "r")), (409, "not_the_failing_event".to_owned()));
    assert_eq!(problem(skip(&town, "dispatch", position, " ")), (422, "invalid_text".to_owned()));
    assert_eq!(problem(skip(&town, "drafting", position, "r")), (409, "no_open_incident".to_owned()));
    assert_eq!(problem(skip(&town, "nobody", position, "r")), (404, "unknown_consumer".to_owned()));
    assert_eq!(incidents(&town)[0]["attempts"], 1);
    let retry = town.post(&town.token(Role::Administrator), "/api/v1/incidents/dispatch/retry", &Value::Null).ok();
    assert_eq!(retry["events"][0]["type"], "consumer.retry_requested");
    assert_eq!(incidents(&town)[0]["attempts"], 2, "it was tried at once, although its pause is not over");
    // Mail waits behind the event until it is skipped.
    let approver = town.token(Role::Approver);
    let notices = town.get(&approver, "/api/v1/notices?state=drafted").ok();
    let approve = |notice: &Value| {
        let path = format!("/api/v1/notices/{}/approve", notice["id"].as_str().unwrap());
        town.post(&approver, &path, &Value::Null).ok();
    };
    notices.as_array().unwrap().iter().for_each(approve);
    assert_eq!(town.mailer.kept(), []);
    let receipt = skip(&town, "dispatch", position, "误录，已核实").ok();
    assert_eq!(receipt["events"][0]["type"], "consumer.event_skipped");
    assert_eq!(incidents(&town), json!([]));
    eventually(|| (town.mailer.kept().len() == notices.as_array().unwrap().len()).then_some(()));
    let replayed = town.post(&town.token(Role::Auditor), "/api/v1/queries", &json!({"ask": "replay"})).ok();
    assert_eq!((&replayed["differing"], &replayed["left_out"]), (&json!(0), &json!(0)));
    let skipped = &replayed["skipped"][0];
    assert_eq!((&skipped["consumer"], &skipped["position"]), (&json!("dispatch"), &json!(position)));
    assert_eq!(skipped["reason"], "误录，已核实");
    assert!(skipped["actor"].as_str().unwrap().starts_with("administrator"));
    let numbers = town.send("GET", "/metrics", &[], "").body;
    assert!(numbers.contains("bishui_consumer_stopped{consumer=\"dispatch\"} 0"), "{numbers}");
}

#[test]
fn an_incident_is_found_again_after_a_restart_with_its_beginning() {
    let log = MemoryLog::new();
    let mut town = Town::on(Arc::new(log.clone()));
    town.judge();
    let position = orphan(&log);
    let before = incident(&town);
    town.stop();
    let restarted = Town::on(Arc::new(log));
    let found = incident(&restarted);
    assert_eq!((&found["position"], &found["since"]), (&json!(position), &before["since"]));
    let auditor = restarted.token(Role::Auditor);
    let events = restarted.get(&auditor, "/api/v1/events?limit=500").ok();
    let stops =
        events["events"].as_array().unwrap().iter().filter(|event| event["type"] == "consumer.consumer_stopped");
    assert_eq!(stops.count(), 1, "a stop is recorded once, however often it is found");
    skip(&restarted, "dispatch", position, "误录").ok();
    assert_eq!(incidents(&restarted), json!([]));
}

/// Refuses every step of escalation, as a log does that cannot hold it.
struct NoEscalation;

impl Watcher for NoEscalation {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        match write {
            Write::Append("process/escalation") => Err(LogError::TooLarge { what: "the number of events", limit: 0 }),
            Write::Append(_) | Write::Checkpoint(_) => Ok(()),
        }
    }

    fn after(&self, _: Write<'_>) {}
}

#[test]
fn a_replay_tells_a_skipped_step_from_one_that_was_taken_out() {
    let log = MemoryLog::new();
    let watcher = Arc::new(NoEscalation);
    let town = Town::on(Arc::new(WatchedLog { log: Arc::new(log.clone()), watcher }));
    town.judge();
    let replay = |town: &Town| town.post(&town.token(Role::Auditor), "/api/v1/queries", &json!({"ask": "replay"})).ok();
    let stopped = incident(&town);
    assert_eq!((&stopped["consumer"], &stopped["code"]), (&json!("escalation"), &json!("too_large")));
    let unexplained = replay(&town);
    assert!(unexplained["differing"].as_u64().unwrap() > 0, "{unexplained}");
    while let Some(stopped) = incidents(&town).as_array().unwrap().first() {
        skip(&town, "escalation", stopped["position"].as_u64().unwrap(), "另行处理").ok();
    }
    let explained = replay(&town);
    assert_eq!(explained["differing"], 0, "{explained}");
    assert_eq!(explained["left_out"], unexplained["differing"]);
    assert!(explained["skipped"].as_array().unwrap().iter().all(|skipped| skipped["reason"] == "另行处理"));
    let raised = Event::from(bishui_domain::county::CountyEvent::Warning(WarningEvent::WarningNoticeWithdrawn {
        period: "2020-01".parse().unwrap(),
    }));
    // Control: a decision that nothing calls for is still a difference.
    record(&log, StreamId::new("county", "gaotang"), codec::encode(&raised));
    assert_ne!(replay(&town)["differing"], 0);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_back_does_not_hold_up_the_others() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = with_mail(Arc::clone(&log)).await;
    let mail = office.register().mails[0].0;
    let batch = batch(StreamId::new("mail", mail), nonsense());
    let position = log.append(batch).await.unwrap().last;
    office.follow_through().await.unwrap();
    let stopped: Vec<_> = office.incidents().await.unwrap().into_iter().map(|incident| incident.consumer).collect();
    assert_eq!(stopped, ["dispatch", "register"]);
    for consumer in stopped {
        let reason = "r".to_owned();
        office.perform(&Act::SkipEvent { consumer, position, reason }, &Request::by("王芳")).await.unwrap();
    }
    assert_eq!(office.incidents().await.unwrap(), []);
    let head = log.head().await.unwrap();
    assert_eq!(office.register().position(), head, "the register goes on after the event it was had to skip");
    let server = Server::default();
    let error = deliver_due(&office, &server, FROM).await.unwrap_err();
    assert_eq!((error.code(), server.taken.load(Ordering::SeqCst)), ("store_damaged", 1));
    let replayed = replay(&*log, |_| ()).await.unwrap();
    assert_eq!((replayed.differing, replayed.skipped.len()), (0, 2), "an event that was skipped need not be read");
}

#[tokio::test]
async fn a_register_that_has_stopped_shows_mail_as_due_for_ever_and_it_is_sent_once() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = with_mail(Arc::clone(&log)).await;
    let nonsense = NewEvent { kind: "mail.nonsense".to_owned(), schema: 1, payload: "{}".to_owned() };
    log.append(batch(StreamId::new("mail", Uuid::from_u128(5)), nonsense)).await.unwrap();
    let server = Server::default();
    for _ in 0..2 {
        let delivery = tokio::time::timeout(Duration::from_secs(10), deliver_due(&office, &server, FROM));
        delivery.await.expect("a turn ends").unwrap();
        assert_eq!(server.taken.load(Ordering::SeqCst), 2);
    }
    assert_eq!(office.register().due_mails(office.now()).len(), 2);
}

#[tokio::test]
async fn a_log_that_was_restored_stands_where_its_consumer_stopped() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = with_mail(Arc::clone(&log)).await;
    let orphaned = batch(StreamId::new("notice", NoticeId::derived(Uuid::from_u128(5), "notice")), approval());
    let position = log.append(orphaned).await.unwrap().last;
    office.follow_through().await.unwrap();
    let stopped = office.incidents().await.unwrap();
    assert_eq!(stopped.iter().map(|incident| incident.position).collect::<Vec<_>>(), [position]);
    let restored: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    restored.take_over(log.read_all(Position(0), usize::MAX).await.unwrap()).await.unwrap();
    let calendar = Arc::new(bishui_infra::calendar::built_in());
    assert_eq!(take_up(Arc::clone(&restored), calendar).await.unwrap().differing, 0);
    assert!(restored.checkpoint("process/dispatch").await.unwrap() < position, "a stop is no step");
    let office = office_on(restored);
    office.follow_through().await.unwrap();
    let found = office.incidents().await.unwrap();
    assert_eq!((found[0].position, found[0].since), (position, stopped[0].since));
}
