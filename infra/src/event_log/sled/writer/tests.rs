//! The writer with a disk that fails, and the sizes of parts.

use super::*;
use crate::event_log::sled::check;
use crate::event_log::{Expected, NewEvent, StreamWrite};
use uuid::Uuid;

fn append(number: u128) -> (Request, oneshot::Receiver<Result<Appended, LogError>>) {
    let (answer, answered) = oneshot::channel();
    let write = StreamWrite {
        stream: StreamId::new("county", number),
        expected: Expected::Any,
        events: vec![NewEvent { kind: "county.interview_held".into(), schema: 1, payload: "{}".into() }],
    };
    let batch = Batch {
        id: Uuid::from_u128(number),
        recorded_at: "2026-03-05T08:30:00Z".parse().unwrap(),
        actor: "bureau".into(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![write],
    };
    (Request::Append(batch, answer), answered)
}

/// A device that takes no sync stands for the failing disk.
#[cfg(target_os = "linux")]
#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let head = watch::Sender::new(check::start(&store).unwrap());
    let disk = store.replace_data(std::fs::File::open("/dev/null").unwrap());
    let mut writer = Writer::new(Arc::new(store), Arc::default(), head.clone());

    let (one, mut first) = append(1);
    let (two, mut second) = append(2);
    writer.serve(vec![one, two]);
    for answer in [first.try_recv().unwrap(), second.try_recv().unwrap()] {
        assert!(matches!(answer, Err(LogError::Unavailable { source: Some(_), .. })), "{answer:?}");
    }

    // The disk is well again, but what it holds is not known.
    Arc::get_mut(&mut writer.store).unwrap().replace_data(disk);
    let (three, mut third) = append(3);
    writer.serve(vec![three]);
    let answer = third.try_recv().unwrap();
    assert!(matches!(answer, Err(LogError::Unavailable { source: Some(_), .. })), "{answer:?}");
    assert_eq!(*head.borrow(), Position(0));
}

#[test]
fn the_members_of_a_group_are_answered_together() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let head = watch::Sender::new(check::start(&store).unwrap());
    let mut writer = Writer::new(Arc::new(store), Arc::default(), head.clone());
    let (requests, answers): (Vec<_>, Vec<_>) = (1..=5).map(append).unzip();
    writer.serve(requests);
    for (position, mut answer) in (1..).zip(answers) {
        let appended = answer.try_recv().unwrap().unwrap();
        assert_eq!((appended.first, appended.last), (Position(position), Position(position)));
    }
    assert_eq!(*head.borrow(), Position(5));
}
