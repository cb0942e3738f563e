//! Steps that answer many events at once: what they record, and that being cut short anywhere changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use bishui::act::Act;
use bishui::clock::ManualClock;
use bishui::delivery::deliver_due;
use bishui::drill::MAIL_FROM;
use bishui::office::{Office, Request, Settings};
use bishui::replay::replay;
use bishui_domain::event::Event;
use bishui_domain::ids::NoticeId;
use bishui_domain::notice::{DocumentNumber, NoticeEvent, Series};
use bishui_domain::plan::rules::Approval;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{
    Batch, EventLog, Expected, LogError, Position, Recorded, StreamId, StreamVersion, StreamWrite, event_id,
};
use bishui_infra::mail::SinkMailer;
use bishui_infra::{calendar, codec};
use bishui_tests::watched_log::{WatchedLog, Watcher, Write};
use uuid::Uuid;

/// Counties of most plans here, one section each.
pub(crate) const COUNTIES: usize = 12;
/// Counties of which more is raised in one batch than a process reads at a time.
const COUNTIES_OF_PAGES: usize = 600;

fn office_on(log: Arc<dyn EventLog>, approval: Approval) -> Office {
    office_with(log, Settings { approval: Some(approval), ..Settings::default() })
}

pub(crate) fn office_with(log: Arc<dyn EventLog>, settings: Settings) -> Office {
    let clock = Arc::new(ManualClock::at("2020-04-10T09:00:00+08:00".parse().unwrap()));
    Office::new(log, clock, Arc::new(calendar::built_in()), settings)
}

pub(crate) async fn perform(office: &Office, act: Act) {
    office.perform(&act, &Request::by("河长办")).await.unwrap();
}

pub(crate) async fn adopt(office: &Office, counties: usize) {
    let mut text = String::from(
        "[plan]\nid = \"many\"\nmunicipality = \"市\"\nyear = 2020\ntime_zone = \"Asia/Shanghai\"\n[rules]\n\
         consecutive_unmet = 1\n",
    );
    for county in 0..counties {
        writeln!(text, "[[county]]\nid = \"c{county}\"\nname = \"县{county}\"\nkind = \"county\"").unwrap();
        writeln!(text, "emails = [\"office@c{county}.example\"]\n[[section]]\nid = \"s{county}\"").unwrap();
        writeln!(text, "name = \"断面{county}\"\nwater = \"河\"\nkind = \"river\"\ncounty = \"c{county}\"").unwrap();
        writeln!(text, "level = \"municipal\"\ntarget = \"III\"").unwrap();
    }
    perform(office, Act::AdoptPlan { plan: Box::new(toml::from_str(&text).unwrap()) }).await;
}

/// The sample of January of every section: `nh3n` decides whether it meets its target.
pub(crate) fn january(counties: usize, nh3n: &str) -> Vec<u8> {
    let mut csv = String::from("section,time,source,ph,do,codmn,nh3n\n");
    (0..counties).for_each(|section| writeln!(csv, "s{section},2020-01-07,municipal,7.1,8.2,3.3,{nh3n}").unwrap());
    csv.into_bytes()
}

/// A round in which every county misses its target, mailed; then all of it corrected, and mailed again.
async fn play(log: Arc<dyn EventLog>, counties: usize) -> Office {
    let office = office_on(log, Approval::Automatic);
    adopt(&office, counties).await;
    let csv = january(counties, "1.7");
    perform(&office, Act::Import { file: "1.csv".to_owned(), csv, mapping: None }).await;
    perform(&office, Act::Publish { period: "2020-01".parse().unwrap(), declare_rest: None }).await;
    deliver_due(&office, &SinkMailer::default(), MAIL_FROM).await.unwrap();
    let (file, reason) = ("2.csv".to_owned(), "复核".to_owned());
    perform(&office, Act::Revise { file, csv: january(counties, "0.7"), reason, evidence: None }).await;
    deliver_due(&office, &SinkMailer::default(), MAIL_FROM).await.unwrap();
    office
}

async fn events(log: &dyn EventLog) -> Vec<Recorded> {
    log.read_all(Position(0), 10_000).await.unwrap()
}

fn of_kind<'a>(events: &'a [Recorded], kind: &str) -> Vec<&'a Recorded> {
    events.iter().filter(|event| event.kind == kind).collect()
}

#[tokio::test]
async fn what_a_round_calls_for_in_all_counties_is_recorded_together() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    play(Arc::clone(&log), COUNTIES).await;
    let events = events(&*log).await;
    for (kind, of_each) in [
        ("county.warning_notice_raised", 1),
        ("county.interview_required", 1),
        ("compensation.charged", 1),
        ("notice.notice_drafted", 2),
        ("notice.notice_approved", 2),
        ("numbering.number_assigned", 2),
        ("mail.mail_queued", 2),
        ("mail.attempt_started", 2),
        ("mail.attempt_ended", 2),
        ("notice.notice_sent", 2),
        ("county.warning_notice_withdrawn", 1),
        ("compensation.charge_reversed", 1),
    ] {
        let first = of_kind(&events, kind)[0].batch;
        let together = of_kind(&events, kind).iter().filter(|event| event.batch == first).count();
        assert_eq!(together, of_each * COUNTIES, "{kind}");
    }
    let numbers: BTreeSet<_> = of_kind(&events, "numbering.number_assigned")
        .iter()
        .map(|event| (event.stream.as_str(), event.payload.as_str().split(',').next()))
        .collect();
    assert_eq!(numbers.len(), 4 * COUNTIES, "no number is given twice");
    assert_eq!(replay(&*log, |_| ()).await.unwrap().differing, 0);
}

/// Takes up a log that ends here with all checkpoints lost, so that every process begins with the first event again.
async fn taken_up(events: Vec<Recorded>) -> (Arc<MemoryLog>, Office) {
    let log = Arc::new(MemoryLog::new());
    log.take_over(events).await.unwrap();
    let office = office_on(log.clone(), Approval::Automatic);
    office.follow_through().await.unwrap();
    office.check_no_consumer_has_stopped().await.unwrap();
    deliver_due(&office, &SinkMailer::default(), MAIL_FROM).await.unwrap();
    assert_eq!(replay(&*log, |_| ()).await.unwrap().differing, 0);
    (log, office)
}

#[tokio::test]
async fn cut_short_after_any_step_the_same_follows() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    play(Arc::clone(&log), COUNTIES).await;
    let whole = events(&*log).await;
    let last_act = whole.iter().rposition(|event| event.actor == "河长办").unwrap();
    for end in (last_act + 1..whole.len()).filter(|end| whole[*end - 1].batch != whole[*end].batch) {
        let (log, _) = taken_up(whole[..end].to_vec()).await;
        let after = events(&*log).await;
        let differing: Vec<_> = told(&whole).symmetric_difference(&told(&after)).copied().collect();
        assert_eq!(differing, [], "cut after event {end}");
    }
}

/// What is recorded, stream by stream, but for the attempts at a mail: one that was cut short is made again.
fn told(events: &[Recorded]) -> BTreeSet<(&str, u64, &str)> {
    let told = events.iter().filter(|event| event.stream.family() != "mail" || event.version.0 == 1);
    told.map(|event| (event.stream.as_str(), event.version.0, event.payload.as_str())).collect()
}

/// A program that answers event by event what came together, as older ones did, may have stopped in between.
#[tokio::test]
async fn what_was_answered_in_part_by_an_older_program_is_completed_and_nothing_is_done_twice() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    play(Arc::clone(&log), COUNTIES).await;
    let whole = events(&*log).await;
    let expected = standing(&taken_up(whole.clone()).await.1);
    let last_act = whole.iter().rposition(|event| event.actor == "河长办").unwrap();
    let ends: Vec<_> =
        (last_act + 1..whole.len()).filter(|end| is_in_between(&whole[*end - 1], &whole[*end])).collect();
    assert!(ends.len() > 40);
    for end in ends.into_iter().step_by(5) {
        let (_, office) = taken_up(in_part(&whole[..end])).await;
        assert_eq!(standing(&office), expected, "cut after event {end}");
    }
}

fn is_in_between(one: &Recorded, next: &Recorded) -> bool {
    let by_itself = matches!(one.stream.family(), "county" | "compensation")
        || matches!(&*one.kind, "notice.notice_drafted" | "mail.mail_queued" | "notice.notice_sent");
    by_itself && one.batch == next.batch && one.stream != next.stream
}

/// The events with the last batch, which is not whole, as a batch of its own.
fn in_part(events: &[Recorded]) -> Vec<Recorded> {
    let cut = events.last().unwrap().batch;
    let batch = Uuid::new_v5(&cut, b"in part");
    let own = |mut event: Recorded| {
        if event.batch == cut {
            (event.batch, event.id) = (batch, event_id(batch, event.place));
            (event.idempotency_key, event.request) = (None, None);
        }
        event
    };
    events.iter().cloned().map(own).collect()
}

/// What stands in the end, whatever the ids of notices and mails.
fn standing(office: &Office) -> impl PartialEq + std::fmt::Debug + use<> {
    let register = office.register();
    let mut notices: Vec<_> =
        register.notice.values().map(|notice| (notice.kind, notice.county.clone(), notice.state)).collect();
    let mut mails: Vec<_> =
        register.mail.values().map(|mail| (mail.message.kind, mail.message.county.clone(), mail.counts())).collect();
    notices.sort_by_key(|notice| format!("{notice:?}"));
    mails.sort_by_key(|mail| format!("{mail:?}"));
    let mut numbers: Vec<_> = register.notice.values().filter_map(|notice| notice.number.clone()).collect();
    numbers.sort();
    (register.counties.clone(), register.compensation.clone(), notices, mails, numbers)
}

/// Batches that hold events of this kind.
fn batches_of(events: &[Recorded], kind: &str) -> usize {
    of_kind(events, kind).iter().map(|event| event.batch).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn what_came_in_one_batch_is_answered_page_by_page_and_nothing_is_left_out() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let office = play(Arc::clone(&log), COUNTIES_OF_PAGES).await;
    let events = log.read_all(Position(0), usize::MAX).await.unwrap();
    assert_eq!(batches_of(&events, "county.round_judged"), 1);
    assert!(batches_of(&events, "county.warning_notice_raised") > 1, "a page ends in the middle of a batch");
    for (kind, of_each) in [("notice.notice_drafted", 4), ("notice.notice_sent", 4), ("mail.mail_queued", 4)] {
        assert_eq!(of_kind(&events, kind).len(), of_each * COUNTIES_OF_PAGES, "{kind}");
    }
    assert_eq!(office.register().notice.len(), 4 * COUNTIES_OF_PAGES);
    assert_eq!(replay(&*log, |_| ()).await.unwrap().differing, 0);
}

/// Lets another writer be first at the first attempts of every process, as many as it makes for several events together.
#[derive(Default)]
struct Contention {
    refused: Mutex<BTreeMap<String, usize>>,
}

/// Attempts of a step that answers several events.
const ATTEMPTS_TOGETHER: usize = 3;

impl Watcher for Contention {
    fn before(&self, write: Write<'_>) -> Result<(), LogError> {
        let Write::Append(actor) = write else { return Ok(()) };
        let mut refused = self.refused.lock().unwrap();
        let refused = refused.entry(actor.to_owned()).or_default();
        if !actor.starts_with("process/") || *refused == ATTEMPTS_TOGETHER {
            return Ok(());
        }
        *refused += 1;
        let (expected, actual) = (StreamVersion(0), StreamVersion(1));
        Err(LogError::Conflict { stream: StreamId::new("county", "c0"), expected, actual })
    }

    fn after(&self, _: Write<'_>) {}
}

#[tokio::test]
async fn where_others_are_first_at_every_joint_attempt_each_event_is_answered_by_itself() {
    let undisturbed: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let expected = play(Arc::clone(&undisturbed), COUNTIES).await;
    let watcher = Arc::new(Contention::default());
    let log: Arc<dyn EventLog> =
        Arc::new(WatchedLog { log: Arc::new(MemoryLog::new()), watcher: Arc::clone(&watcher) as Arc<dyn Watcher> });
    let office = play(Arc::clone(&log), COUNTIES).await;
    let refused = watcher.refused.lock().unwrap().clone();
    for process in ["process/compensation", "process/drafting", "process/dispatch"] {
        assert_eq!(refused.get(process), Some(&ATTEMPTS_TOGETHER), "{process}");
    }
    let (apart, together) = (events(&*log).await, events(&*undisturbed).await);
    for kind in ["compensation.charged", "notice.notice_drafted", "mail.mail_queued"] {
        assert_eq!(of_kind(&apart, kind).len(), of_kind(&together, kind).len(), "{kind}");
        assert!(batches_of(&apart, kind) >= batches_of(&together, kind) + COUNTIES - 1, "{kind} is apart");
    }
    assert_eq!(standing(&office), standing(&expected));
    assert_eq!(replay(&*log, |_| ()).await.unwrap().differing, 0);
}

/// Of approvals in one batch one is of a notice that does not exist.
#[tokio::test]
async fn of_events_that_came_together_only_the_one_that_cannot_be_answered_stops_a_process() {
    let log = Arc::new(MemoryLog::new());
    let office = office_on(log.clone(), Approval::Required);
    adopt(&office, COUNTIES).await;
    let csv = january(COUNTIES, "1.7");
    perform(&office, Act::Import { file: "1.csv".to_owned(), csv, mapping: None }).await;
    perform(&office, Act::Publish { period: "2020-01".parse().unwrap(), declare_rest: None }).await;
    let drafted: Vec<NoticeId> = office.register().notices.iter().map(|(id, _)| *id).take(3).collect();
    let orphan = NoticeId(Uuid::from_u128(5));
    let approved = [drafted[0], drafted[1], orphan, drafted[2]];
    let last = log.append(approvals(&approved)).await.unwrap().last.0;
    office.follow_through().await.unwrap();
    let incidents = office.incidents().await.unwrap();
    let stops: Vec<_> = incidents.iter().map(|stop| (stop.consumer.as_str(), stop.position.0)).collect();
    assert_eq!(stops, [("dispatch", last - 1)], "the third of four");
    assert_eq!(office.register().mails.len(), 2, "what came before it is answered");

    let (consumer, position, reason) = ("dispatch".to_owned(), Position(last - 1), "误录".to_owned());
    perform(&office, Act::SkipEvent { consumer, position, reason }).await;
    office.check_no_consumer_has_stopped().await.unwrap();
    assert_eq!(office.register().mails.len(), 3, "and so is what came after it");
}

fn approvals(notices: &[NoticeId]) -> Batch {
    let write = |(number, notice): (u32, &NoticeId)| {
        let number = DocumentNumber { prefix: "环".to_owned(), series: Series::Warning, year: 2020, number };
        let approved = codec::encode(&Event::from(NoticeEvent::NoticeApproved { number }));
        StreamWrite { stream: StreamId::new("notice", notice), expected: Expected::Any, events: vec![approved] }
    };
    Batch {
        id: Uuid::from_u128(99),
        recorded_at: "2020-04-10T01:00:00Z".parse().unwrap(),
        actor: "hand".to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: (90..).zip(notices).map(write).collect(),
    }
}
