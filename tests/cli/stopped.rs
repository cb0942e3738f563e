//! A consumer that has stopped, on the command line: shown, tried again, and had to skip.

use bishui_domain::event::Event;
use bishui_domain::ids::NoticeId;
use bishui_domain::notice::{DocumentNumber, NoticeEvent, Series};
use bishui_infra::codec;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{Batch, EventLog as _, Expected, NewEvent, Position, StreamId, StreamWrite};
use serde_json::json;
use uuid::Uuid;

use crate::office::Office;

/// Records the approval of a notice that does not exist; gives its position.
fn orphan(office: &Office) -> u64 {
    let id = NoticeId::derived(Uuid::from_u128(5), "notice");
    let number = DocumentNumber { prefix: "聊环".to_owned(), series: Series::Warning, year: 2020, number: 77 };
    let approved = codec::encode(&Event::from(NoticeEvent::NoticeApproved { number }));
    record(office, StreamId::new("notice", id), vec![approved])
}

/// Records events as they are; gives the position of the last.
fn record(office: &Office, stream: StreamId, events: Vec<NewEvent>) -> u64 {
    let log = SledLog::open(office.data().join("store")).expect("no program has the store open");
    let write = StreamWrite { stream, expected: Expected::Any, events };
    let batch = Batch {
        id: Uuid::from_u128(99),
        recorded_at: "2020-03-05T01:00:00Z".parse().expect("an instant"),
        actor: "hand".to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![write],
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(log.append(batch)).expect("the events are recorded").last.0
}

#[test]
fn a_stopped_consumer_is_shown_by_every_command_until_its_event_is_skipped() {
    let office = Office::published();
    assert_eq!(office.ask(["incidents", "list"]), json!([]));
    let position = orphan(&office);
    let at = position.to_string();
    office.run(["status"]).exits(0).says(&["dispatch has stopped at event", &at, "bishui incidents list"]);
    let shown = office.ask(["incidents", "list"]);
    assert_eq!((&shown[0]["consumer"], &shown[0]["position"]), (&json!("dispatch"), &json!(position)));
    assert!(office.run(["incidents", "list"]).exits(0).out.contains("notice.notice_approved"));
    let head = office.head();
    let skip = |position: &str, reason: &str| {
        office.run(["incidents", "skip", "dispatch", "--position", position, "--reason", reason, "--as", "王芳"])
    };
    skip("1", "reason").exits(1).says(&["has stopped at event", &at, "not at 1"]);
    skip(&at, " ").exits(1).says(&["`reason` must be given"]);
    skip("x", "reason").exits(2);
    office.run(["incidents", "retry", "drafting"]).exits(1).says(&["drafting has not stopped"]);
    office.run(["incidents", "retry", "nobody"]).exits(1).says(&["no consumer is called nobody"]);
    assert_eq!(office.head(), head, "what is refused records nothing");
    office.run(["incidents", "retry", "dispatch"]).exits(0).says(&["dispatch has stopped at event"]);
    skip(&at, "误录，已核实").exits(0);
    assert_eq!(office.ask(["incidents", "list"]), json!([]));
    assert_eq!(office.run(["status"]).exits(0).err, "");
    let replayed = office.run(["replay"]).exits(0).out;
    assert!(replayed.contains(&format!("dispatch skipped event {position} notice.notice_approved")), "{replayed}");
    assert!(replayed.contains("decided by 王芳: 误录，已核实"), "{replayed}");
}

/// The event by which a mail of the office was queued.
fn queued(office: &Office) -> NewEvent {
    let log = SledLog::open(office.data().join("store")).expect("no program has the store open");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let events = runtime.block_on(log.read_all(Position(0), usize::MAX)).expect("the log is read");
    let queued = events.into_iter().find(|event| event.kind == "mail.mail_queued").expect("a mail");
    NewEvent { kind: queued.kind, schema: queued.schema, payload: queued.payload }
}

#[test]
fn a_command_that_did_its_act_has_not_failed_although_a_mail_cannot_be_read_back() {
    let office = Office::published();
    office.run(["notices", "approve", "--all"]).exits(0);
    let nonsense = NewEvent { kind: "mail.nonsense".to_owned(), schema: 1, payload: "{}".to_owned() };
    let stream = StreamId::new("mail", Uuid::from_u128(7));
    let at = record(&office, stream, vec![queued(&office), nonsense]).to_string();
    for consumer in ["dispatch", "register"] {
        office.run(["incidents", "skip", consumer, "--position", &at, "--reason", "误录"]).exits(0);
    }
    let paid = office.run(["pay", "g", "1"]).exits(0).says(&["the act is recorded; mail or a reminder"]);
    assert!(paid.out.contains("recorded at position"), "{paid:?}");
    let json = office.run(["pay", "g", "2", "--json"]).exits(0).says(&["the act is recorded; mail or a reminder"]);
    assert_eq!(json.json()["followed"], true);
}

#[test]
fn a_projection_is_listed_and_built_anew() {
    let office = Office::published();
    let head = office.head();
    let listed = office.ask(["projections", "list"]);
    let line = json!({"name": "register", "version": 1, "position": head, "lag": 0, "building": null, "switched": 0});
    assert_eq!(listed, json!([line]));
    let built = office.ask(["projections", "rebuild", "register"]);
    assert_eq!(built, json!({"name": "register", "version": 1, "position": head, "equal": true}));
    let said = office.run(["projections", "rebuild", "register"]).exits(0).out;
    assert!(said.contains("equal to the one it replaces"), "{said}");
    office.run(["projections", "rebuild", "nothing"]).exits(1).says(&["a projection of this name does not exist"]);
}
