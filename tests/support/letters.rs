//! A log of batches that follow from their numbers: what a number holds is the same in every process.

use bishui_domain::attachment::Attachment;
use bishui_domain::event::Event;
use bishui_domain::notice::NoticeEvent;
use bishui_infra::attachments::{Attachments, hash};
use bishui_infra::codec::encode;
use bishui_infra::event_log::{
    Batch, EventLog, Expected, Idempotency, LogError, NewEvent, StreamId, StreamVersion, StreamWrite,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Every so many batches one receives a report with an attachment.
pub const REPORT_EVERY: u64 = 7;

/// When the batch of a number is recorded: a minute after the one before.
pub fn recorded_at(number: u64) -> Timestamp {
    let minutes = i64::try_from(number).expect("a small number");
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(26_000_000 + minutes)
}

/// What is attached to the report of a batch.
pub fn attached(number: u64) -> Vec<u8> {
    format!("整改报告 {number}\n").into_bytes()
}

/// Appends the batches of these numbers, each after its attachment.
///
/// # Errors
/// Those of the log.
pub async fn append(
    log: &dyn EventLog,
    originals: &Attachments,
    numbers: impl Iterator<Item = u64>,
) -> Result<(), LogError> {
    for number in numbers {
        put_attachments(originals, std::iter::once(number));
        log.append(batch(number)).await?;
    }
    Ok(())
}

/// Puts what the batches of these numbers name beside the log.
///
/// # Panics
/// The directory cannot be written.
pub fn put_attachments(originals: &Attachments, numbers: impl Iterator<Item = u64>) {
    for number in numbers.filter(|number| is_report(*number)) {
        originals.put(&attached(number)).expect("the directory can be written");
    }
}

fn is_report(number: u64) -> bool {
    number.is_multiple_of(REPORT_EVERY)
}

/// The batch of a number: one to five events in streams of its own and, now and then, a report.
pub fn batch(number: u64) -> Batch {
    let letters = (0..=number % 5).map(|place| letter(number, place)).collect();
    let stream = StreamId::new("letters", number);
    let mut writes = vec![StreamWrite { stream, expected: Expected::Exactly(StreamVersion(0)), events: letters }];
    if is_report(number) {
        let stream = StreamId::new("notice", Uuid::from_u64_pair(1, number));
        writes.push(StreamWrite { stream, expected: Expected::Any, events: vec![report(number)] });
    }
    let id = Uuid::from_u64_pair(2, number);
    let idempotency = number.is_multiple_of(3).then(|| Idempotency { key: format!("甲/{number}"), request: id });
    Batch {
        id,
        recorded_at: recorded_at(number),
        actor: "张三".to_owned(),
        causation: number.is_multiple_of(2).then_some(Uuid::from_u64_pair(3, number)),
        correlation: Some(id),
        idempotency,
        lease: None,
        writes,
    }
}

/// Payloads of every shape that JSON must carry unharmed: quotes, control characters, other planes, spaces, some large.
fn letter(number: u64, place: u64) -> NewEvent {
    let padding = "水".repeat(usize::try_from(number * number % 97 * place).expect("a small number"));
    let payload = format!("{{ \"次\": {number},\"注\":\"a\\\"b\\\\ \u{7f}𠀀 {padding}\"}}");
    NewEvent { kind: "letters.written".to_owned(), schema: 1, payload }
}

fn report(number: u64) -> NewEvent {
    let content = attached(number);
    let attachment = Attachment {
        name: format!("报告 {number}.txt"),
        media_type: "text/plain".to_owned(),
        bytes: content.len() as u64,
        sha256: hash(&content),
    };
    let on = "2020-03-05".parse().expect("a day");
    let received = NoticeEvent::ReportReceived { on, summary: "已整改".to_owned(), attachments: vec![attachment] };
    encode(&Event::from(received))
}
