//! Losses of power at any moment, several in the life of a store, with the index in any state.

use std::path::Path;

use bishui_tests::asked;
use bishui_tests::dice::Dice;
use bishui_tests::forgetful_disk::{Fault, ForgetfulDisk};

use crate::open;
use crate::work::{Told, first_loss, write};

/// Losses of power without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 200;
/// Losses of power in the life of one store.
const LIVES: u64 = 4;
/// Operations on the disk before the power goes, at most.
const OPERATIONS_MAX: u64 = 120;

/// What the power left of the index, which is on a disk of its own.
fn spoil_index(path: &Path, dice: &mut Dice) {
    let index = path.join("index");
    match dice.below(4) {
        0 => std::fs::remove_dir_all(&index).unwrap(),
        1 => {
            let file = index.join("db");
            let mut bytes = std::fs::read(&file).unwrap();
            let at = usize::try_from(dice.below(bytes.len() as u64)).unwrap();
            bytes[at] ^= 0x40;
            std::fs::write(&file, bytes).unwrap();
        }
        _ => {}
    }
}

/// Writes, loses the power, and looks; several times on one store. Gives the losses of power and the first fault.
async fn one_store(mut disk: ForgetfulDisk, seed: u64) -> (u64, Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(seed);
    let mut told = Told::new();
    for life in 0..LIVES {
        let log = match open(&disk, directory.path()) {
            Ok(log) => log,
            Err(error) => return (life, Some(format!("it does not open: {error}"))),
        };
        disk.arm(Fault::PowerLoss(1 + dice.below(OPERATIONS_MAX)));
        told.extend(write(log, seed * LIVES + life, u64::MAX).await);
        let kept = [0, 20, 50, 90][usize::try_from(dice.below(4)).unwrap()];
        disk = disk.after_power_loss(&mut dice, kept);
        spoil_index(directory.path(), &mut dice);
        // The power may go again while the log recovers.
        if dice.chance(30) {
            disk.arm(Fault::PowerLoss(1 + dice.below(8)));
            drop(open(&disk, directory.path()));
            disk = disk.after_power_loss(&mut dice, kept);
        }
        let opened = open(&disk, directory.path());
        let loss = match opened {
            Ok(log) => first_loss(&log, &told).await,
            Err(error) => Some(format!("it does not open: {error}")),
        };
        if loss.is_some() {
            return (life + 1, loss);
        }
    }
    (LIVES, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_loss_of_power() {
    let (rounds, seed) = (asked::rounds(ROUNDS), asked::seed());
    let mut done = 0;
    for store in 0.. {
        let (losses, fault) = one_store(ForgetfulDisk::new(), seed + store).await;
        assert_eq!(fault, None, "BISHUI_CRASH_SEED={}", seed + store);
        done += losses;
        if done >= rounds {
            break;
        }
    }
    println!("{done} losses of power, nothing lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_sync_is_caught() {
    let rounds = asked::rounds(ROUNDS) / 4;
    let mut caught = 0;
    for seed in 0..rounds {
        let (_, fault) = one_store(ForgetfulDisk::dishonest(), 7_000 + seed).await;
        caught += u64::from(fault.is_some());
    }
    assert!(caught * 100 >= rounds * 95, "{caught} of {rounds} stores without syncing were caught");
    println!("{caught} of {rounds} stores without syncing were caught");
}
