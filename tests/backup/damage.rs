//! Damage: every alteration of a backup is found, and the file and line are named.

use std::path::{Path, PathBuf};

use bishui_infra::attachments::Attachments;
use bishui_infra::backup::{ATTACHMENTS_DIR, BackupError, Line, Loss, MANIFEST_FILE, Reader, Until, restore, verify};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};

use crate::world::{World, all, attachments, attachments_in, manifest, restored};

/// Bytes between two flips: no common divisor with anything in a line.
const STRIDE: usize = 307;

/// A backup with several parts.
async fn backup() -> (World, PathBuf) {
    let world = World::with_batches(40).await;
    world.export("export").await.unwrap();
    let dir = world.path("export");
    assert!(manifest(&dir).parts.len() > 2);
    (world, dir)
}

/// The file and line that both a verification and a restore name, also one that ends within the damaged part.
async fn named(dir: &Path) -> (PathBuf, Option<u64>) {
    let found = match Reader::open(dir).and_then(verify) {
        Err(BackupError::Damaged { path, line, .. }) => (path, line),
        other => panic!("not refused: {other:?}"),
    };
    let listed = manifest(dir).parts.into_iter().find(|part| dir.join(&part.file) == found.0).expect("a part");
    for until in [Until::End, Until::Position(Position(listed.last - 1))] {
        assert_eq!(refused(dir, until).await, found);
    }
    found
}

/// The file and line that a restore is refused for.
async fn refused(dir: &Path, until: Until) -> (PathBuf, Option<u64>) {
    match restored(dir, until).await {
        Err(BackupError::Damaged { path, line, .. }) => (path, line),
        other => panic!("restored: {:?}", other.map(|(_, restored)| restored)),
    }
}

/// Every part with its content.
fn parts(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = manifest(dir).parts.into_iter().map(|part| dir.join(part.file));
    paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

#[tokio::test]
async fn a_flipped_bit_is_named_with_its_line() {
    let (_world, dir) = backup().await;
    for (path, content) in parts(&dir) {
        for at in (0..content.len()).step_by(STRIDE).chain([content.len() - 1]) {
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, &flipped).unwrap();
            let line = content[..at].split(|byte| *byte == b'\n').count() as u64;
            assert_eq!(named(&dir).await, (path.clone(), Some(line)), "byte {at}");
        }
        std::fs::write(&path, &content).unwrap();
    }
    verify(Reader::open(&dir).unwrap()).unwrap();
}

#[tokio::test]
async fn a_part_that_was_cut_is_named_with_the_line_it_ends_in() {
    let (_world, dir) = backup().await;
    for (path, content) in parts(&dir) {
        for at in (0..content.len()).step_by(STRIDE) {
            std::fs::write(&path, &content[..at]).unwrap();
            let line = lines(&content[..at]).len() as u64;
            assert_eq!(named(&dir).await, (path.clone(), Some(line)), "cut at byte {at}");
        }
        let whole: Vec<usize> = (1..=lines(&content).len()).collect();
        for count in &whole[..whole.len() - 1] {
            std::fs::write(&path, lines(&content)[..*count].concat()).unwrap();
            assert_eq!(named(&dir).await, (path.clone(), Some(*count as u64)), "cut after {count} lines");
        }
        std::fs::write(&path, &content).unwrap();
    }
}

#[tokio::test]
async fn a_line_that_is_missing_or_stands_twice_or_elsewhere_is_named() {
    let (_world, dir) = backup().await;
    for (path, content) in parts(&dir) {
        let lines = lines(&content);
        for place in 0..lines.len() - 1 {
            let (before, from, after) = (lines[..place].concat(), lines[place], lines[place + 1..].concat());
            let swapped = [&before, lines[place + 1], from, &lines[place + 2..].concat()].concat();
            let missing = [&before[..], &after].concat();
            for altered in [missing, swapped] {
                std::fs::write(&path, altered).unwrap();
                assert_eq!(named(&dir).await, (path.clone(), Some(place as u64 + 1)));
            }
            std::fs::write(&path, [&before, from, from, &after].concat()).unwrap();
            assert_eq!(named(&dir).await, (path.clone(), Some(place as u64 + 2)));
        }
        std::fs::write(&path, &content).unwrap();
    }
}

/// The payload of the first event of a part rewritten: `line` gives the line with the leaf hash that it then stands with.
fn forged(content: &[u8], line: impl Fn(Recorded) -> Vec<u8>) -> Vec<u8> {
    let lines = lines(content);
    let mut event = Line::parse(lines[0]).unwrap().event;
    event.payload = event.payload.replacen("次", "词", 1);
    [&line(event), &lines[1..].concat()[..]].concat()
}

#[tokio::test]
async fn a_line_forged_with_its_leaf_hash_is_found_by_the_sums_of_its_part() {
    let (_world, dir) = backup().await;
    for (path, content) in parts(&dir) {
        std::fs::write(&path, forged(&content, |event| Line::of(event).to_bytes())).unwrap();
        assert_eq!(named(&dir).await, (path.clone(), None));
        std::fs::write(&path, &content).unwrap();
    }
}

/// The control: what the tests above alter would be taken if it were not compared.
#[tokio::test]
async fn without_the_comparisons_a_forged_line_would_be_restored() {
    let (world, dir) = backup().await;
    let (path, content) = parts(&dir).swap_remove(0);
    std::fs::write(&path, forged(&content, |event| Line::of(event).to_bytes())).unwrap();
    let content: Vec<u8> = parts(&dir).into_iter().flat_map(|(_, content)| content).collect();
    let events = lines(&content).into_iter().map(|line| serde_json::from_slice::<Recorded>(line).unwrap()).collect();
    let log = MemoryLog::new();
    assert_eq!(log.take_over(events).await.unwrap(), world.log.head().await.unwrap());
    assert_ne!(all(&log).await, world.events().await);
}

#[tokio::test]
async fn a_part_that_is_missing_or_another_is_named() {
    let (_world, dir) = backup().await;
    let parts = parts(&dir);
    let [(first, _), (second, content), ..] = &parts[..] else { panic!("several parts") };
    std::fs::remove_file(second).unwrap();
    assert_eq!(named(&dir).await, (second.clone(), None));
    std::fs::copy(first, second).unwrap();
    assert_eq!(named(&dir).await, (second.clone(), Some(1)));
    std::fs::write(second, content).unwrap();
    verify(Reader::open(&dir).unwrap()).unwrap();
}

#[tokio::test]
async fn any_flipped_bit_of_the_manifest_is_refused() {
    let (_world, dir) = backup().await;
    let path = dir.join(MANIFEST_FILE);
    let content = std::fs::read(&path).unwrap();
    for at in 0..content.len() {
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        let refused = Reader::open(&dir).err();
        let is_refused = matches!(refused, Some(BackupError::Damaged { .. } | BackupError::Newer { .. }));
        assert!(is_refused, "byte {at}: {refused:?}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Reader::open(&dir).err(), Some(BackupError::NoBackup { .. })));
}

#[tokio::test]
async fn a_newer_format_is_said_to_be_one() {
    let (_world, dir) = backup().await;
    let path = dir.join(MANIFEST_FILE);
    let newer = std::fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2, \"signed\": true");
    std::fs::write(&path, newer).unwrap();
    assert!(matches!(Reader::open(&dir).err(), Some(BackupError::Newer { version: 2, .. })));
}

#[tokio::test]
async fn what_is_before_a_damaged_part_is_restored() {
    let (world, dir) = backup().await;
    let [first, second, ..] = &manifest(&dir).parts[..] else { panic!("several parts") };
    std::fs::remove_file(dir.join(&second.file)).unwrap();
    for last in [first.last - 1, first.last] {
        let (log, _) = restored(&dir, Until::Position(Position(last))).await.unwrap();
        let restored = all(&log).await;
        assert!(!restored.is_empty());
        assert!(world.events().await.starts_with(&restored));
        assert_eq!(restored.len() as u64 == last, last == first.last, "up to the last whole batch");
    }
}

#[tokio::test]
async fn every_attachment_that_is_missing_or_altered_is_named_and_the_rest_restored_if_that_is_accepted() {
    let (world, dir) = backup().await;
    let paths = attachments(&dir);
    let [altered, missing, ..] = &paths[..] else { panic!("several attachments") };
    std::fs::write(altered, "别的").unwrap();
    assert_eq!(refused(&dir, Until::End).await, (altered.clone(), None));
    let content = std::fs::read(missing).unwrap();
    std::fs::remove_file(missing).unwrap();
    let found = verify(Reader::open(&dir).unwrap()).unwrap();
    let (log, copies) = (MemoryLog::new(), tempfile::tempdir().unwrap());
    let copies = Attachments::at(copies.path());
    let reader = Reader::open(&dir).unwrap();
    let restored = restore(reader, Until::End, Loss::Accepted, &log, &copies).await.unwrap();
    assert_eq!(restored, found);
    assert_eq!(all(&log).await, world.events().await);
    let kept = Attachments::at(dir.join(ATTACHMENTS_DIR));
    let mut lost: Vec<PathBuf> = restored.lost.iter().map(|lost| kept.path(lost.sha256)).collect();
    lost.sort();
    assert_eq!(lost, [altered.clone(), missing.clone()]);
    assert_eq!(attachments_in(copies.dir()).len(), paths.len() - lost.len());
    for lost in &restored.lost {
        let event = &world.events().await[usize::try_from(lost.event.0).unwrap() - 1];
        assert!(event.payload.contains(&lost.name) && event.payload.contains(&lost.sha256.to_string()), "{lost}");
    }
    // What is beside the log already is not lost.
    copies.put(&content).unwrap();
    let reader = Reader::open(&dir).unwrap();
    let again = restore(reader, Until::End, Loss::Accepted, &MemoryLog::new(), &copies).await.unwrap();
    assert_eq!(again.lost.len(), 1, "{:?}", again.lost);
}
