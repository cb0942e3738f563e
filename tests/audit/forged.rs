//! Evidence forged by whoever has the key: the seal is passed over, and each check of the verifier stands by itself.

use bishui::audit::{CONTINUATION_FORMAT, PROOF_DIR, Question};
use bishui_infra::event_log::Position;
use bishui_infra::transparency::key::SigningKey;
use bishui_infra::transparency::note::sign;
use bishui_infra::transparency::proof::{self, Subtree};
use bishui_infra::transparency::tiles::Tiles;
use bishui_verifier::note::{Key, hash_text};
use bishui_verifier::{bundle, continuation, sections, single};
use serde_json::{Value, json};

use crate::bundle::Case;

/// A bundle without its seal, taken apart.
#[derive(Clone)]
struct Body {
    first: String,
    sections: Vec<(String, Vec<String>)>,
}

impl Body {
    fn of(bundle: &str) -> Self {
        let (first, sections) = sections::split(sections::body(bundle.as_bytes()).unwrap()).unwrap();
        let lines = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect();
        let sections = sections.into_iter().map(|section| (section.name.to_owned(), lines(section.lines))).collect();
        Self { first: first.to_owned(), sections }
    }

    fn at(&self, name: &str) -> usize {
        self.sections.iter().position(|(other, _)| other.starts_with(name)).unwrap()
    }

    fn lines(&mut self, name: &str) -> &mut Vec<String> {
        let at = self.at(name);
        &mut self.sections[at].1
    }

    fn text(&self) -> String {
        let section = |(name, lines): &(String, Vec<String>)| {
            let head = format!("[{name}] {}", lines.len());
            [&[head][..], lines].concat().join("\n") + "\n"
        };
        format!("{}\n{}", self.first, self.sections.iter().map(section).collect::<String>())
    }

    fn positions(&mut self) -> Vec<u64> {
        let events = self.lines("events").iter();
        events.map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap()).collect()
    }
}

/// A bundle, and what it takes to forge others.
struct Forger {
    key: Key,
    body: Body,
    tiles: Tiles,
}

impl Forger {
    async fn new() -> Self {
        let case = Case::new().await;
        case.append_letter("断面未达标。\n").await;
        let body = Body::of(&case.bundle().await);
        let size = case.log.head().await.unwrap().0;
        let tiles = Tiles::read(&case.dir.path().join(PROOF_DIR), size).unwrap();
        Self { key: case.key().await, body, tiles }
    }

    /// Makes the proof of a bundle the right one for the events that are in it.
    fn prove(&self, body: &mut Body) {
        let hash = |subtree| self.tiles.hash(subtree);
        let leaf = |position: u64| (position - 1, hash(Subtree { level: 0, index: position - 1 }).unwrap());
        let leaves: Vec<_> = body.positions().into_iter().map(leaf).collect();
        let (hashes, _) = proof::joint(&leaves, self.tiles.size(), hash).unwrap();
        *body.lines("proof") = hashes.iter().map(hash_text).collect();
    }

    /// Rejected after a change, for a reason that begins like this.
    #[track_caller]
    fn rejects(&self, reason: &str, change: impl FnOnce(&mut Body)) {
        let mut body = self.body.clone();
        change(&mut body);
        let rejected = bundle::verify_body(body.text().as_bytes(), &self.key).unwrap_err().0;
        assert!(rejected.starts_with(reason), "{rejected} in place of {reason}");
    }
}

#[tokio::test]
async fn an_event_cannot_be_left_out_doubled_or_moved() {
    let forger = Forger::new().await;
    let mut control = forger.body.clone();
    forger.prove(&mut control);
    assert_eq!(control.text(), forger.body.text(), "the forger's proof is the real one");
    bundle::verify_body(control.text().as_bytes(), &forger.key).unwrap();

    let events: Vec<Value> = control.lines("events").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let followed = |event: &Value| {
        let next = |other: &&Value| {
            other["stream"] == event["stream"] && other["version"].as_u64() > event["version"].as_u64()
        };
        events.iter().find(next)
    };
    let mut left_out = 0;
    for (at, event) in events.iter().enumerate() {
        let Some(next) = followed(event) else { continue };
        let reason = format!("event {} is version {}, {} of", next["position"], next["version"], event["version"]);
        forger.rejects(&reason, |body| {
            body.lines("events").remove(at);
            body.lines("index").remove(at);
            body.sections.retain(|(name, _)| *name != format!("document {}", event["position"]));
            forger.prove(body);
        });
        left_out += 1;
    }
    assert!(left_out >= 3, "some streams have several events");
    forger.rejects("the events are not those of the checkpoint", |body| body.lines("proof")[0] = hash_text(&[7; 32]));
    let second = format!("event {} is out of order", events[1]["position"]);
    forger.rejects(&second, |body| {
        let twice = body.lines("events")[1].clone();
        body.lines("events").insert(1, twice);
    });
    forger.rejects(&format!("event {} is out of order", events[0]["position"]), |body| body.lines("events").swap(0, 1));
    forger.rejects("event 1000000 is out of order", |body| {
        let last = body.lines("events").last_mut().unwrap();
        *last = last.replacen(
            &format!("{{\"position\":{}", events.last().unwrap()["position"]),
            "{\"position\":1000000",
            1,
        );
    });
    forger.rejects("there are no events", |body| {
        body.lines("events").clear();
        forger.prove(body);
    });
}

#[tokio::test]
async fn the_proof_has_as_many_hashes_as_it_needs() {
    let forger = Forger::new().await;
    forger.rejects("the proof has hashes to spare", |body| {
        let one = body.lines("proof")[0].clone();
        body.lines("proof").push(one);
    });
    forger.rejects("the proof has too few hashes", |body| {
        body.lines("proof").pop();
    });
    forger.rejects("no hash", |body| body.lines("proof")[0].push('='));
    forger.rejects("a hash has 32 bytes", |body| body.lines("proof")[0] = "AAAA".to_owned());
}

#[tokio::test]
async fn what_people_read_is_what_the_events_say() {
    let forger = Forger::new().await;
    let index = "the index is not that of the events";
    forger.rejects(index, |body| body.lines("index")[2].push(' '));
    forger.rejects(index, |body| body.lines("index").swap(0, 1));
    forger.rejects(index, |body| {
        body.lines("index").pop();
    });
    forger.rejects(index, |body| body.lines("index").push(String::new()));
    let documents: Vec<usize> =
        (0..forger.body.sections.len()).filter(|at| forger.body.sections[*at].0.starts_with("document")).collect();
    let [one, other, ..] = documents[..] else { panic!("there are several documents") };
    for at in &documents {
        // The next one stands in its place, or none does.
        let last = documents.last() == Some(at);
        forger.rejects(if last { "a document is missing" } else { "the document of event " }, |body| {
            body.sections.remove(*at);
        });
    }
    forger.rejects("the document of event ", |body| body.sections.swap(one, other));
    forger.rejects("the document of event ", |body| body.sections[one].1[0].push('。'));
    forger.rejects("a document belongs to no event", |body| {
        let last = documents[documents.len() - 1];
        body.sections.insert(last, body.sections[last].clone());
    });
}

#[tokio::test]
async fn the_sections_stand_in_their_order() {
    let forger = Forger::new().await;
    let at = |name| forger.body.at(name);
    for (one, other) in [("about", "index"), ("checkpoint", "events"), ("events", "proof")] {
        let reason = format!("section {other} stands where {one} belongs");
        forger.rejects(&reason, |body| body.sections.swap(at(one), at(other)));
    }
    forger.rejects("section document", |body| {
        body.sections.remove(at("index"));
    });
    forger.rejects("sections are missing", |body| body.sections.truncate(4));
    forger.rejects("no bundle of this format", |body| body.first.insert(0, 'x'));
    forger.rejects("the checkpoint: ", |body| body.lines("checkpoint")[1].push('0'));
    for (count, reason) in [
        ("01", "section about has not the lines it says"),
        ("900000", "section about has not the lines it says"),
        ("-1", "a section without its number of lines"),
    ] {
        let lines = forger.body.clone().lines("about").len();
        let text = forger.body.text().replacen(&format!("[about] {lines}"), &format!("[about] {count}"), 1);
        let rejected = bundle::verify_body(text.as_bytes(), &forger.key).unwrap_err().0;
        assert!(rejected.starts_with(reason), "{rejected}");
    }
}

#[tokio::test]
async fn an_event_of_a_bundle_can_be_read_in_one_way_only() {
    let forger = Forger::new().await;
    let forged = |reason: &str, change: &dyn Fn(&str) -> String| {
        forger.rejects(reason, |body| {
            let line = &mut body.lines("events")[0];
            *line = change(line);
        });
    };
    let twice = "no plain JSON: \"payload\" stands twice";
    forged(twice, &|line| line.replacen('{', "{\"payload\":\"{}\",", 1));
    forged("an event: the fields are not", &|line| line.replacen('{', "{\"note\":1,", 1));
    forged("an event: the fields are not", &|line| line.replacen("\"request\"", "\"requests\"", 1));
    forged("an event: the fields are not", &|line| json!({ RAW_VALUE: line }).to_string());
    forged("an event: no object", &|_| "[]".to_owned());
}

/// A name that serde's own reader of JSON takes for an instruction to read the text beside it.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// What every proof in JSON is rejected for, whatever it proves.
fn assert_strict(proof: &Value, verify: impl Fn(&str) -> Result<(), String>, other_key: &str) {
    let text = proof.to_string();
    assert_eq!(verify(&text), Ok(()));
    for name in proof.as_object().unwrap().keys() {
        // What stands first is what a person, or another program, may take for the one that was checked.
        let twice = text.replacen('{', &format!("{{\"{name}\":{},", json!({ "position": 1 })), 1);
        let rejected = verify(&twice).unwrap_err();
        assert!(rejected.starts_with(&format!("no plain JSON: \"{name}\" stands twice")), "{rejected}");
        let mut without = proof.clone();
        without.as_object_mut().unwrap().remove(name);
        let fields = verify(&without.to_string()).unwrap_err();
        assert!(fields.starts_with("the fields are not"), "{name}: {fields}");
    }
    let rejected = |change: &dyn Fn(&mut Value)| {
        let mut changed = proof.clone();
        change(&mut changed);
        verify(&changed.to_string()).unwrap_err()
    };
    assert!(rejected(&|proof| proof["note"] = "x".into()).starts_with("the fields are not"));
    assert!(rejected(&|proof| *proof = json!({ RAW_VALUE: proof.to_string() })).starts_with("the fields are not"));
    assert_eq!(rejected(&|proof| proof["key"] = other_key.into()), "another key is named");
    assert_eq!(rejected(&|proof| proof["key"] = Value::Null), "no key is named");
    assert_eq!(rejected(&|proof| proof["format"] = "bishui-proof/2".into()), "no proof of this format");
    let hash = Value::from("A".repeat(43) + "=");
    let longer = rejected(&|proof| proof["proof"].as_array_mut().unwrap().push(hash.clone()));
    assert!(longer.contains("hashes to spare"), "{longer}");
    let shorter = rejected(&|proof| drop(proof["proof"].as_array_mut().unwrap().pop()));
    assert!(shorter.contains("too few hashes"), "{shorter}");
}

#[tokio::test]
async fn a_proof_in_json_can_be_read_in_one_way_only() {
    let (case, other) = (Case::new().await, Case::new().await);
    let other_key = other.ask(Question::Key).await["key"].as_str().unwrap().to_owned();
    let old = case.ask(Question::Checkpoint).await["checkpoint"].as_str().unwrap().to_owned();
    case.append_letter("断面未达标。\n").await;
    let key = case.key().await;
    let proof = case.ask(Question::Prove { position: Position(3) }).await;
    let verify = |text: &str| single::verify(text.as_bytes(), &key).map(drop).map_err(|rejected| rejected.0);
    assert_strict(&proof, verify, &other_key);
    let mut outside = proof.clone();
    outside["event"]["position"] = 1_000_000.into();
    assert_eq!(verify(&outside.to_string()).unwrap_err(), "the leaf is outside the tree");
    let proof = case.ask(Question::Continue { since: ("file".to_owned(), old) }).await;
    assert_eq!(proof["format"], CONTINUATION_FORMAT);
    let verify = |text: &str| continuation::verify(text.as_bytes(), &key).map(drop).map_err(|rejected| rejected.0);
    assert_strict(&proof, verify, &other_key);
}

#[tokio::test]
async fn a_size_has_one_form_in_a_checkpoint() {
    let case = Case::new().await;
    let (proof, key) = (case.ask(Question::Prove { position: Position(3) }).await, case.key().await);
    let signer = SigningKey::read(&case.dir.path().join(PROOF_DIR).join("key")).unwrap();
    let (text, _) = proof["checkpoint"].as_str().unwrap().split_once("\n\n").unwrap();
    let [name, size, root] = text.split('\n').collect::<Vec<_>>()[..] else { panic!("three lines") };
    let with = |size: &str| {
        let mut changed = proof.clone();
        changed["checkpoint"] = sign(&format!("{name}\n{size}\n{root}\n"), &signer).into();
        single::verify(changed.to_string().as_bytes(), &key).map(drop).map_err(|rejected| rejected.0)
    };
    assert_eq!(with(size), Ok(()));
    for other in [format!("+{size}"), format!("0{size}")] {
        assert_eq!(with(&other), Err("the checkpoint's size is not in its form".to_owned()), "{other}");
    }
}
