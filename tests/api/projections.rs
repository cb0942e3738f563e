//! Projections: a new one is built beside the one in service while both reads and writes go on; waiting for a position.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bishui::accounts::Role;
use bishui::act::Act;
use bishui::clock::ManualClock;
use bishui::error::OfficeError;
use bishui::office::{Office, Request, Settings};
use bishui::register::Register;
use bishui_domain::money::Fen;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, LogError, Position, Recorded};
use bishui_infra::mail::SinkMailer;
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::town::{PLAN, Town, eventually};

/// An office on a log, on 5 March 2020.
pub(crate) fn office_on(log: Arc<dyn EventLog>) -> Office {
    let clock = Arc::new(ManualClock::at("2020-03-05T09:00:00+08:00".parse().unwrap()));
    Office::new(log, clock, Arc::new(bishui_infra::calendar::built_in()), Settings::default())
}

/// An office with the plan of the town.
pub(crate) async fn planned(log: Arc<dyn EventLog>) -> Office {
    let office = office_on(log);
    let plan = Box::new(toml::from_str(PLAN).unwrap());
    office.perform(&Act::AdoptPlan { plan }, &Request::by("test")).await.unwrap();
    office
}

pub(crate) async fn pay(office: &Office, fen: i64) -> Position {
    let act = Act::Pay { county: "gaotang".parse().unwrap(), fen: Fen(fen), year: None };
    office.perform(&act, &Request::by("test")).await.unwrap().position
}

/// The register of a log, from its first event on.
async fn from_scratch(log: &dyn EventLog) -> Register {
    let mut register = Register::default();
    for recorded in log.read_all(Position(0), usize::MAX).await.unwrap() {
        register.apply(&recorded).unwrap();
    }
    register
}

#[tokio::test]
async fn what_is_switched_to_while_writes_go_on_equals_what_is_built_from_scratch() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = Arc::new(planned(Arc::clone(&log)).await);
    let builder = Arc::clone(&office);
    let building = tokio::spawn(async move {
        for _ in 0..10 {
            assert!(builder.rebuild("register").await.unwrap().equal);
            tokio::task::yield_now().await;
        }
    });
    let mut paid = 0;
    while !building.is_finished() || paid < 20 {
        let position = pay(&office, 1).await;
        assert!(office.register().position() >= position, "a switch never takes back what was shown");
        paid += 1;
    }
    building.await.unwrap();
    let built = from_scratch(&*log).await;
    assert_eq!(*office.register(), built);
    assert_eq!(office.register().ledger.len(), paid);
    assert_eq!(office.projections().await.unwrap()[0].switched, 10);
}

/// Holds the first reader of the log's beginning until it is let go on.
struct Gate {
    reading: Mutex<Option<oneshot::Sender<()>>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Watcher for Gate {
    fn before(&self, _: Write<'_>) -> Result<(), LogError> {
        Ok(())
    }

    fn after(&self, _: Write<'_>) {}

    fn read(&self, page: &mut Vec<Recorded>) {
        let beginning = page.first().is_some_and(|event| event.position == Position(1));
        let reading = beginning.then(|| self.reading.lock().unwrap().take()).flatten();
        if let Some(reading) = reading {
            reading.send(()).unwrap();
            self.go_on.lock().unwrap().recv_timeout(Duration::from_secs(30)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_midst_of_a_build_acts_are_done_and_the_old_one_is_read() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let known = planned(Arc::clone(&log)).await;
    let before = known.log().head().await.unwrap();
    let ((reading, read), (let_go, go_on)) = (oneshot::channel(), mpsc::channel());
    let gate = Gate { reading: Mutex::new(None), go_on: Mutex::new(go_on) };
    let gate = Arc::new(gate);
    let office = Arc::new(office_on(Arc::new(WatchedLog { log: Arc::clone(&log), watcher: gate.clone() })));
    office.bring_level().await.unwrap();
    *gate.reading.lock().unwrap() = Some(reading);
    let builder = Arc::clone(&office);
    let building = tokio::spawn(async move { builder.rebuild("register").await });
    read.await.unwrap();
    let position = pay(&office, 5).await;
    assert!(position > before && !building.is_finished());
    assert_eq!(office.register().position(), position, "the old one takes events in");
    assert_eq!(office.projections().await.unwrap()[0].building, Some(Position(0)));
    let_go.send(()).unwrap();
    let rebuilt = building.await.unwrap().unwrap();
    assert_eq!(
        (rebuilt.equal, rebuilt.position),
        (true, position),
        "the new one has caught up with what came meanwhile"
    );
    let built = from_scratch(&*log).await;
    assert_eq!(*office.register(), built);
}

#[tokio::test]
async fn a_register_that_differs_from_its_log_is_replaced_and_the_difference_is_told() {
    let spoiler = Arc::new(Spoiler::default());
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = planned(Arc::new(WatchedLog { log: Arc::clone(&log), watcher: spoiler.clone() })).await;
    spoiler.doubles.store(true, Ordering::SeqCst);
    pay(&office, 7).await;
    spoiler.doubles.store(false, Ordering::SeqCst);
    let built = from_scratch(&*log).await;
    assert_ne!(*office.register(), built, "the control: the register was told another amount");
    assert!(!office.rebuild("register").await.unwrap().equal);
    assert_eq!(*office.register(), built);
    assert!(office.rebuild("register").await.unwrap().equal);
}

/// Changes what readers of the whole log are told.
#[derive(Default)]
struct Spoiler {
    /// Payments of 7 fen become 77.
    doubles: AtomicBool,
    /// The plan cannot be read.
    spoils: AtomicBool,
}

impl Watcher for Spoiler {
    fn before(&self, _: Write<'_>) -> Result<(), LogError> {
        Ok(())
    }

    fn after(&self, _: Write<'_>) {}

    fn read(&self, page: &mut Vec<Recorded>) {
        for event in page {
            if self.doubles.load(Ordering::SeqCst) && event.kind == "compensation.payment_received" {
                event.payload = event.payload.replace('7', "77");
            }
            if self.spoils.load(Ordering::SeqCst) && event.kind == "plan.plan_adopted" {
                "{}".clone_into(&mut event.payload);
            }
        }
    }
}

#[test]
fn a_build_that_fails_leaves_the_old_in_service_and_is_shown() {
    let spoiler = Arc::new(Spoiler::default());
    let town = Town::on(Arc::new(WatchedLog { log: Arc::new(MemoryLog::new()), watcher: spoiler.clone() }));
    town.judge();
    let (administrator, auditor) = (town.token(Role::Administrator), town.token(Role::Auditor));
    let before = town.get(&auditor, "/api/v1/counties").ok();
    spoiler.spoils.store(true, Ordering::SeqCst);
    let rebuild = || town.post(&administrator, "/api/v1/projections/register/rebuild", &Value::Null);
    assert_eq!(rebuild().problem(), (409, "consumer_stopped".to_owned(), "后台环节停滞".to_owned()));
    assert_eq!(town.get(&auditor, "/api/v1/counties").ok(), before, "the old one serves");
    let incidents = town.get(&auditor, "/api/v1/incidents").ok();
    assert_eq!((&incidents[0]["consumer"], &incidents[0]["position"]), (&json!("register"), &json!(1)));
    let numbers = town.send("GET", "/metrics", &[], "").body;
    assert!(numbers.contains("bishui_projection_stopped{projection=\"register\"} 1"), "{numbers}");
    spoiler.spoils.store(false, Ordering::SeqCst);
    assert_eq!(rebuild().ok()["equal"], true);
    assert_eq!(town.get(&auditor, "/api/v1/incidents").ok(), json!([]));
    let line = &town.get(&auditor, "/api/v1/projections").ok()[0];
    assert_eq!((&line["name"], &line["version"]), (&json!("register"), &json!(1)));
    assert_eq!((&line["lag"], &line["switched"], &line["building"]), (&json!(0), &json!(1), &Value::Null));
    let unknown = town.post(&administrator, "/api/v1/projections/nothing/rebuild", &Value::Null);
    assert_eq!(unknown.problem().0, 404);
}

#[tokio::test]
async fn a_register_never_passes_over_an_event_it_cannot_read() {
    let spoiler = Arc::new(Spoiler::default());
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    planned(Arc::clone(&log)).await;
    spoiler.spoils.store(true, Ordering::SeqCst);
    let office = office_on(Arc::new(WatchedLog { log: Arc::clone(&log), watcher: spoiler.clone() }));
    for attempts in 1..=3 {
        office.bring_level().await.unwrap();
        assert_eq!(office.register().position(), Position(0));
        assert_eq!(office.incidents().await.unwrap()[0].attempts, attempts);
    }
    spoiler.spoils.store(false, Ordering::SeqCst);
    office.bring_level().await.unwrap();
    let built = from_scratch(&*log).await;
    assert_eq!(*office.register(), built);
    assert_eq!(office.incidents().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_position_is_woken_by_it_and_told_when_it_does_not_come() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = Arc::new(planned(Arc::clone(&log)).await);
    let head = log.head().await.unwrap();
    let (waiter, wanted) = (Arc::clone(&office), Position(head.0 + 1));
    let waiting = tokio::spawn(async move { waiter.wait_for(wanted, Duration::from_hours(1)).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let asked = tokio::time::Instant::now();
    pay(&office, 1).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(asked.elapsed(), Duration::ZERO, "woken by the event, not by a clock");
    let reached = log.head().await.unwrap();
    let beyond = Position(reached.0 + 1);
    match office.wait_for(beyond, Duration::from_secs(10)).await {
        Err(OfficeError::Behind { position, reached: shown }) => assert_eq!((position, shown), (beyond, reached)),
        other => panic!("{other:?}"),
    }
    assert_eq!(asked.elapsed(), Duration::from_secs(10));
}

#[test]
fn a_reader_on_another_node_reads_its_own_acts() {
    let log = MemoryLog::new();
    let settings = || Settings { wait_within: Duration::from_millis(200), ..Settings::default() };
    let node = || Town::node(Arc::new(log.clone()), Arc::new(SinkMailer::default()), settings());
    let (first, second) = (node(), node());
    first.act("administrator", "/api/v1/plans", ("application/toml", PLAN)).ok();
    for fen in 1..=20_u64 {
        let paid = json!({ "fen": fen });
        let receipt = first.post(&first.token(Role::Finance), "/api/v1/counties/gaotang/payments", &paid).ok();
        let position = receipt["position"].to_string();
        let bearer = format!("Bearer {}", second.token(Role::Finance));
        let headers = [("authorization", bearer.as_str()), ("x-bishui-wait-for", position.as_str())];
        let ledger = second.send("GET", "/api/v1/ledgers/2020", &headers, "").ok();
        assert_eq!(ledger["lines"].as_array().unwrap().last().unwrap()["fen"], fen);
    }
    let bearer = format!("Bearer {}", second.token(Role::Finance));
    let wait_for = |position: &str| {
        let headers = [("authorization", bearer.as_str()), ("x-bishui-wait-for", position)];
        second.send("GET", "/api/v1/ledgers/2020", &headers, "")
    };
    let late = wait_for("1000000");
    assert_eq!(late.header("retry-after"), Some("5"));
    assert_eq!(late.problem(), (503, "position_not_reached".to_owned(), "尚未更新到所需位置".to_owned()));
    assert_eq!(wait_for("soon").problem().1, "malformed");
    assert_eq!(second.send("GET", "/api/v1/plan", &[("x-bishui-wait-for", "1000000")], "").problem().0, 401);
    eventually(|| (second.send("GET", "/readyz", &[], "").ok()["lag"]["register"] == 0).then_some(()));
}
