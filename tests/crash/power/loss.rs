//! Losses of power at any moment, several in the life of a store, with the index in any state.

use std::path::Path;

use bishui_infra::event_log::Recorded;
use bishui_infra::event_log::sled::SledLog;
use bishui_tests::asked;
use bishui_tests::dice::Dice;
use bishui_tests::forgetful_disk::{Fault, ForgetfulDisk};

use crate::open;
use crate::work::{Told, kept, write_until_failure};

/// Losses of power without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 200;
/// Losses of power of one store.
const LOSSES: u64 = 4;
/// Operations on the disk before the power goes, at most.
const OPERATIONS_MAX: u64 = 120;
/// Batches of each writer before the program ends with the power on, at most.
const BATCHES_MAX: u64 = 12;

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

/// A store that loses its power again and again.
struct Store {
    disk: ForgetfulDisk,
    directory: tempfile::TempDir,
    seed: u64,
    dice: Dice,
    /// Times that writers were set to it.
    writings: u64,
    told: Told,
    /// The events that were there when it was opened last.
    shown: Vec<Recorded>,
}

/// A loss of power: how many batches were acknowledged since the one before, and the first fault that it left.
struct Loss {
    acknowledged: usize,
    fault: Option<String>,
}

impl Store {
    fn new(disk: ForgetfulDisk, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { disk, directory, seed, dice: Dice::new(seed), writings: 0, told: Told::new(), shown: Vec::new() }
    }

    /// Writes, loses the power, and looks.
    async fn lose_power(&mut self) -> Loss {
        let before = self.told.len();
        // Now and then the program ends before: the store is opened again with what is in the cache.
        if self.dice.chance(40) {
            let at = 1 + self.dice.below(OPERATIONS_MAX);
            let fault = if self.dice.chance(50) { Fault::Kill(at) } else { Fault::Io(at) };
            self.write(fault, BATCHES_MAX).await;
            self.disk.arm(Fault::None);
        }
        let at = 1 + self.dice.below(OPERATIONS_MAX);
        self.write(Fault::PowerLoss(at), u64::MAX).await;
        let kept_percent = [0, 20, 50, 90][usize::try_from(self.dice.below(4)).unwrap()];
        self.disk = self.disk.after_power_loss(&mut self.dice, kept_percent);
        spoil_index(self.directory.path(), &mut self.dice);
        // The power may go again while the log recovers.
        if self.dice.chance(30) {
            self.disk.arm(Fault::PowerLoss(1 + self.dice.below(8)));
            drop(open(&self.disk, self.directory.path()));
            self.disk = self.disk.after_power_loss(&mut self.dice, kept_percent);
        }
        Loss { acknowledged: self.told.len() - before, fault: self.open().await.err() }
    }

    /// Writes until `fault` ends it.
    async fn write(&mut self, fault: Fault, batches: u64) {
        let log = self.open().await.unwrap_or_else(|fault| panic!("with the power on, seed {}: {fault}", self.seed));
        self.disk.arm(fault);
        let (told, _) = write_until_failure(log, self.seed << 16 | self.writings, batches).await;
        self.writings += 1;
        self.told.extend(told);
    }

    /// Opens it and looks whether it has all that was told and shown.
    async fn open(&mut self) -> Result<SledLog, String> {
        let log = open(&self.disk, self.directory.path()).map_err(|error| format!("it does not open: {error}"))?;
        let events = kept(&log, &self.told).await?;
        if !events.starts_with(&self.shown) {
            return Err("events that were shown are gone".to_owned());
        }
        self.shown = events;
        Ok(log)
    }
}

/// Losses of power so far. Those before which nothing was acknowledged prove nothing, and are counted apart.
#[derive(Default)]
struct Tally {
    losses: u64,
    idle: u64,
    acknowledged: usize,
    faulty: u64,
}

impl Tally {
    fn add(&mut self, loss: &Loss) {
        if loss.acknowledged == 0 {
            self.idle += 1;
            return;
        }
        self.losses += 1;
        self.acknowledged += loss.acknowledged;
        self.faulty += u64::from(loss.fault.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_loss_of_power() {
    let (rounds, seed) = (asked::rounds(ROUNDS), asked::seed());
    let mut tally = Tally::default();
    for number in 0.. {
        let mut store = Store::new(ForgetfulDisk::new(), seed + number);
        for _ in 0..LOSSES {
            let loss = store.lose_power().await;
            assert_eq!(loss.fault, None, "BISHUI_CRASH_SEED={}", store.seed);
            tally.add(&loss);
        }
        if tally.losses >= rounds {
            break;
        }
    }
    let Tally { losses, idle, acknowledged, .. } = tally;
    println!(
        "{losses} losses of power after {acknowledged} acknowledged batches, nothing lost; {idle} with none before"
    );
}

/// The control: the same on a disk whose syncs do nothing, until as many losses of power have been tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_sync_is_caught() {
    let (rounds, seed) = (asked::rounds(ROUNDS), asked::seed());
    let mut tally = Tally::default();
    for number in 0.. {
        // What a store without syncing has lost once is lost, so each loss is of another store.
        tally.add(&Store::new(ForgetfulDisk::dishonest(), seed + number).lose_power().await);
        if tally.losses >= rounds {
            break;
        }
    }
    let Tally { losses, idle, acknowledged, faulty } = tally;
    let found = format!(
        "{faulty} of {losses} losses of power without syncing were caught, after {acknowledged} \
        acknowledged batches; {idle} with none before"
    );
    assert!(faulty * 100 >= losses * 95, "{found}");
    println!("{found}");
}
