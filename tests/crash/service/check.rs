//! What must hold of a store, a spool and a mail server once the scenario has come to its end, whatever was killed on
//! the way. Everything that does not hold is a fault; a control must have some.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bishui::act::Act;
use bishui::delivery;
use bishui::drill::{MAIL_FROM, Stage};
use bishui::end_state::EndState;
use bishui::error::OfficeError;
use bishui::office::{Office, Request};
use bishui::register::Register;
use bishui::replay::replay;
use bishui_domain::delivery::{Mail, RecipientState};
use bishui_domain::event::Event;
use bishui_domain::notice::{NoticeState, NumberingEvent};
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Idempotency, LogError, Position, Recorded};
use bishui_infra::mail::{Mailer, SpoolMailer};
use bishui_infra::{calendar, codec};
use bishui_tests::smtp_sink::{Server, Taken, mailer_to};
use uuid::Uuid;

use crate::pass::Pass;
use crate::victim::{key, scenario, spool_in, store_in, time_of};

/// What a scenario has come to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Everything that stands, without what differs from run to run.
    state: EndState,
    /// The acts that are recorded under their key.
    acts: BTreeSet<u64>,
    /// Events by type, without those of mail: an attempt cut short leaves more of them.
    kinds: BTreeMap<String, u64>,
    /// What does not hold.
    pub(crate) faults: Vec<String>,
    /// Recipients whose outcome nobody knew at the end.
    pub(crate) unknown: usize,
}

impl Outcome {
    /// Adds how this outcome differs from that of a run without kills.
    pub(crate) fn compare(&mut self, reference: &Self) {
        let mut faults = Vec::new();
        if self.state != reference.state {
            let (ours, theirs) = (json(&self.state), json(&reference.state));
            faults.push(format!("the end state differs\nwith kills    {ours}\nwithout kills {theirs}"));
        }
        equal("acts recorded under their keys", &self.acts, &reference.acts, &mut faults);
        equal("events by type", &self.kinds, &reference.kinds, &mut faults);
        self.faults.append(&mut faults);
    }
}

fn json(state: &EndState) -> String {
    serde_json::to_string(state).expect("end states are JSON")
}

fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T, faults: &mut Vec<String>) {
    if found != expected {
        faults.push(format!("{what}: {found:?} instead of {expected:?}"));
    }
}

/// Examines a pass whose victims are gone.
pub(crate) fn examine(pass: &Pass) -> Outcome {
    let log = SledLog::open(store_in(pass.directory.path())).expect("the store opens at the end");
    let mut faults = pass.faults.clone();
    if let Err(error) = log.verify() {
        faults.push(format!("the store is not sound: {error}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let examined = runtime.block_on(examine_log(Arc::new(log), pass, &mut faults));
    let (state, acts, kinds, unknown) = examined.expect("the log can be read");
    Outcome { state, acts, kinds, faults, unknown }
}

type Examined = (EndState, BTreeSet<u64>, BTreeMap<String, u64>, usize);

async fn examine_log(log: Arc<SledLog>, pass: &Pass, faults: &mut Vec<String>) -> Result<Examined, OfficeError> {
    let play = scenario();
    let acts = u64::try_from(play.acts.len()).expect("a usize has at most 64 bits");
    equal("acknowledged", &pass.acknowledged, &Some(acts), faults);
    let mailer: Box<dyn Mailer> = match &pass.server {
        Some(server) => Box::new(mailer_to(server.port)),
        None => Box::new(SpoolMailer::open(spool_in(pass.directory.path())).expect("the spool can be read")),
    };
    let mailer: Arc<dyn Mailer> = mailer.into();
    let at = time_of(&*log, &play, acts + 1).await?;
    let stage = Stage::resumed(&play, log.clone(), Arc::new(calendar::built_in()), Arc::clone(&mailer), at);
    let office = &stage.office;
    let head = log.head().await?;
    office.follow_through().await?;
    equal("head after following through once more", &log.head().await?, &head, faults);
    office.check_no_consumer_has_stopped().await?;
    let mut unknown = 0;
    if let Some(server) = &pass.server {
        unknown = resolve(office, &*mailer, server, faults).await?;
    }
    let events = read_whole(&*log).await?;
    let register = office.register().clone();
    numbers_are_dense(&events, faults)?;
    every_mail_is_accepted_once(&register, faults);
    match &pass.server {
        Some(server) => taken_is_what_is_recorded(&register, &server.taken(), faults),
        None => spool_is_what_is_recorded(&register, &spool_in(pass.directory.path()), faults),
    }
    let replayed = replay(&*log, |_| ()).await?;
    equal("differences on replay", &replayed.differing, &0, faults);
    let mut known = BTreeSet::new();
    for act in 0..=acts {
        if is_recorded(&*log, act).await? {
            known.insert(act);
        }
    }
    let mut kinds = BTreeMap::new();
    // Where an outcome was unknown the notice was sent later, or withdrawn before, and is reminded of later.
    let late = |kind: &str| pass.server.is_some() && matches!(kind, "notice.reminder_due" | "notice.notice_sent");
    for event in events.iter().filter(|event| event.stream.family() != "mail" && !late(&event.kind)) {
        *kinds.entry(event.kind.clone()).or_default() += 1;
    }
    // What was called off would have been sent in a run without kills.
    let mut as_if = register.clone();
    as_if.sent.extend(register.mail.iter().filter(|(_, mail)| is_called_off(&register, mail)).map(|(id, _)| *id));
    Ok((comparable(EndState::of(&as_if, vec![])), known, kinds, unknown))
}

/// Whether an act is recorded: its key is refused for a request that nobody made.
async fn is_recorded(log: &dyn EventLog, act: u64) -> Result<bool, LogError> {
    match log.recall(&Idempotency { key: key(act), request: Uuid::nil() }).await {
        Ok(recorded) => Ok(recorded.is_some()),
        Err(LogError::KeyReused { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The state without ids and positions, and with its mails in one order.
fn comparable(mut state: EndState) -> EndState {
    state.positions = 0;
    for mail in &mut state.mails {
        mail.message_id.clear();
    }
    state.mails.sort_by_key(|mail| format!("{mail:?}"));
    state
}

async fn read_whole(log: &dyn EventLog) -> Result<Vec<Recorded>, LogError> {
    const PAGE: usize = 1_000;
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(Position(0), |last: &Recorded| last.position);
        let page = log.read_all(after, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// Every series of numbers begins at 1 and has no gap, and no notice has two numbers.
fn numbers_are_dense(events: &[Recorded], faults: &mut Vec<String>) -> Result<(), OfficeError> {
    let mut series: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut numbered = BTreeSet::new();
    for recorded in events.iter().filter(|event| event.stream.family() == "numbering") {
        if let Event::Numbering(NumberingEvent::NumberAssigned { number, notice }) = codec::decode(recorded)? {
            series.entry(recorded.stream.key()).or_default().push(number);
            if !numbered.insert(notice) {
                faults.push(format!("notice {notice} has two numbers"));
            }
        }
    }
    for (key, numbers) in series {
        let dense: Vec<u32> = (1..).take(numbers.len()).collect();
        equal(&format!("numbers of {key}"), &numbers, &dense, faults);
    }
    Ok(())
}

/// Every message is accepted for all its recipients, and no notice has two messages.
fn every_mail_is_accepted_once(register: &Register, faults: &mut Vec<String>) {
    let mut carried = BTreeSet::new();
    for (id, mail) in &register.mail {
        let accepted = |(_, state): &(_, RecipientState)| matches!(state, RecipientState::Accepted { .. });
        if !is_called_off(register, mail) && !mail.recipients.iter().all(accepted) {
            faults.push(format!("mail {id} is not accepted: {:?}", mail.recipients));
        }
        if !mail.message.reminder && !carried.insert(mail.message.notice) {
            faults.push(format!("notice {} has two mails", mail.message.notice));
        }
    }
    for (id, notice) in &register.notice {
        // One that was withdrawn while the outcome was unknown does not become a sent one afterwards.
        let withdrawn = notice.state == NoticeState::Withdrawn;
        if notice.sent_on.is_some() != carried.contains(id) && !withdrawn {
            faults.push(format!("notice {id} was sent on {:?}; mail: {}", notice.sent_on, carried.contains(id)));
        }
    }
}

/// Whether a message turned out not to have arrived after its notice was withdrawn: it is not sent any more.
fn is_called_off(register: &Register, mail: &Mail) -> bool {
    let cancelled = mail.recipients.iter().all(|(_, state)| *state == RecipientState::Cancelled);
    cancelled && register.notice.get(&mail.message.notice).is_some_and(|it| it.state == NoticeState::Withdrawn)
}

/// What the office has recorded agrees with what the server took; then what is unknown is found out, as a person does
/// who asks the server. Gives how many recipients were unknown.
async fn resolve(
    office: &Office,
    mailer: &dyn Mailer,
    server: &Server,
    faults: &mut Vec<String>,
) -> Result<usize, OfficeError> {
    let taken: BTreeSet<Taken> = server.taken().into_iter().collect();
    let mails = office.register().mail.clone();
    let mut unknown = 0;
    for (id, mail) in mails {
        let has = |address: &String| taken.contains(&(mail.message.message_id.clone(), address.clone()));
        let mut arrived = None;
        for (address, state) in &mail.recipients {
            match state {
                RecipientState::Accepted { .. } if has(address) => {}
                RecipientState::Unknown { .. } => {
                    unknown += 1;
                    arrived = Some(has(address));
                }
                RecipientState::Accepted { .. }
                | RecipientState::Queued
                | RecipientState::Trying
                | RecipientState::Deferred { .. }
                | RecipientState::Failed { .. }
                | RecipientState::Cancelled => {
                    faults.push(format!("mail {id} to {address} is {state:?}; taken: {}", has(address)));
                }
            }
        }
        if let Some(arrived) = arrived {
            let act = Act::ResolveMail { mail: id, arrived, basis: "the server's record".to_owned() };
            office.perform(&act, &Request::by("officer")).await?;
        }
    }
    delivery::deliver_due(office, mailer, MAIL_FROM).await?;
    Ok(unknown)
}

/// The server took every message once for each of its recipients, and nothing else.
fn taken_is_what_is_recorded(register: &Register, taken: &[Taken], faults: &mut Vec<String>) {
    let mut found = taken.to_vec();
    found.sort();
    let mut expected: Vec<Taken> = Vec::new();
    for mail in register.mail.values().filter(|mail| !is_called_off(register, mail)) {
        expected.extend(mail.message.to.iter().map(|to| (mail.message.message_id.clone(), to.clone())));
    }
    expected.sort();
    equal("messages the server took", &found, &expected, faults);
}

/// The spool holds one file for each message, and nothing else.
fn spool_is_what_is_recorded(register: &Register, spool: &Path, faults: &mut Vec<String>) {
    let mut found = Vec::new();
    for entry in fs::read_dir(spool).expect("the spool can be read").flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID:"));
        found.push(id.unwrap_or_default().trim().to_owned());
    }
    found.sort();
    let mut expected: Vec<String> = register.mail.values().map(|mail| mail.message.message_id.clone()).collect();
    expected.sort();
    equal("messages in the spool", &found, &expected, faults);
}
