//! What must hold of the log and of the mail server, whatever failed on the way.

use std::collections::{BTreeMap, BTreeSet};

use bishui::register::Register;
use bishui::replay::replay;
use bishui_domain::compensation::CompensationEvent;
use bishui_domain::delivery::RecipientState;
use bishui_domain::event::Event;
use bishui_domain::ids::MailId;
use bishui_domain::notice::NumberingEvent;
use bishui_infra::codec;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{EventLog as _, Position, Recorded};
use bishui_tests::smtp_sink::Taken;

use crate::client::{ACTOR, Acknowledged};

/// All events.
pub(crate) async fn events(log: &PostgresLog) -> Vec<Recorded> {
    log.read_all(Position(0), usize::MAX).await.unwrap()
}

/// What the events come to.
pub(crate) fn register(events: &[Recorded]) -> Register {
    let mut register = Register::default();
    for event in events {
        register.apply(event).unwrap();
    }
    register
}

/// How many messages are neither taken over nor known to be of unknown outcome, for a recipient at least.
pub(crate) fn unsettled(register: &Register) -> usize {
    register.mail.values().filter(|mail| !mail.recipients.iter().all(|(_, state)| is_settled(state))).count()
}

/// The recipients of whom nobody knows whether their message arrived, each with its mail.
pub(crate) fn unknown(register: &Register) -> Vec<(MailId, Taken)> {
    let mut unknown = Vec::new();
    for (id, mail) in &register.mail {
        let states = mail.recipients.iter().filter(|(_, state)| matches!(state, RecipientState::Unknown { .. }));
        unknown.extend(states.map(|(to, _)| (*id, (mail.message.message_id.clone(), to.clone()))));
    }
    unknown
}

fn is_settled(state: &RecipientState) -> bool {
    match state {
        RecipientState::Accepted { .. } | RecipientState::Unknown { .. } => true,
        RecipientState::Queued
        | RecipientState::Trying
        | RecipientState::Deferred { .. }
        | RecipientState::Failed { .. }
        | RecipientState::Cancelled => false,
    }
}

/// The log is sound, and the facts in it give every decision in it.
pub(crate) async fn replays(log: &PostgresLog) -> Vec<String> {
    let mut faults = Vec::new();
    if let Err(error) = log.verify().await {
        faults.push(format!("the store is not sound: {error}"));
    }
    let replayed = replay(log, |_| ()).await.unwrap();
    if replayed.differing != 0 {
        faults.push(format!("replay differs: {:?}", replayed.differences));
    }
    faults
}

/// Every acknowledged act is recorded once, where its client was told, and nothing else is; no event was answered twice.
pub(crate) fn faults_of_acts(events: &[Recorded], known: &[Acknowledged]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut recorded: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut batches: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
    for event in events {
        let Some(key) = &event.idempotency_key else { continue };
        batches.entry(key).or_default().insert(event.batch);
        // The other keys are those under which processes answer events.
        if let Some(key) = key.strip_prefix(ACTOR).and_then(|key| key.strip_prefix('/')) {
            recorded.entry(key).or_default().push(event.position.0);
        }
    }
    for Acknowledged { key, positions } in known {
        let found = recorded.remove(key.as_str());
        if found.as_ref() != Some(positions) {
            faults.push(format!("act `{key}` was acknowledged at {positions:?} and stands at {found:?}"));
        }
    }
    faults.extend(recorded.keys().map(|key| format!("act `{key}` is recorded and was never acknowledged")));
    let twice = batches.iter().filter(|(_, batches)| batches.len() > 1);
    faults.extend(twice.map(|(key, _)| format!("`{key}` is recorded in several batches")));
    faults.extend(faults_of_payments(events, known));
    faults
}

/// Each payment has another amount, so that one which was booked twice or under no key shows.
fn faults_of_payments(events: &[Recorded], known: &[Acknowledged]) -> Vec<String> {
    let mut asked: Vec<i64> =
        known.iter().filter_map(|act| act.key.strip_prefix("pay ")).map(|fen| fen.parse().unwrap()).collect();
    let (mut booked, mut series, mut faults) = (Vec::new(), BTreeMap::<_, Vec<u32>>::new(), Vec::new());
    for event in events {
        match event.stream.family() {
            "compensation" => {
                if let Event::Compensation(CompensationEvent::PaymentReceived { fen, .. }) =
                    codec::decode(event).unwrap()
                {
                    booked.push(fen.0);
                }
            }
            "numbering" => {
                if let Event::Numbering(NumberingEvent::NumberAssigned { number, .. }) = codec::decode(event).unwrap() {
                    series.entry(event.stream.key()).or_default().push(number);
                }
            }
            _ => {}
        }
    }
    asked.sort_unstable();
    booked.sort_unstable();
    if asked != booked {
        faults.push(format!("payments asked for: {asked:?}, booked: {booked:?}"));
    }
    for (key, numbers) in series {
        if !numbers.iter().copied().eq((1..).take(numbers.len())) {
            faults.push(format!("numbers of {key} are {numbers:?}"));
        }
    }
    faults
}

/// Every approved notice has one message, every message was taken over once for each recipient, and the server took
/// nothing else.
pub(crate) fn faults_of_mail(register: &Register, taken: &[Taken]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut counts: BTreeMap<&Taken, u32> = BTreeMap::new();
    for taken in taken {
        *counts.entry(taken).or_default() += 1;
    }
    let twice = counts.iter().filter(|(_, count)| **count > 1);
    faults.extend(twice.map(|(taken, count)| format!("{taken:?} was taken {count} times")));
    let mut carried = BTreeSet::new();
    for (id, mail) in &register.mail {
        if !mail.message.reminder && !carried.insert(mail.message.notice) {
            faults.push(format!("notice {} has two messages", mail.message.notice));
        }
        for (address, state) in &mail.recipients {
            let was_taken = counts.remove(&(mail.message.message_id.clone(), address.clone())).is_some();
            let holds = match state {
                RecipientState::Accepted { .. } => was_taken,
                RecipientState::Unknown { .. }
                | RecipientState::Queued
                | RecipientState::Trying
                | RecipientState::Deferred { .. }
                | RecipientState::Failed { .. }
                | RecipientState::Cancelled => false,
            };
            if !holds {
                faults.push(format!("mail {id} to {address} is {state:?}; taken: {was_taken}"));
            }
        }
    }
    faults.extend(counts.keys().map(|taken| format!("{taken:?} was taken and is not recorded")));
    let without = register.notice.keys().filter(|id| !carried.contains(id));
    faults.extend(without.map(|id| format!("notice {id} has no message")));
    faults
}
