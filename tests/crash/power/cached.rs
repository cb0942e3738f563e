//! The program ends between a write and its sync, or the sync fails, and the power stays: the next opening finds events
//! that are in the cache only. It shows them to readers and answers a repetition by them, so it makes them durable first.

use bishui_infra::event_log::{EventLog, NewEvent};
use bishui_tests::dice::Dice;
use bishui_tests::forgetful_disk::{Fault, ForgetfulDisk};

use crate::faults::tiny;
use crate::open;

/// What the sync of a batch may come to.
const NO_SYNC: [Fault; 2] = [Fault::Kill(2), Fault::Io(2)];

/// Appends an event, and one whose sync comes to `no_sync`; opens the store again, appends `further` events, and takes
/// the power away. Gives how many events the opening showed, and how many are left. Where the opening only `pretends`,
/// its syncs do nothing.
async fn shown_and_left(no_sync: Fault, pretends: bool, further: u128) -> (u64, u64) {
    let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
    let log = open(&disk, directory.path()).unwrap();
    log.append(tiny(1)).await.unwrap();
    disk.arm(no_sync);
    log.append(tiny(2)).await.unwrap_err();
    drop(log);
    disk.arm(Fault::None);
    disk.pretend(pretends);
    let log = open(&disk, directory.path()).unwrap();
    disk.pretend(false);
    let shown = log.head().await.unwrap();
    for number in 0..further {
        log.append(tiny(3 + number)).await.unwrap();
    }
    let disk = disk.after_power_loss(&mut Dice::new(1), 0);
    drop(log);
    // Its orderly end noted in the index what no loss of power would have left it time for.
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    let left = open(&disk, directory.path()).unwrap().verify().unwrap();
    (shown.0, left.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_opening_shows_is_durable() {
    for no_sync in NO_SYNC {
        assert_eq!(shown_and_left(no_sync, false, 0).await, (2, 2), "{no_sync:?}");
        assert_eq!(shown_and_left(no_sync, false, 1).await, (2, 3), "{no_sync:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_that_makes_nothing_durable_is_caught() {
    for no_sync in NO_SYNC {
        assert_eq!(shown_and_left(no_sync, true, 0).await, (2, 1), "{no_sync:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_write_stays_dropped_where_its_dropping_failed() {
    let mut failed = 0;
    for at in 1..=24 {
        let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
        let log = open(&disk, directory.path()).unwrap();
        log.append(tiny(1)).await.unwrap();
        let mut torn = tiny(2);
        let event = NewEvent { payload: "x".repeat(3_000), ..torn.writes[0].events[0].clone() };
        torn.writes[0].events = vec![event; 200];
        disk.arm(Fault::PowerLoss(1));
        log.append(torn).await.unwrap_err();
        drop(log);
        let disk = disk.after_power_loss(&mut Dice::new(1), 99);
        disk.arm(Fault::Io(at));
        failed += u32::from(open(&disk, directory.path()).is_err());
        disk.arm(Fault::None);
        let log = open(&disk, directory.path()).unwrap();
        for number in 3..6 {
            log.append(tiny(number)).await.unwrap();
        }
        disk.arm(Fault::PowerLoss(1));
        log.append(tiny(6)).await.unwrap_err();
        drop(log);
        let disk = disk.after_power_loss(&mut Dice::new(1), 0);
        let left = open(&disk, directory.path()).and_then(|log| log.verify());
        assert_eq!(left.unwrap_or_else(|error| panic!("operation {at}: {error}")).0, 4);
    }
    assert!(failed > 4, "only {failed} openings met the error");
}
