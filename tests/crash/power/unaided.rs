//! Damage to a journal whose index is gone or older than a crash, so that nothing tells how far the log had come. It is
//! named all the same, unless it is in the last group: that cannot be told from a write that was cut short.

use std::path::{Path, PathBuf};

use bishui_infra::event_log::{EventLog, LogError, Position, Recorded};
use bishui_tests::forgetful_disk::{Fault, ForgetfulDisk};

use crate::faults::{sized, tiny};
use crate::open;

/// Bytes that a disk writes whole.
const SECTOR: usize = 512;

/// A closed store with events in two segments and a third one ready.
pub(crate) struct Store {
    pub(crate) disk: ForgetfulDisk,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) segments: Vec<PathBuf>,
    pub(crate) events: Vec<Recorded>,
    /// Where the last group begins in the second segment.
    last_group: usize,
}

impl Store {
    pub(crate) async fn new() -> Self {
        let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
        let log = open(&disk, directory.path()).unwrap();
        for number in 0..4 {
            log.append(tiny(number)).await.unwrap();
        }
        // It goes on in the second segment, which is then used by more than a half.
        log.append(sized(4, 2, 900_000)).await.unwrap();
        log.append(sized(5, 1, 300_000)).await.unwrap();
        for number in 6..10 {
            log.append(tiny(number)).await.unwrap();
        }
        let segments = disk.files(".seg");
        let last_group = used(&disk, &segments[1]);
        log.append(tiny(10)).await.unwrap();
        let events = log.read_all(Position(0), usize::MAX).await.unwrap();
        drop(log);
        let segments = disk.files(".seg");
        assert_eq!(segments.len(), 3);
        Self { disk, directory, segments, events, last_group }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn lose_index(&self) {
        std::fs::remove_dir_all(self.path().join("index")).unwrap();
    }

    /// Whether `damage` to a segment is named when there is no index.
    fn is_named(&self, segment: usize, damage: impl FnOnce(&mut Vec<u8>)) -> bool {
        let disk = self.disk.copy();
        disk.damage(&self.segments[segment], damage);
        if self.path().join("index").exists() {
            self.lose_index();
        }
        match open(&disk, self.path()) {
            Ok(_) => false,
            Err(LogError::Corrupt { .. }) => true,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Bytes of a segment up to the last that is not zero.
pub(crate) fn used(disk: &ForgetfulDisk, segment: &Path) -> usize {
    let mut used = 0;
    disk.damage(segment, |bytes| used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    used
}

/// Writes until the power goes, so that nothing is noted when the log is closed.
async fn lose_power(disk: &ForgetfulDisk, path: &Path) {
    let log = open(disk, path).unwrap();
    disk.arm(Fault::PowerLoss(1));
    assert!(log.append(tiny(99)).await.is_err());
    drop(log);
    disk.arm(Fault::None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_before_the_last_group_is_named() {
    let store = Store::new().await;
    let first = used(&store.disk, &store.segments[0]);
    let spots = (0..200).chain((200..first).step_by(90_001)).chain(first - 3..first).map(|at| (0, at));
    let later = (0..200).chain((200..store.last_group).step_by(90_001));
    for (segment, at) in spots.chain(later.map(|at| (1, at))) {
        assert!(store.is_named(segment, |bytes| bytes[at] ^= 0x21), "byte {at} of segment {}", segment + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sector_of_zeros_before_the_last_group_is_named() {
    let store = Store::new().await;
    let ends = [used(&store.disk, &store.segments[0]), store.last_group];
    for (segment, end) in ends.into_iter().enumerate() {
        let whole = end / SECTOR;
        for sector in (0..3).chain((3..whole).step_by(331)).chain(whole - 3..whole) {
            let zero = |bytes: &mut Vec<u8>| bytes[sector * SECTOR..(sector + 1) * SECTOR].fill(0);
            assert!(store.is_named(segment, zero), "sector {sector} of segment {}", segment + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_lost_its_start_or_its_length_is_named() {
    let store = Store::new().await;
    for (segment, zeros) in [(0, 32), (0, 1 << 20), (1, 32), (1, SECTOR), (1, 4 * SECTOR)] {
        assert!(store.is_named(segment, |bytes| bytes[..zeros].fill(0)), "{zeros} bytes of segment {}", segment + 1);
    }
    for (segment, length) in [(0, 0), (0, 700_000), (1, 0), (1, 100), (1, 1 << 20)] {
        assert!(store.is_named(segment, |bytes| bytes.truncate(length)), "segment {} cut at {length}", segment + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_of_one_group_without_its_header_is_named_where_no_crash_leaves_it_so() {
    let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
    open(&disk, directory.path()).unwrap().append(sized(1, 2, 600_000)).await.unwrap();
    let segments = disk.files(".seg");
    let headless = |disk: &ForgetfulDisk, zeros: usize| {
        disk.damage(&segments[1], |bytes| bytes[..zeros].fill(0));
        std::fs::remove_dir_all(directory.path().join("index")).unwrap();
        open(disk, directory.path()).map(drop)
    };
    // Header and block share a sector, which is written whole.
    let opened = headless(&disk.copy(), 32);
    assert!(matches!(opened, Err(LogError::Corrupt { .. })), "{opened:?}");
    // It is begun when the segment before it is on the disk.
    let torn = disk.copy();
    torn.damage(&segments[0], |bytes| bytes[100 * SECTOR..101 * SECTOR].fill(0));
    let opened = headless(&torn, SECTOR);
    assert!(matches!(opened, Err(LogError::Corrupt { .. })), "{opened:?}");
    // This one may be a write that was cut short.
    assert!(headless(&disk.copy(), SECTOR).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_at_an_opening_is_known_after_a_crash() {
    let store = Store::new().await;
    store.lose_index();
    lose_power(&store.disk, store.path()).await;
    let disk = &store.disk.after_power_loss(&mut bishui_tests::dice::Dice::new(1), 0);
    disk.damage(&store.segments[1], |bytes| bytes[store.last_group..].fill(0));
    let opened = open(disk, store.path()).map(drop);
    let named = matches!(&opened, Err(LogError::Corrupt { what }) if what.contains("were acknowledged"));
    assert!(named, "{opened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_was_begun_is_known_after_a_crash() {
    let (disk, directory) = (ForgetfulDisk::new(), tempfile::tempdir().unwrap());
    let log = open(&disk, directory.path()).unwrap();
    log.append(sized(1, 2, 600_000)).await.unwrap();
    disk.arm(Fault::PowerLoss(1));
    assert!(log.append(tiny(2)).await.is_err());
    drop(log);
    let disk = disk.after_power_loss(&mut bishui_tests::dice::Dice::new(1), 0);
    let segments = disk.files(".seg");
    assert!(used(&disk, &segments[1]) > 600_000);
    disk.damage(&segments[1], |bytes| bytes.fill(0));
    let opened = open(&disk, directory.path()).map(drop);
    let named = matches!(&opened, Err(LogError::Corrupt { what }) if what.contains("were acknowledged"));
    assert!(named, "{opened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_to_a_segment_that_is_ready_stops_no_writing() {
    let store = Store::new().await;
    let log = open(&store.disk, store.path()).unwrap();
    store.disk.damage(&store.segments[2], |bytes| bytes[100_000] = 1);
    log.append(sized(11, 2, 900_000)).await.unwrap();
    let events = log.read_all(Position(0), usize::MAX).await.unwrap();
    assert_eq!((events.len(), &events[..store.events.len()]), (store.events.len() + 2, &store.events[..]));
    assert!(used(&store.disk, &store.segments[2]) > 100_000, "it is in use");
    drop(log);
    assert_eq!(open(&store.disk, store.path()).unwrap().verify().unwrap(), Position(events.len() as u64));
    assert_eq!(store.disk.files("0000000003-0-1.bytes").len(), 1, "what stood there is kept");
}
