//! Checkpoints in a backup: events that are not those that were signed are found, and no signature is lost.

use std::path::PathBuf;
use std::sync::Arc;

use bishui_infra::backup::{BackupError, CHECKPOINTS_DIR, Proof, Reader, Until, Written, verify, write};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_infra::transparency::notary::Notary;

use crate::world::{World, restored};

impl World {
    fn proof_dir(&self) -> PathBuf {
        self.path("transparency")
    }

    /// Signs a checkpoint.
    async fn sign(&self) {
        Notary::open(&self.proof_dir(), None).unwrap().checkpoint(self.log.as_ref()).await.unwrap();
    }

    /// Brings the backup level, with the checkpoints.
    async fn back_up_with_proof(&self) -> Result<Written, BackupError> {
        let mut writer = self.writer("backup")?;
        writer.keep_proof(Proof::of(&self.proof_dir(), None).unwrap().unwrap());
        write(self.log.as_ref(), writer).await
    }
}

async fn signed() -> World {
    let world = World::new();
    for number in 1..=12 {
        world.append(number, number).await;
        world.sign().await;
        if number % 4 == 0 {
            world.back_up_with_proof().await.unwrap();
        }
    }
    world
}

#[tokio::test]
async fn a_backup_has_every_checkpoint_and_no_signing_key() {
    let world = signed().await;
    let [(path, proof)] = &Proof::all(&world.path("backup")).unwrap()[..] else { panic!("one key") };
    assert_eq!(Some(proof), Proof::of(&world.proof_dir(), None).unwrap().as_ref());
    assert_eq!(proof.covers(), world.log.head().await.unwrap().0);
    let text = std::fs::read_to_string(path).unwrap();
    let list = std::fs::read_to_string(world.proof_dir().join("checkpoints")).unwrap();
    assert_eq!(text, format!("{}\n{list}", proof.key));
    verify(Reader::open(&world.path("backup")).unwrap()).unwrap();
    restored(&world.path("backup"), Until::Position(Position(9))).await.unwrap();
    let target = world.path("target");
    proof.put(&target).unwrap();
    assert_eq!(std::fs::read_to_string(target.join("checkpoints")).unwrap(), list);
}

#[tokio::test]
async fn a_backup_of_a_log_that_was_altered_with_all_its_sums_is_refuted_by_its_checkpoints() {
    let world = signed().await;
    let mut events = world.events().await;
    let altered = events.iter_mut().find(|event| event.position.0 == 5).unwrap();
    altered.payload = altered.payload.replacen("次", "词", 1);
    let forger = MemoryLog::new();
    forger.take_over(events).await.unwrap();
    let mut forged = World::on(Arc::new(forger));
    forged.originals = world.originals.clone();
    forged.back_up("backup").await.unwrap();
    verify(Reader::open(&forged.path("backup")).unwrap()).unwrap();
    let (from, to) = (world.path("backup").join(CHECKPOINTS_DIR), forged.path("backup").join(CHECKPOINTS_DIR));
    std::fs::create_dir(&to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        std::fs::copy(file.as_ref().unwrap().path(), to.join(file.unwrap().file_name())).unwrap();
    }
    let refuted = verify(Reader::open(&forged.path("backup")).unwrap());
    assert!(matches!(refuted, Err(BackupError::Refuted { size, .. }) if size >= 5), "{refuted:?}");
    let refuted = restored(&forged.path("backup"), Until::End).await;
    assert!(matches!(refuted, Err(BackupError::Refuted { .. })));
}

#[tokio::test]
async fn a_checkpoint_beyond_the_end_shows_that_events_are_lost() {
    let world = signed().await;
    world.append(13, 13).await;
    world.sign().await;
    let fewer = World::on(Arc::new(MemoryLog::new()));
    fewer.append(1, 12).await;
    let mut writer = fewer.writer("backup").unwrap();
    writer.keep_proof(Proof::of(&world.proof_dir(), None).unwrap().unwrap());
    write(fewer.log.as_ref(), writer).await.unwrap();
    let refuted = verify(Reader::open(&fewer.path("backup")).unwrap());
    assert!(matches!(refuted, Err(BackupError::Beyond { .. })), "{refuted:?}");
}

#[tokio::test]
async fn checkpoints_that_the_log_has_lost_stay_in_the_backup() {
    let world = signed().await;
    let before = Proof::all(&world.path("backup")).unwrap();
    let list = world.proof_dir().join("checkpoints");
    let text = std::fs::read_to_string(&list).unwrap();
    let half: String = text.split_inclusive('\n').take(30).collect();
    std::fs::write(&list, half).unwrap();
    world.append(13, 13).await;
    let refused = world.back_up_with_proof().await;
    assert!(matches!(refused, Err(BackupError::OtherCheckpoints { .. })), "{refused:?}");
    assert_eq!(Proof::all(&world.path("backup")).unwrap(), before);
    let verified = verify(Reader::open(&world.path("backup")).unwrap()).unwrap();
    assert_eq!(verified.events, world.log.head().await.unwrap().0, "the events are backed up all the same");
    // A log that goes on under another key has a list of its own.
    std::fs::remove_dir_all(world.proof_dir()).unwrap();
    world.sign().await;
    world.back_up_with_proof().await.unwrap();
    assert_eq!(Proof::all(&world.path("backup")).unwrap().len(), 2);
    verify(Reader::open(&world.path("backup")).unwrap()).unwrap();
}
