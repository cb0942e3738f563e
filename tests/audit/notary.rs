//! The notary signs continuations only, and its own files are as safe as the log.

use bishui_infra::event_log::{Position, Recorded, StreamVersion};
use bishui_infra::transparency::ProofError;
use bishui_infra::transparency::audit::{Difference, audit};
use bishui_infra::transparency::checkpoint::TreeHead;
use bishui_infra::transparency::notary::Notary;
use bishui_tests::copied_log::CopiedLog;

use crate::town::{Proved, claim};

#[tokio::test]
async fn each_checkpoint_is_shown_to_continue_every_one_before() {
    let Proved { mut notary, events, dir: _dir } = Proved::new().await;
    let log = CopiedLog(events);
    let heads: Vec<TreeHead> = notary.checkpoints().iter().map(|checkpoint| checkpoint.head).collect();
    let last = heads[2];
    for old in heads {
        let (checkpoint, proof) = notary.continuation(&log, old).await.unwrap();
        assert_eq!(checkpoint.head, last);
        if old.size < last.size {
            // By the algorithm of RFC 9162, where the notary checks by the definition of RFC 6962.
            let roots = bishui_verifier::tree::continued_roots(old.size, last.size, old.root, &proof).unwrap();
            assert_eq!(roots, (old.root, last.root));
        }
        let forked = notary.continuation(&log, TreeHead { root: [7; 32], ..old }).await.unwrap_err();
        assert!(matches!(forked, ProofError::Fork { size } if size == old.size), "{forked}");
    }
}

#[tokio::test]
async fn the_same_log_gets_the_same_checkpoint_and_nothing_is_signed_twice() {
    let Proved { mut notary, events, dir } = Proved::new().await;
    let last = notary.checkpoints().last().unwrap().clone();
    assert_eq!(notary.checkpoint(&CopiedLog(events.clone())).await.unwrap(), last);
    drop(notary);
    let mut reopened = Notary::open(dir.path(), None).unwrap();
    assert_eq!(reopened.checkpoint(&CopiedLog(events)).await.unwrap(), last);
    assert_eq!(reopened.checkpoints().len(), 3);
}

#[tokio::test]
async fn no_checkpoint_is_signed_of_a_log_that_was_cut_or_went_another_way() {
    let Proved { mut notary, events, dir: _dir } = Proved::new().await;
    let size = events.len() as u64;
    let cut = CopiedLog(events[..events.len() - 1].to_vec());
    let refused = notary.checkpoint(&cut).await.unwrap_err();
    assert!(matches!(refused, ProofError::Truncated { events, covered } if (events, covered) == (size - 1, size)));
    // Cut, and gone on with other events.
    let mut other = events.clone();
    other.last_mut().unwrap().payload.push(' ');
    let refused = notary.checkpoint(&CopiedLog(other.clone())).await.unwrap_err();
    assert!(matches!(refused, ProofError::Fork { size: forked } if forked == size), "{refused}");
    assert_eq!(notary.checkpoints().len(), 3, "nothing was signed");
}

#[tokio::test]
async fn lost_hashes_are_derived_again_and_an_older_change_is_refused_then() {
    let Proved { notary, events, dir } = Proved::new().await;
    let last = notary.checkpoints().last().unwrap().clone();
    drop(notary);
    std::fs::remove_file(dir.path().join("level-0")).unwrap();
    let mut other = events.clone();
    other[2].payload.push(' ');
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let refused = notary.checkpoint(&CopiedLog(other)).await.unwrap_err();
    assert!(matches!(refused, ProofError::Fork { size } if size == last.head.size), "{refused}");
    let mut notary = Notary::open(dir.path(), None).unwrap();
    assert_eq!(notary.checkpoint(&CopiedLog(events)).await.unwrap(), last);
}

#[tokio::test]
async fn a_changed_hash_is_told_from_a_changed_event() {
    let Proved { notary, events, dir } = Proved::new().await;
    let claims: Vec<_> = notary.checkpoints().iter().map(claim).collect();
    let path = dir.path().join("level-0");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, changed).unwrap();
        let log = CopiedLog(events.clone());
        let found = audit(&log, &notary.tiles().unwrap(), &claims).await.unwrap();
        let position = Some(Position(at as u64 / 32 + 1));
        assert_eq!(found.differences, [Difference::Hashes { position }], "byte {at}");
    }
}

/// From 65,536 events on a hash of 256 leaves has another stored over it, which the roots are made of.
#[tokio::test]
async fn a_changed_hash_of_an_inner_node_is_found_whatever_stands_over_it() {
    let first = Proved::new().await.events.remove(0);
    let next = |number: u64| Recorded {
        position: Position(number + 1),
        version: StreamVersion(number + 1),
        place: u32::try_from(number).unwrap(),
        payload: "{}".to_owned(),
        ..first.clone()
    };
    let log = CopiedLog((0..65_600).map(next).collect());
    let dir = tempfile::tempdir().unwrap();
    let mut notary = Notary::open(dir.path(), None).unwrap();
    let claims = [claim(&notary.checkpoint(&log).await.unwrap())];
    let tiles = notary.tiles().unwrap();
    assert_eq!(audit(&log, &tiles, &claims).await.unwrap().differences, []);
    for (file, at) in [("level-1", 32 * 3), ("level-1", 32 * 255 + 31), ("level-2", 0)] {
        let path = dir.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, changed).unwrap();
        let found = audit(&log, &tiles, &claims).await.unwrap();
        assert_eq!(found.differences, [Difference::Hashes { position: None }], "byte {at} of {file}");
        std::fs::write(&path, whole).unwrap();
    }
}

#[tokio::test]
async fn a_lost_key_is_not_replaced_once_checkpoints_were_signed() {
    let Proved { notary, dir, .. } = Proved::new().await;
    drop(notary);
    std::fs::remove_file(dir.path().join("key")).unwrap();
    let refused = Notary::open(dir.path(), None).unwrap_err().to_string();
    assert!(refused.contains("the signing key is missing though checkpoints were signed"), "{refused}");
}

#[tokio::test]
async fn a_lost_list_of_checkpoints_is_not_begun_again() {
    let Proved { notary, events, dir } = Proved::new().await;
    let list = dir.path().join("checkpoints");
    let whole = std::fs::read(&list).unwrap();
    let hashes = || std::fs::read(dir.path().join("level-0")).unwrap();
    let before = hashes();
    let mut running = notary;
    std::fs::remove_file(&list).unwrap();
    // With a key of its own, and with one that is kept elsewhere: then the hashes show that there was a list.
    let refused = Notary::open(dir.path(), None).unwrap_err();
    assert!(matches!(refused, ProofError::Lost { .. }), "{refused}");
    let elsewhere = tempfile::tempdir().unwrap();
    let key = elsewhere.path().join("key");
    std::fs::rename(dir.path().join("key"), &key).unwrap();
    let refused = Notary::open(dir.path(), Some(&key)).unwrap_err();
    assert!(matches!(refused, ProofError::Lost { .. }), "{refused}");
    let refused = running.checkpoint(&CopiedLog(events.clone())).await.unwrap_err();
    assert!(matches!(refused, ProofError::Lost { .. }), "{refused}");
    // An older copy of the list, put back while a process knows of more.
    std::fs::write(&list, &whole[..whole.len() / 3]).unwrap();
    let refused = running.checkpoint(&CopiedLog(events)).await.unwrap_err();
    assert!(matches!(refused, ProofError::Lost { .. }), "{refused}");
    assert_eq!(hashes(), before);
}

#[test]
fn a_beginning_that_was_cut_short_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("made").join("for-it");
    let drawn = Notary::open(&place, None).unwrap().verifier();
    assert_eq!(Notary::open(&place, None).unwrap().verifier(), drawn);
    // The list was made, and the key was not yet.
    std::fs::remove_file(place.join("key")).unwrap();
    assert_ne!(Notary::open(&place, None).unwrap().verifier(), drawn);
}
