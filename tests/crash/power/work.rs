//! What is written before the power goes, and what must be there when it is back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{
    Appended, Batch, EventLog, Expected, Idempotency, LogError, NewEvent, Position, Recorded, StreamId, StreamVersion,
    StreamWrite,
};
use bishui_tests::dice::Dice;
use uuid::Uuid;

/// Writers at once.
const WRITERS: u64 = 6;

/// Everything that was told to a writer, by the id of the batch: where it stands and what is in it.
pub(crate) type Told = BTreeMap<Uuid, (Appended, Batch)>;

/// Writes until each writer has written `batches`; all of them are taken.
pub(crate) async fn write(log: SledLog, seed: u64, batches: u64) -> Told {
    let (told, failure) = write_until_failure(log, seed, batches).await;
    assert!(failure.is_none(), "{failure:?}");
    told
}

/// Writes until the disk fails, or until each writer has written `batches`; gives a failure that ended a writer.
pub(crate) async fn write_until_failure(log: SledLog, seed: u64, batches: u64) -> (Told, Option<LogError>) {
    let log = Arc::new(log);
    let writers = (0..WRITERS).map(|writer| tokio::spawn(one_writer(Arc::clone(&log), seed, writer, batches)));
    let writers: Vec<_> = writers.collect();
    let (mut told, mut failure) = (Told::new(), None);
    for writer in writers {
        let (told_to_one, ended_by) = writer.await.unwrap();
        told.extend(told_to_one);
        failure = failure.or(ended_by);
    }
    (told, failure)
}

/// Only a disk that fails is a reason to stop: the log that refuses a batch for another reason is at fault.
fn unavailable(error: LogError) -> LogError {
    assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
    error
}

async fn one_writer(log: Arc<SledLog>, seed: u64, writer: u64, batches: u64) -> (Told, Option<LogError>) {
    let mut dice = Dice::new(seed ^ (writer << 32));
    let mut told = Told::new();
    let (own, shared) = (StreamId::new("own", format!("{seed}-{writer}")), StreamId::new("shared", "all"));
    let mut version = 0;
    for number in 0..batches {
        let events = some_events(&mut dice);
        let count = events.len() as u64;
        let writes = vec![
            StreamWrite { stream: own.clone(), expected: Expected::Exactly(StreamVersion(version)), events },
            StreamWrite { stream: shared.clone(), expected: Expected::Any, events: some_events(&mut dice) },
        ];
        let batch = batch(seed, writer, number, writes);
        let appended = match log.append(batch.clone()).await {
            Ok(appended) => appended,
            Err(error) => return (told, Some(unavailable(error))),
        };
        told.insert(batch.id, (appended, batch));
        version += count;
        if dice.chance(10) {
            let consumer = format!("{seed}-{writer}");
            let before = log.checkpoint(&consumer).await.unwrap();
            if let Err(error) = log.move_checkpoint(&consumer, before, appended.last).await {
                return (told, Some(unavailable(error)));
            }
        }
    }
    (told, None)
}

fn some_events(dice: &mut Dice) -> Vec<NewEvent> {
    // Now and then a batch of several blocks, or a large payload: what tears in the middle.
    let count = if dice.chance(6) { 200 + dice.below(800) } else { 1 + dice.below(3) };
    let bytes = if dice.chance(4) { dice.below(300_000) } else { dice.below(600) };
    let payload = |number: u64| format!("{{\"n\":{number},\"text\":\"{}\"}}", "x".repeat(bytes_of(bytes, count)));
    (0..count).map(|number| NewEvent { kind: "own.written".into(), schema: 1, payload: payload(number) }).collect()
}

fn bytes_of(bytes: u64, count: u64) -> usize {
    usize::try_from(if count > 10 { bytes % 900 } else { bytes }).unwrap()
}

fn batch(seed: u64, writer: u64, number: u64, writes: Vec<StreamWrite>) -> Batch {
    let id = Uuid::from_u128(u128::from(seed) << 64 | u128::from(writer) << 32 | u128::from(number));
    Batch {
        id,
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: Some(id),
        idempotency: number.is_multiple_of(3).then(|| Idempotency { key: id.to_string(), request: id }),
        lease: None,
        writes,
    }
}

/// Everything in `log`, which keeps what was told; otherwise the first thing that it does not keep.
pub(crate) async fn kept(log: &SledLog, told: &Told) -> Result<Vec<Recorded>, String> {
    let head = log.verify().map_err(|error| error.to_string())?;
    let events = log.read_all(Position(0), usize::MAX).await.map_err(|error| error.to_string())?;
    if events.len() as u64 != head.0 {
        return Err(format!("{} events up to {head}", events.len()));
    }
    for (id, (appended, batch)) in told {
        let range = usize::try_from(appended.first.0 - 1).unwrap()..usize::try_from(appended.last.0).unwrap();
        let found = events.get(range).ok_or_else(|| format!("batch {id} at {appended:?} is gone"))?;
        if !same(found, batch) {
            return Err(format!("batch {id} at {appended:?} is another"));
        }
        if let Some(asked) = &batch.idempotency
            && log.recall(asked).await.ok().flatten() != Some(Appended { duplicate: true, ..*appended })
        {
            return Err(format!("the key of batch {id} is forgotten"));
        }
    }
    Ok(events)
}

fn same(found: &[Recorded], batch: &Batch) -> bool {
    let written = batch.writes.iter().flat_map(|write| write.events.iter().map(|event| (&write.stream, event)));
    let written: Vec<_> = written.collect();
    found.len() == written.len()
        && found.iter().zip(written).all(|(found, (stream, event))| {
            found.batch == batch.id && found.stream == *stream && found.payload == event.payload
        })
}
