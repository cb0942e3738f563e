//! The proof of the log over HTTP: checkpoint and hashes for anyone, evidence for auditors only.

use bishui::accounts::Role;
use bishui_verifier::note::Key;
use bishui_verifier::{bundle, single, tree};
use serde_json::json;

use crate::town::{Town, eventually};

#[test]
fn anyone_reads_the_newest_checkpoint_and_the_hashes_under_it() {
    let town = Town::judged();
    let auditor = town.token(Role::Auditor);
    let key = town.post(&auditor, "/api/v1/audits", &json!({ "ask": "key" })).ok();
    let key = Key::parse(key["key"].as_str().unwrap()).unwrap();
    // A publication is followed by a checkpoint that covers it.
    let events = town.get(&auditor, "/api/v1/events?limit=500").ok();
    let published = events["events"].as_array().unwrap().iter().rfind(|event| event["type"] == "round.round_published");
    let published = published.unwrap()["position"].as_u64().unwrap();
    let (size, root) = eventually(|| {
        let reply = town.send("GET", "/api/v1/checkpoint", &[], "");
        let note = reply.body.strip_suffix('\n').filter(|_| reply.status == 200)?;
        Some(key.checkpoint(&note.split('\n').collect::<Vec<_>>()).unwrap()).filter(|(size, _)| *size >= published)
    });
    assert!(size < 256, "one tile holds every leaf");
    let tile = town.send("GET", &format!("/api/v1/tile/0/000.p/{size}"), &[], "");
    assert_eq!((tile.status, tile.header("content-type")), (200, Some("application/octet-stream")));
    let leaves = tile.bytes.as_chunks::<32>().0.iter().copied();
    assert_eq!(tree::joint_root(&(0..).zip(leaves).collect::<Vec<_>>(), size, &[]).unwrap(), root);
    for path in
        ["/api/v1/tile/0/000", "/api/v1/tile/0/001", "/api/v1/tile/9/000.p/1", "/api/v1/tile/x", "/api/v1/tile/0/0"]
    {
        assert_eq!(town.send("GET", path, &[], "").status, 404, "{path}");
    }
    let proof = town.post(&auditor, "/api/v1/audits", &json!({ "ask": "prove", "position": 1 })).ok();
    assert_eq!(single::verify(proof.to_string().as_bytes(), &key).unwrap().position, 1);
}

#[test]
fn evidence_is_for_auditors() {
    let town = Town::judged();
    let question = json!({ "ask": "bundle", "county": "gaotang", "year": 2020 });
    for role in [Role::Clerk, Role::Approver, Role::Finance, Role::County, Role::Administrator] {
        let token = town.token(role);
        assert_eq!(town.post(&token, "/api/v1/audits", &question).problem().0, 403, "{role}");
    }
    assert_eq!(town.send("POST", "/api/v1/audits", &[], "{}").problem().0, 401);
    let auditor = town.token(Role::Auditor);
    let key = town.post(&auditor, "/api/v1/audits", &json!({ "ask": "key" })).ok();
    let found = town.post(&auditor, "/api/v1/audits", &question).ok();
    let key = Key::parse(key["key"].as_str().unwrap()).unwrap();
    bundle::verify(found["bundle"].as_str().unwrap().as_bytes(), &key).unwrap();
    let verified = town.post(&auditor, "/api/v1/audits", &json!({ "ask": "verify", "checkpoints": [] })).ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let foreign = json!({ "ask": "verify", "checkpoints": [["x", "no note"]] });
    let (status, code, _) = town.post(&auditor, "/api/v1/audits", &foreign).problem();
    assert_eq!((status, code.as_str()), (422, "invalid_signature"));
    assert_eq!(town.post(&auditor, "/api/v1/audits", &json!({ "ask": "verify" })).problem().0, 422);
}
