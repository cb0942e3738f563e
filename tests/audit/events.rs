//! Every event of a small log changed in every field, taken out, put in, swapped with every other, and cut off.

use bishui_infra::event_log::{Position, Recorded, StreamId, StreamVersion, event_id};
use bishui_infra::transparency::audit::{Audit, Claim, Difference, How, audit};
use bishui_infra::transparency::notary::Notary;
use bishui_tests::copied_log::CopiedLog;
use uuid::Uuid;

use crate::town::{Proved, claim};

/// The smallest checkpoint that covers an event.
fn covering(proved: &Proved, position: u64) -> String {
    let sizes = proved.notary.checkpoints().iter().map(|checkpoint| checkpoint.head.size);
    format!("checkpoint of {}", sizes.into_iter().find(|size| *size >= position).unwrap())
}

/// The audit has named this event and what became of it, and nothing before it.
#[track_caller]
fn assert_named(proved: &Proved, found: &Audit, position: u64, how: How) {
    let checkpoint = covering(proved, position);
    let named = Difference::Event { position: Position(position), how, checkpoint };
    assert!(found.differences.contains(&named), "{named:?} is missing in {:?}", found.differences);
    assert_eq!(found.differences[0].position(), Position(position), "{:?}", found.differences);
}

fn changes(event: &Recorded) -> Vec<(&'static str, Recorded)> {
    let other = Uuid::from_u128(7);
    let fresh = |id: Option<Uuid>| if id.is_some() { None } else { Some(other) };
    let later = event.recorded_at + jiff::SignedDuration::from_nanos(1);
    let key = event.idempotency_key.as_ref().map_or_else(|| Some("k".to_owned()), |_| None);
    let mut payload = event.payload.clone().into_bytes();
    let last = payload.len() - 1;
    payload[last] = b' ';
    vec![
        ("stream", Recorded { stream: StreamId::new("county", "h"), ..event.clone() }),
        ("version", Recorded { version: StreamVersion(event.version.0 + 1), ..event.clone() }),
        ("type", Recorded { kind: format!("{}x", event.kind), ..event.clone() }),
        ("schema", Recorded { schema: event.schema + 1, ..event.clone() }),
        ("recorded_at", Recorded { recorded_at: later, ..event.clone() }),
        ("actor", Recorded { actor: "其他人".to_owned(), ..event.clone() }),
        ("causation", Recorded { causation: fresh(event.causation), ..event.clone() }),
        ("correlation", Recorded { correlation: fresh(event.correlation), ..event.clone() }),
        ("request", Recorded { request: fresh(event.request), ..event.clone() }),
        ("idempotency_key", Recorded { idempotency_key: key, ..event.clone() }),
        ("batch", Recorded { batch: other, ..event.clone() }),
        ("place", Recorded { place: event.place + 1, ..event.clone() }),
        ("payload", Recorded { payload: String::from_utf8(payload).unwrap(), ..event.clone() }),
    ]
}

/// Positions, versions, and ids as a careful forger would leave them: dense.
fn renumbered(mut events: Vec<Recorded>) -> Vec<Recorded> {
    let mut versions = std::collections::BTreeMap::new();
    let mut last: Option<(Uuid, u32)> = None;
    for (position, event) in (1..).zip(&mut events) {
        event.position = Position(position);
        let version = versions.entry(event.stream.clone()).or_insert(0);
        *version += 1;
        event.version = StreamVersion(*version);
        event.place = last.filter(|(batch, _)| *batch == event.batch).map_or(0, |(_, place)| place + 1);
        event.id = event_id(event.batch, event.place);
        last = Some((event.batch, event.place));
    }
    events
}

#[tokio::test]
async fn an_unaltered_log_has_no_difference() {
    let proved = Proved::new().await;
    let found = proved.audit(proved.events.clone()).await;
    assert_eq!(found.differences, []);
    assert_eq!(found.checkpoints, 3);
    assert_eq!(found.head, proved.notary.checkpoints().last().unwrap().head);
    assert_eq!(renumbered(proved.events.clone()), proved.events, "the forger's numbers are those of the log");
}

#[tokio::test]
async fn every_changed_field_of_every_event_is_found_and_named() {
    let proved = Proved::new().await;
    for at in 0..proved.events.len() {
        for (field, changed) in changes(&proved.events[at]) {
            assert_ne!(changed, proved.events[at], "{field}");
            let mut events = proved.events.clone();
            events[at] = changed;
            let found = proved.audit(events).await;
            assert_named(&proved, &found, at as u64 + 1, How::Changed);
        }
    }
}

#[tokio::test]
async fn every_removed_event_is_found_and_named() {
    let proved = Proved::new().await;
    let size = proved.events.len();
    for at in 0..size - 1 {
        let mut events = proved.events.clone();
        events.remove(at);
        let found = proved.audit(events.clone()).await;
        let named =
            matches!(&found.differences[0], Difference::Order { position, .. } if *position == Position(at as u64 + 1));
        assert!(named, "event {} taken out: {:?}", at + 1, found.differences);
        let found = proved.audit(renumbered(events)).await;
        assert_named(&proved, &found, at as u64 + 1, How::Removed { count: 1 });
        let short = Difference::Truncated {
            events: size as u64 - 1,
            covered: size as u64,
            checkpoint: format!("checkpoint of {size}"),
        };
        assert!(found.differences.contains(&short), "{:?}", found.differences);
    }
    for (from, count) in [(2, 3), (5, 2), (size - 5, 4)] {
        let mut events = proved.events.clone();
        events.drain(from..from + count);
        let found = proved.audit(renumbered(events)).await;
        assert_named(&proved, &found, from as u64 + 1, How::Removed { count: count as u64 });
    }
}

#[tokio::test]
async fn an_event_put_in_anywhere_is_found_and_named() {
    let proved = Proved::new().await;
    for at in 0..proved.events.len() {
        let forged = Recorded {
            batch: Uuid::from_u128(9),
            stream: StreamId::new("section", "forged"),
            ..proved.events[at].clone()
        };
        let mut events = proved.events.clone();
        events.insert(at, forged);
        let found = proved.audit(renumbered(events)).await;
        assert_named(&proved, &found, at as u64 + 1, How::Inserted { count: 1 });
    }
}

/// Events like this one, each of a stream and batch of its own.
fn many(like: &Recorded, family: &str, count: usize) -> Vec<Recorded> {
    let event = |number| Recorded {
        batch: Uuid::new_v5(&Uuid::nil(), format!("{family}/{number}").as_bytes()),
        stream: StreamId::new(family, number),
        ..like.clone()
    };
    renumbered((0..count).map(event).collect())
}

#[tokio::test]
async fn many_events_taken_out_or_put_in_together_are_counted() {
    let like = Proved::new().await.events.remove(0);
    let all = many(&like, "section", 100);
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let claims = [claim(&notary.checkpoint(&CopiedLog(all.clone())).await.unwrap())];
    let tiles = notary.tiles().unwrap();
    let how = async |events: Vec<Recorded>| {
        let found = audit(&CopiedLog(renumbered(events)), &tiles, &claims).await.unwrap();
        found.differences[0].clone()
    };
    let named = |position, how| Difference::Event {
        position: Position(position),
        how,
        checkpoint: "checkpoint of 100".to_owned(),
    };
    for count in [17, 40, 95] {
        let mut events = all.clone();
        events.drain(3..3 + count);
        // As many at the end, so that the checkpoint is reached.
        events.extend(many(&like, "forged", count));
        assert_eq!(how(events).await, named(4, How::Removed { count: count as u64 }));
        let mut events = all.clone();
        events.splice(3..3, many(&like, "forged", count));
        assert_eq!(how(events).await, named(4, How::Inserted { count: count as u64 }));
    }
}

#[tokio::test]
async fn every_two_events_that_are_swapped_are_found_and_named() {
    let proved = Proved::new().await;
    for first in 0..proved.events.len() {
        for second in first + 1..proved.events.len() {
            let (one, other) = (&proved.events[first], &proved.events[second]);
            let mut events = proved.events.clone();
            events[first] = Recorded { position: one.position, ..other.clone() };
            events[second] = Recorded { position: other.position, ..one.clone() };
            let found = proved.audit(events).await;
            assert_named(&proved, &found, one.position.0, How::Swapped { with: other.position });
            // Batch and place stay where they are; only what happened is exchanged.
            let (batch, place, id) = (one.batch, one.place, one.id);
            let mut events = proved.events.clone();
            events[first] = Recorded { position: one.position, batch, place, id, ..other.clone() };
            let (batch, place, id) = (other.batch, other.place, other.id);
            events[second] = Recorded { position: other.position, batch, place, id, ..one.clone() };
            let found = proved.audit(events).await;
            assert_named(&proved, &found, one.position.0, How::Swapped { with: other.position });
        }
    }
}

#[tokio::test]
async fn a_log_that_was_cut_anywhere_is_found_by_every_checkpoint_beyond() {
    let proved = Proved::new().await;
    let covered = proved.events.len() as u64;
    for size in 0..proved.events.len() {
        let found = proved.audit(proved.events[..size].to_vec()).await;
        let checkpoint = format!("checkpoint of {covered}");
        let cut = Difference::Truncated { events: size as u64, covered, checkpoint };
        assert_eq!(found.differences, std::slice::from_ref(&cut), "cut to {size}");
        let said = format!("truncated: the log has {size} events, checkpoint of {covered} covers {covered}");
        assert_eq!(cut.to_string(), said);
        // Cut and changed before the end.
        if size > 1 {
            let mut events = proved.events[..size].to_vec();
            events[size - 2].actor = "其他人".to_owned();
            let found = proved.audit(events).await;
            let named = matches!(&found.differences[0], Difference::Event { position, how: How::Changed, .. } if *position == Position(size as u64 - 1));
            assert!(named && found.differences.contains(&cut), "cut to {size}: {:?}", found.differences);
        }
    }
}

#[tokio::test]
async fn without_stored_hashes_the_two_checkpoints_around_a_change_are_named() {
    let proved = Proved::new().await;
    let claims = proved.claims();
    let elsewhere = tempfile::tempdir().unwrap();
    let bare = Notary::open(elsewhere.path(), None).unwrap().tiles().unwrap();
    let sizes: Vec<u64> = claims.iter().map(|claim| claim.head.size).collect();
    for at in 0..proved.events.len() {
        let mut events = proved.events.clone();
        events[at].payload.push(' ');
        let found = audit(&CopiedLog(events), &bare, &claims).await.unwrap();
        let position = at as u64 + 1;
        let last = *sizes.iter().find(|size| **size >= position).unwrap();
        let first = sizes.iter().rev().find(|size| **size < position).map_or(1, |size| size + 1);
        let checkpoint = format!("checkpoint of {last}");
        let stretch = Difference::Stretch { first: Position(first), last: Position(last), checkpoint };
        assert_eq!(found.differences, [stretch]);
    }
}

/// A data directory that was put back, and a log that grew another way since: the checkpoint given out before tells.
#[tokio::test]
async fn a_checkpoint_of_another_history_is_a_fork_and_does_not_name_an_event() {
    let events = Proved::new().await.events;
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let log = |size: usize| CopiedLog(events[..size].to_vec());
    notary.checkpoint(&log(5)).await.unwrap();
    let list = std::fs::read(dir.path().join("checkpoints")).unwrap();
    let given = notary.checkpoint(&log(10)).await.unwrap();
    std::fs::write(dir.path().join("checkpoints"), list).unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let mut other = events.clone();
    other[6].actor = "其他人".to_owned();
    let mut found = Vec::new();
    for size in [8, 12] {
        notary.checkpoint(&CopiedLog(other[..size].to_vec())).await.unwrap();
        let mut claims: Vec<Claim> = notary.checkpoints().iter().map(claim).collect();
        claims.push(Claim { from: "the one given".to_owned(), head: given.head, own: false });
        let tiles = notary.tiles().unwrap();
        found.push(audit(&CopiedLog(other[..12].to_vec()), &tiles, &claims).await.unwrap().differences);
    }
    let checkpoint = "the one given".to_owned();
    // What was signed after the fork, up to 8, does not narrow it: the events part at the seventh.
    let stretch = Difference::Stretch { first: Position(1), last: Position(10), checkpoint: checkpoint.clone() };
    let fork = Difference::Fork { size: 10, checkpoint, own: "checkpoint of 12".to_owned() };
    assert_eq!(found, [[stretch], [fork]]);
}
