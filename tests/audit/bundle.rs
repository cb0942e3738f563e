//! Evidence: a program that shares no code with the service accepts it, and rejects it after any change.

use std::process::Command;
use std::sync::Arc;

use bishui::audit::{Desk, Question};
use bishui_domain::delivery::{self, MailEvent, Message};
use bishui_domain::event::Event;
use bishui_infra::codec;
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{Batch, EventLog, Expected, Position, StreamId, StreamWrite};
use bishui_verifier::note::Key;
use bishui_verifier::{bundle, sections, single};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::town::play;

/// A log with a desk that proves it.
struct Case {
    dir: TempDir,
    desk: Arc<Desk>,
    log: Arc<dyn EventLog>,
}

impl Case {
    async fn new() -> Self {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        play(&log).await;
        let dir = tempfile::tempdir().unwrap();
        let desk = Arc::new(Desk::open(dir.path(), None).unwrap());
        Self { dir, desk, log }
    }

    async fn ask(&self, question: Question) -> Value {
        self.desk.answer(&self.log, question).await.unwrap()
    }

    async fn key(&self) -> Key {
        Key::parse(self.ask(Question::Key).await["key"].as_str().unwrap()).unwrap()
    }

    async fn bundle(&self) -> String {
        let question = Question::Bundle { county: "g".parse().unwrap(), year: 2020 };
        self.ask(question).await["bundle"].as_str().unwrap().to_owned()
    }
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
    let (before, events) = (case.bundle().await, case.log.read_all(Position(0), 1_000).await.unwrap());
    let queued = events.iter().find(|event| event.kind == "mail.mail_queued").unwrap();
    let Event::Mail(MailEvent::MailQueued { message, .. }) = codec::decode(queued).unwrap() else { unreachable!() };
    let text = "断面未达标。\n".repeat(40_000);
    let queued: Vec<Event> =
        delivery::queue(Message { text: text.clone(), ..message }).into_iter().map(Event::from).collect();
    assert!(queued.len() > 2);
    let events = queued.iter().map(codec::encode).collect();
    let stream = StreamId::new("mail", Uuid::from_u128(7));
    case.log.append(batch(StreamWrite { stream, expected: Expected::Any, events })).await.unwrap();

    let (bundle, key) = (case.bundle().await, case.key().await);
    let accepted = bundle::verify(bundle.as_bytes(), &key).unwrap();
    let before = bundle::verify(before.as_bytes(), &key).unwrap();
    assert_eq!(accepted.documents, before.documents + queued.len());
    assert_eq!(bundle.matches("\n断面未达标。").count(), 40_000);
    let body = std::str::from_utf8(sections::body(bundle.as_bytes()).unwrap()).unwrap();
    let (before, after) = body.rsplit_once("\n断面未达标。").unwrap();
    let changed = format!("{before}\n断面已达标。{after}");
    let rejected = bundle::verify_body(changed.as_bytes(), &key).unwrap_err();
    assert!(rejected.0.starts_with("the document of event "), "{rejected}");
}

fn batch(write: StreamWrite) -> Batch {
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
    for at in 0..bundle.len() {
        for mask in [0x01, 0x80] {
            let mut changed = bundle.clone();
            changed[at] ^= mask;
            assert!(bundle::verify(&changed, &key).is_err(), "byte {at} xor {mask:#x} is accepted");
            // The control: without the seal some changes pass, so this test can fail.
            if at % 16 == 0 {
                let body = sections::body(&changed);
                only_by_the_seal += usize::from(body.is_ok_and(|body| bundle::verify_body(body, &key).is_ok()));
            }
        }
    }
    assert!(only_by_the_seal > 0, "a verifier that does not check the seal accepts a change of the words for people");
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
async fn the_program_accepts_and_rejects_by_its_exit_code() {
    let case = Case::new().await;
    let key = case.ask(Question::Key).await["key"].as_str().unwrap().to_owned();
    let (good, bad) = (case.dir.path().join("good"), case.dir.path().join("bad"));
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
    let (code, words) = run(&bad);
    assert_eq!((code, words.as_str()), (Some(1), "rejected: the seal is over other bytes\n"));
    let (code, _) = run(&case.dir.path().join("absent"));
    assert_eq!(code, Some(1));
    let usage = Command::new(env!("CARGO_BIN_EXE_verifier-under-test")).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
