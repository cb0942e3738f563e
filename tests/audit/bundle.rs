//! Evidence: a program that shares no code with the service accepts it, and rejects it after any change.

use std::process::Command;
use std::sync::Arc;

use bishui::audit::{Desk, Question};
use bishui_domain::delivery::{self, MailEvent, Message};
use bishui_domain::event::Event;
use bishui_infra::codec;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Batch, EventLog, Expected, Position, Recorded, StreamId, StreamWrite};
use bishui_infra::transparency::ProofError;
use bishui_infra::transparency::bundle::{Contents, write};
use bishui_infra::transparency::notary::Notary;
use bishui_tests::copied_log::CopiedLog;
use bishui_verifier::note::Key;
use bishui_verifier::{bundle, continuation, sections, single};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::town::{Proved, play};

/// A log with a desk that proves it.
pub(crate) struct Case {
    pub(crate) dir: TempDir,
    desk: Arc<Desk>,
    pub(crate) log: Arc<dyn EventLog>,
}

impl Case {
    pub(crate) async fn new() -> Self {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        play(&log).await;
        let dir = tempfile::tempdir().unwrap();
        let desk = Arc::new(Desk::open(dir.path(), None).unwrap());
        Self { dir, desk, log }
    }

    pub(crate) async fn ask(&self, question: Question) -> Value {
        self.desk.answer(&self.log, question).await.unwrap()
    }

    pub(crate) async fn key(&self) -> Key {
        Key::parse(self.ask(Question::Key).await["key"].as_str().unwrap()).unwrap()
    }

    pub(crate) async fn bundle(&self) -> String {
        self.ask(evidence()).await["bundle"].as_str().unwrap().to_owned()
    }

    /// Queues a letter with this text like one that was queued; gives how many events it took.
    pub(crate) async fn append_letter(&self, text: &str) -> usize {
        let events = self.log.read_all(Position(0), 1_000).await.unwrap();
        let queued = events.iter().find(|event| event.kind == "mail.mail_queued").unwrap();
        let Event::Mail(MailEvent::MailQueued { message, .. }) = codec::decode(queued).unwrap() else { unreachable!() };
        let message = Message { text: text.to_owned(), ..message };
        let events: Vec<_> =
            delivery::queue(message).into_iter().map(|event| codec::encode(&Event::from(event))).collect();
        let (count, stream) = (events.len(), StreamId::new("mail", Uuid::from_u128(7)));
        self.log.append(batch(StreamWrite { stream, expected: Expected::Any, events })).await.unwrap();
        count
    }
}

/// The question for the evidence of the county.
fn evidence() -> Question {
    Question::Bundle { county: "g".parse().unwrap(), year: 2020 }
}

#[tokio::test]
async fn the_verifier_accepts_the_evidence_and_says_what_it_holds() {
    let case = Case::new().await;
    let (bundle, key) = (case.bundle().await, case.key().await);
    let accepted = bundle::verify(bundle.as_bytes(), &key).unwrap();
    let head = case.log.head().await.unwrap();
    assert_eq!((accepted.about.as_str(), accepted.size), ("g 2020", head.0));
    let events = case.log.read_all(Position(0), 1_000).await.unwrap();
    // All but the document numbers, which are the city's.
    let expected = events.iter().filter(|event| event.stream.family() != "numbering");
    assert_eq!(accepted.events, expected.count());
    assert_eq!(accepted.documents, events.iter().filter(|event| event.kind == "mail.mail_queued").count());
    assert!(bundle.contains("关于高唐县2020年1月水质考核的预警通报"), "people can read the notices");
    assert_eq!(case.bundle().await, bundle, "the same log gives the same file");
}

#[tokio::test]
async fn a_letter_that_took_several_events_is_there_word_for_word() {
    let case = Case::new().await;
    let before = case.bundle().await;
    let queued = case.append_letter(&"断面未达标。\n".repeat(40_000)).await;
    assert!(queued > 2);

    let (bundle, key) = (case.bundle().await, case.key().await);
    let accepted = bundle::verify(bundle.as_bytes(), &key).unwrap();
    let before = bundle::verify(before.as_bytes(), &key).unwrap();
    assert_eq!(accepted.documents, before.documents + queued);
    assert_eq!(bundle.matches("\n断面未达标。").count(), 40_000);
    let body = std::str::from_utf8(sections::body(bundle.as_bytes()).unwrap()).unwrap();
    let (before, after) = body.rsplit_once("\n断面未达标。").unwrap();
    let changed = format!("{before}\n断面已达标。{after}");
    let rejected = bundle::verify_body(changed.as_bytes(), &key).unwrap_err();
    assert!(rejected.0.starts_with("the document of event "), "{rejected}");
}

pub(crate) fn batch(write: StreamWrite) -> Batch {
    Batch {
        id: Uuid::from_u128(8),
        recorded_at: "2020-05-11T01:00:00Z".parse().unwrap(),
        actor: "test".to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![write],
    }
}

#[tokio::test]
async fn every_changed_byte_of_the_evidence_is_rejected() {
    let case = Case::new().await;
    let (bundle, key) = (case.bundle().await.into_bytes(), case.key().await);
    let mut only_by_the_seal = 0;
    for (at, mask) in (0..bundle.len()).zip((1..=u8::MAX).cycle()) {
        let mut changed = bundle.clone();
        changed[at] ^= mask;
        assert!(bundle::verify(&changed, &key).is_err(), "byte {at} xor {mask:#x} is accepted");
        // The control: without the seal some changes pass, so this test can fail.
        if at % 16 == 0 {
            let body = sections::body(&changed);
            only_by_the_seal += usize::from(body.is_ok_and(|body| bundle::verify_body(body, &key).is_ok()));
        }
    }
    assert!(only_by_the_seal > 0, "a verifier that does not check the seal accepts a change of the words for people");
}

/// Whatever a damaged store gives.
#[tokio::test]
async fn evidence_holds_an_event_once_and_none_beyond_the_checkpoint() {
    let event = Proved::new().await.events.remove(0);
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let checkpoint = &notary.checkpoint(&CopiedLog(vec![event.clone()])).await.unwrap();
    let sealed = |events: &[Recorded]| {
        let contents = Contents { county: "g", year: 2020, about: &[], events, checkpoint };
        write(contents, &notary.tiles().unwrap(), notary.signing_key())
    };
    sealed(std::slice::from_ref(&event)).unwrap();
    let beyond = Recorded { position: Position(2), ..event.clone() };
    for events in [[event.clone(), event.clone()], [event, beyond]] {
        let refused = sealed(&events);
        assert!(matches!(refused, Err(ProofError::Fork { size: 1 })), "{refused:?}");
    }
}

/// The seal itself, of the evidence of one event, which is hashed in no time: every byte with every other value.
#[tokio::test]
async fn every_other_byte_of_a_seal_is_rejected() {
    let events = &Proved::new().await.events[..1];
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let checkpoint = &notary.checkpoint(&CopiedLog(events.to_vec())).await.unwrap();
    let key = Key::parse(&notary.verifier().to_string()).unwrap();
    let contents = Contents { county: "g", year: 2020, about: &[], events, checkpoint };
    let sealed = write(contents, &notary.tiles().unwrap(), notary.signing_key()).unwrap().into_bytes();
    let body = sections::unseal(&sealed, &key).unwrap().len();
    for at in body..sealed.len() {
        for mask in 1..=u8::MAX {
            let mut changed = sealed.clone();
            changed[at] ^= mask;
            assert!(sections::unseal(&changed, &key).is_err(), "byte {at} xor {mask:#x} is accepted");
        }
    }
}

#[tokio::test]
async fn bytes_put_in_taken_out_or_cut_off_are_rejected() {
    let case = Case::new().await;
    let (bundle, key) = (case.bundle().await.into_bytes(), case.key().await);
    for at in (0..bundle.len()).step_by(23) {
        let put_in = [&bundle[..at], b"\n", &bundle[at..]].concat();
        assert!(bundle::verify(&put_in, &key).is_err(), "a line feed before byte {at} is accepted");
        let taken_out = [&bundle[..at], &bundle[at + 1..]].concat();
        assert!(bundle::verify(&taken_out, &key).is_err(), "byte {at} taken out is accepted");
        assert!(bundle::verify(&bundle[..at], &key).is_err(), "cut off at {at} is accepted");
    }
    assert!(bundle::verify(&[&bundle[..], b"\n"].concat(), &key).is_err());
}

#[tokio::test]
async fn evidence_of_another_log_is_rejected() {
    let (case, other) = (Case::new().await, Case::new().await);
    let rejected = bundle::verify(case.bundle().await.as_bytes(), &other.key().await).unwrap_err();
    assert!(rejected.0.contains("seal"), "{rejected}");
}

/// What the seal alone does not show: the sealer itself cannot leave an event out in between, or change one.
#[tokio::test]
async fn the_events_are_bound_to_the_checkpoint_whatever_the_sealer_does() {
    let case = Case::new().await;
    let (bundle, key) = (case.bundle().await, case.key().await);
    let body = std::str::from_utf8(sections::body(bundle.as_bytes()).unwrap()).unwrap();
    bundle::verify_body(body.as_bytes(), &key).unwrap();
    let changed = body.replacen("\\\"value\\\":\\\"1.12\\\"", "\\\"value\\\":\\\"0.12\\\"", 1);
    assert_ne!(changed, body);
    let rejected = bundle::verify_body(changed.as_bytes(), &key).unwrap_err();
    assert_eq!(rejected.0, "the events are not those of the checkpoint");
    let word = body.replacen("请立即排查原因", "请尽快排查原因", 1);
    let rejected = bundle::verify_body(word.as_bytes(), &key).unwrap_err();
    assert!(rejected.0.starts_with("the document of event "), "{rejected}");
}

#[tokio::test]
async fn no_evidence_is_sealed_of_events_that_are_not_those_of_the_checkpoint() {
    let case = Case::new().await;
    case.bundle().await;
    let events = case.log.read_all(Position(0), 1_000).await.unwrap();
    let refused = async |altered: Vec<Recorded>| {
        let log: Arc<dyn EventLog> = Arc::new(CopiedLog(altered));
        case.desk.answer(&log, evidence()).await.unwrap_err()
    };
    // The last event is compared at every question.
    for at in 0..events.len() - 1 {
        if events[at].stream.family() == "numbering" {
            continue;
        }
        let mut altered = events.clone();
        altered[at].actor = "其他人".to_owned();
        let error = refused(altered).await;
        assert_eq!(error.code(), "log_differs", "event {}: {error}", at + 1);
    }
    // A stream of which the store gives the others only.
    let approved = |event: &Recorded| event.stream.family() == "notice" && event.version.0 == 2;
    let at = events.iter().position(approved).unwrap();
    let mut altered = events.clone();
    altered.remove(at);
    let error = refused(altered).await;
    assert_eq!(error.code(), "store_damaged");
    assert!(error.to_string().contains(&format!("version 2 of {} is missing", events[at].stream)), "{error}");
}

#[tokio::test]
async fn the_proof_of_every_event_is_accepted_and_after_a_change_is_not() {
    let case = Case::new().await;
    let key = case.key().await;
    let head = case.log.head().await.unwrap();
    for position in 1..=head.0 {
        let proof = case.ask(Question::Prove { position: Position(position) }).await;
        let text = proof.to_string();
        assert_eq!(single::verify(text.as_bytes(), &key).unwrap().position, position);
        let mut moved = proof.clone();
        moved["event"]["position"] = (position % head.0 + 1).into();
        single::verify(moved.to_string().as_bytes(), &key).unwrap_err();
        let mut changed = proof.clone();
        changed["event"]["actor"] = "其他人".into();
        single::verify(changed.to_string().as_bytes(), &key).unwrap_err();
    }
    let absent = case.desk.answer(&case.log, Question::Prove { position: Position(head.0 + 1) }).await.unwrap_err();
    assert_eq!(absent.code(), "not_found");
}

#[tokio::test]
async fn a_checkpoint_that_others_have_signed_too_is_continued_under_the_own_signature() {
    let case = Case::new().await;
    let old = case.ask(Question::Checkpoint).await["checkpoint"].as_str().unwrap().to_owned();
    case.append_letter("断面未达标。\n").await;
    let since = ("file".to_owned(), format!("{old}— witness.example AAAA\n"));
    let proof = case.ask(Question::Continue { since }).await;
    assert_eq!(proof["old"], old);
    continuation::verify(proof.to_string().as_bytes(), &case.key().await).unwrap();
}

#[tokio::test]
async fn the_program_accepts_and_rejects_by_its_exit_code() {
    let case = Case::new().await;
    let key = case.ask(Question::Key).await["key"].as_str().unwrap().to_owned();
    let [good, bad, proof] = ["good", "bad", "proof"].map(|name| case.dir.path().join(name));
    let bundle = case.bundle().await;
    std::fs::write(&good, &bundle).unwrap();
    std::fs::write(&bad, bundle.replacen("全部记录", "部分记录", 1)).unwrap();
    let run = |file: &std::path::Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_verifier-under-test")).arg(file).args(["--key", &key]).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, words) = run(&good);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.starts_with("accepted: g 2020: "), "{words}");
    std::fs::write(&proof, case.ask(Question::Prove { position: Position(2) }).await.to_string()).unwrap();
    let (code, words) = run(&proof);
    let event = case.log.read_all(Position(1), 1).await.unwrap().remove(0);
    assert_eq!((code, words.lines().last()), (Some(0), Some(event.payload.as_str())), "what is proved is shown");
    assert!(words.starts_with("accepted: event 2 of bishui/") && words.contains(&event.actor), "{words}");
    let (code, words) = run(&bad);
    assert_eq!((code, words.as_str()), (Some(1), "rejected: the seal is over other bytes\n"));
    let (code, _) = run(&case.dir.path().join("absent"));
    assert_eq!(code, Some(1));
    let usage = Command::new(env!("CARGO_BIN_EXE_verifier-under-test")).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
