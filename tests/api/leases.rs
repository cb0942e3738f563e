//! Leases with a clock that is moved: who works, who takes over and when, and what becomes of a late hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bishui::act::Act;
use bishui::delivery::deliver_due;
use bishui::lease::Work;
use bishui::office::{Office, Request};
use bishui_domain::delivery::RecipientState;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Idempotency, Lease, LogError, Position, Recorded, StreamId, StreamVersion,
};
use bishui_infra::mail::{Mailer, Outcome, OutgoingMail, RecipientOutcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::projections::{office_on, pay, planned};
use crate::town::readings;

pub(crate) const FROM: &str = "bishui@liaocheng.example";
const ALL: [Work; 3] = [Work::Processes, Work::Mail, Work::Deadlines];

/// Keeps a node's leases, as its service does.
pub(crate) fn keep(office: &Arc<Office>) -> JoinHandle<()> {
    let office = Arc::clone(office);
    tokio::spawn(async move { match office.leases().keep(&**office.log()).await {} })
}

/// Time until `office` works on everything; the clock moves by tenths of a second.
pub(crate) async fn takes_over(office: &Office) -> Duration {
    let since = Instant::now();
    while office.leases().working() != ALL {
        assert!(since.elapsed() < Duration::from_mins(1), "nobody takes over");
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_taken_over_from_within_ten_seconds_and_a_living_one_never() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let (first, second) = (Arc::new(office_on(Arc::clone(&log))), Arc::new(office_on(log)));
    let living = keep(&first);
    takes_over(&first).await;
    let waiting = keep(&second);
    for _ in 0..600 {
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
        assert_eq!((first.leases().working(), second.leases().working()), (ALL.to_vec(), vec![]));
    }
    living.abort();
    let taken_after = takes_over(&second).await;
    assert!(taken_after > Duration::from_secs(2) && taken_after < Duration::from_secs(10), "{taken_after:?}");
    assert_eq!(first.leases().working(), []);
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_properly_gives_its_work_over_at_the_next_look() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let (first, second) = (Arc::new(office_on(Arc::clone(&log))), Arc::new(office_on(Arc::clone(&log))));
    let stopping = keep(&first);
    takes_over(&first).await;
    stopping.abort();
    first.leases().end_all(&*log).await;
    let waiting = keep(&second);
    assert!(takes_over(&second).await <= Duration::from_millis(100));
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn an_act_of_one_node_is_followed_through_by_the_other_or_by_itself_when_that_is_dead() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let worker = Arc::new(planned(Arc::clone(&log)).await);
    let other = Arc::new(office_on(Arc::clone(&log)));
    let living = keep(&worker);
    takes_over(&worker).await;
    let following = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move {
            let mut head = worker.log().watch();
            loop {
                worker.advance().await.unwrap();
                head.changed().await.unwrap();
            }
        }
    });
    publish(&other).await;
    let charged = |office: &Office| office.register().compensation.len();
    assert_eq!((charged(&other), other.leases().working()), (2, vec![]));
    following.abort();
    living.abort();
    // The dead node still has the lease; the act waits for its end and then does the work itself.
    let asked = Instant::now();
    let position = pay(&other, 1).await;
    assert!(asked.elapsed() > Duration::from_secs(2) && asked.elapsed() < Duration::from_secs(10));
    assert_eq!(other.register().position(), position);
    assert_eq!(other.log().checkpoint("process/settlement").await.unwrap(), position);
}

/// The other node answers a round with the warnings, and comes to their drafts only later.
#[tokio::test(start_paused = true)]
async fn an_act_is_followed_through_once_what_followed_from_it_is_answered_too() {
    let whole: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    publish(&planned(Arc::clone(&whole)).await).await;
    let events = whole.read_all(Position(0), 1_000).await.unwrap();
    let after = |kind: &str| events.iter().rposition(|event| event.kind == kind).unwrap() + 1;
    let (published, warned) = (after("round.round_published"), after("county.warning_notice_raised"));
    let drafted = after("notice.notice_drafted");

    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    log.take_over(events[..published].to_vec()).await.unwrap();
    log.take_lease("processes", Uuid::from_u128(2), Duration::from_hours(1)).await.unwrap().unwrap();
    let (asked, office) = (Instant::now(), office_on(Arc::clone(&log)));
    let waiting = tokio::spawn(async move { office.follow_through().await.unwrap() });
    let all_are_at = async |place: usize| {
        for process in ["escalation", "compensation", "drafting", "dispatch", "settlement"] {
            let (name, to) = (format!("process/{process}"), Position(u64::try_from(place).unwrap()));
            log.move_checkpoint(&name, log.checkpoint(&name).await.unwrap(), to).await.unwrap();
        }
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    log.take_over(events[published..warned].to_vec()).await.unwrap();
    all_are_at(published).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished(), "the warnings are not drafted yet");
    log.take_over(events[warned..drafted].to_vec()).await.unwrap();
    all_are_at(drafted).await;
    waiting.await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

/// Imports and publishes January on an office: both counties miss their targets.
async fn publish(office: &Office) {
    let csv = readings("2020-01", "1.5").into_bytes();
    let file = "january.csv".to_owned();
    let by = Request::by("test");
    office.perform(&Act::Import { file, csv, mapping: None }, &by).await.unwrap();
    let period = "2020-01".parse().unwrap();
    office.perform(&Act::Publish { period, declare_rest: None }, &by).await.unwrap();
}

/// An office with a notice for each county whose mail waits to be sent.
pub(crate) async fn with_mail(log: Arc<dyn EventLog>) -> Office {
    let office = planned(log).await;
    publish(&office).await;
    let drafted: Vec<_> = office.register().notices.iter().map(|(id, _)| *id).collect();
    for notice in drafted {
        office.perform(&Act::ApproveNotice { notice }, &Request::by("test")).await.unwrap();
    }
    office
}

/// What is done while the first message is being handed over.
type Meanwhile = Box<dyn FnOnce() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A mail server that takes everything and counts it.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) taken: AtomicUsize,
    meanwhile: Mutex<Option<Meanwhile>>,
    /// Whether a repeated attempt would be taken for the same message.
    forgiving: bool,
}

#[async_trait]
impl Mailer for Server {
    async fn send(&self, _: &OutgoingMail, recipients: &[String]) -> Vec<RecipientOutcome> {
        self.taken.fetch_add(recipients.len(), Ordering::SeqCst);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        let outcome = || Outcome::Accepted { reply: "250 ok".to_owned() };
        recipients.iter().map(|to| RecipientOutcome { address: to.clone(), outcome: outcome() }).collect()
    }

    fn idempotent(&self) -> bool {
        self.forgiving
    }

    fn describe(&self) -> String {
        "a server that counts".to_owned()
    }
}

/// Sends from a first node; in the midst of its first message a second node, on the same log and to the same server,
/// tries to send too, `later` than that. Gives how many messages the server took, and the states of all recipients.
async fn two_send(log: Arc<dyn EventLog>, forgiving: bool, later: Duration) -> (usize, Vec<RecipientState>) {
    let first = with_mail(Arc::clone(&log)).await;
    let second = Arc::new(office_on(log));
    let server = Arc::new(Server { forgiving, ..Server::default() });
    let (other, to) = (Arc::clone(&second), Arc::clone(&server));
    let meanwhile: Meanwhile = Box::new(move || {
        Box::pin(async move {
            tokio::time::advance(later).await;
            deliver_due(&other, &*to, FROM).await.unwrap();
        })
    });
    *server.meanwhile.lock().unwrap() = Some(meanwhile);
    deliver_due(&first, &*server, FROM).await.unwrap();
    deliver_due(&second, &*server, FROM).await.unwrap();
    deliver_due(&first, &*server, FROM).await.unwrap();
    let register = second.register();
    let states = register.mail.values().flat_map(|mail| mail.recipients.iter().map(|(_, state)| state.clone()));
    (server.taken.load(Ordering::SeqCst), states.collect())
}

fn accepted(states: &[RecipientState]) -> usize {
    states.iter().filter(|state| matches!(state, RecipientState::Accepted { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn two_running_nodes_send_no_mail_twice() {
    let (taken, states) = two_send(Arc::new(MemoryLog::new()), true, Duration::ZERO).await;
    assert_eq!((taken, states.len(), accepted(&states)), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn control_without_leases_the_second_node_sends_what_the_first_is_sending() {
    let log = Arc::new(Lawless(MemoryLog::new()));
    let (taken, _) = two_send(log, true, Duration::ZERO).await;
    assert_eq!(taken, 4, "both messages, which were under way together, went out twice");
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_work_in_the_midst_of_a_message_can_no_longer_record_its_end() {
    // The first node hangs in its message for longer than its lease; the second takes over, and does not know.
    let (taken, states) = two_send(Arc::new(MemoryLog::new()), false, Duration::from_secs(7)).await;
    assert_eq!((taken, accepted(&states)), (2, 1), "each message was handed over once");
    let unknown = states.iter().filter(|state| matches!(state, RecipientState::Unknown { .. })).count();
    assert_eq!(unknown, 1, "a person decides about the one that was cut short: {states:?}");
}

/// Seven seconds, after which a second node takes the mail's lease.
fn taken_over(log: Arc<dyn EventLog>) -> Meanwhile {
    Box::new(move || {
        Box::pin(async move {
            tokio::time::advance(Duration::from_secs(7)).await;
            let lease = log.take_lease("mail", Uuid::from_u128(2), Duration::from_secs(1)).await.unwrap();
            assert!(lease.is_some());
        })
    })
}

#[tokio::test(start_paused = true)]
async fn who_was_held_up_for_longer_than_the_lease_sends_nothing_more_of_what_it_had_begun() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let first = with_mail(Arc::clone(&log)).await;
    let server = Server { forgiving: true, ..Server::default() };
    *server.meanwhile.lock().unwrap() = Some(taken_over(log));
    deliver_due(&first, &server, FROM).await.expect("who is deposed stops quietly");
    assert_eq!(server.taken.load(Ordering::SeqCst), 1, "attempts at both messages were recorded together");
}

/// A first node hangs in its only message for longer than its lease, which a second takes without doing anything yet.
/// Gives the states as the first leaves them, and as they are once the second works.
async fn a_late_end(log: Arc<dyn EventLog>) -> (Vec<RecipientState>, Vec<RecipientState>) {
    let first = with_mail(Arc::clone(&log)).await;
    let server = Arc::new(Server::default());
    *server.meanwhile.lock().unwrap() = Some(taken_over(Arc::clone(&log)));
    deliver_due(&first, &*server, FROM).await.expect("who is deposed stops quietly");
    let states = |office: &Office| {
        let register = office.register();
        let states = register.mail.values().flat_map(|mail| mail.recipients.iter().map(|(_, state)| state.clone()));
        states.collect::<Vec<_>>()
    };
    let left = states(&first);
    tokio::time::advance(Duration::from_secs(7)).await;
    let second = office_on(log);
    deliver_due(&second, &*server, FROM).await.unwrap();
    assert_eq!(server.taken.load(Ordering::SeqCst), 2, "each message was handed over once");
    (left, states(&second))
}

#[tokio::test(start_paused = true)]
async fn the_late_append_of_a_deposed_holder_is_refused() {
    let (left, settled) = a_late_end(Arc::new(MemoryLog::new())).await;
    assert_eq!(left.iter().filter(|state| **state == RecipientState::Trying).count(), 1, "{left:?}");
    assert_eq!(accepted(&left), 0, "its end was refused, and it began no other: {left:?}");
    assert_eq!(accepted(&settled), 1);
    assert!(settled.iter().any(|state| matches!(state, RecipientState::Unknown { .. })), "{settled:?}");
}

#[tokio::test(start_paused = true)]
async fn control_without_terms_the_late_append_is_taken() {
    let (left, settled) = a_late_end(Arc::new(Lawless(MemoryLog::new()))).await;
    assert_eq!((accepted(&left), accepted(&settled)), (2, 2), "it went on as if nothing had happened");
}

/// A log that grants every lease to everyone and asks nobody for a term.
struct Lawless(MemoryLog);

#[async_trait]
impl EventLog for Lawless {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        self.0.append(Batch { lease: None, ..batch }).await
    }
    async fn recall(&self, known: &Idempotency) -> Result<Option<Appended>, LogError> {
        self.0.recall(known).await
    }
    async fn version(&self, stream: &StreamId) -> Result<StreamVersion, LogError> {
        self.0.version(stream).await
    }
    async fn read_stream(
        &self,
        stream: &StreamId,
        after: StreamVersion,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        self.0.read_stream(stream, after, limit).await
    }
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogError> {
        self.0.read_all(after, limit).await
    }
    async fn take_over(&self, events: Vec<Recorded>) -> Result<Position, LogError> {
        self.0.take_over(events).await
    }
    async fn head(&self) -> Result<Position, LogError> {
        self.0.head().await
    }
    fn watch(&self) -> watch::Receiver<Position> {
        self.0.watch()
    }
    async fn checkpoint(&self, consumer: &str) -> Result<Position, LogError> {
        self.0.checkpoint(consumer).await
    }
    async fn move_checkpoint(&self, consumer: &str, expected: Position, to: Position) -> Result<(), LogError> {
        self.0.move_checkpoint(consumer, expected, to).await
    }
    async fn take_lease(&self, work: &str, _: Uuid, _: Duration) -> Result<Option<Lease>, LogError> {
        Ok(Some(Lease { work: work.to_owned(), term: 1 }))
    }
    async fn end_lease(&self, _: &Lease) -> Result<(), LogError> {
        Ok(())
    }
}
