//! Bytes of the store's own files changed on a closed copy: opening it, reading it through and comparing it with the
//! checkpoint either reports damage or gives the same log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, Position, Recorded};
use bishui_infra::transparency::audit::audit;
use bishui_infra::transparency::notary::Notary;

use crate::town::{claim, play};

/// Changed bytes that are tried when `BISHUI_FLIPS` does not say how many.
const FLIPS: usize = 100;

/// Every file of a directory and of those in it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

/// The whole log of a store, when it opens, verifies and is the one of the checkpoints; else what was reported.
async fn read(dir: PathBuf, notary: &Notary) -> Result<Vec<Recorded>, String> {
    let log = SledLog::open(dir).map_err(|error| error.to_string())?;
    log.verify().map_err(|error| error.to_string())?;
    let claims: Vec<_> = notary.checkpoints().iter().map(claim).collect();
    let found = audit(&log, &notary.tiles().unwrap(), &claims).await.map_err(|error| error.to_string())?;
    if let Some(difference) = found.differences.first() {
        return Err(difference.to_string());
    }
    log.read_all(Position(0), 10_000).await.map_err(|error| error.to_string())
}

/// The places to change: spread evenly over the bytes that are not zero, and one in ten over the zeros.
fn places(store: &Path, count: usize) -> Vec<(PathBuf, usize)> {
    let (mut written, mut zeros) = (Vec::new(), Vec::new());
    for file in files(store) {
        for (at, byte) in std::fs::read(&file).unwrap().into_iter().enumerate() {
            let relative = file.strip_prefix(store).unwrap().to_owned();
            if byte == 0 { zeros.push((relative, at)) } else { written.push((relative, at)) }
        }
    }
    let spread = |places: Vec<(PathBuf, usize)>, count: usize| {
        let step = (places.len() / count.max(1)).max(1);
        places.into_iter().step_by(step)
    };
    spread(written, count).chain(spread(zeros, count / 10)).collect()
}

#[test]
fn a_changed_byte_of_the_store_is_reported_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut notary = Notary::open(&dir.path().join("proof"), None).unwrap();
    runtime.block_on(async {
        let log: Arc<dyn EventLog> = Arc::new(SledLog::open(&store).unwrap());
        play(&log).await;
        notary.checkpoint(&*log).await.unwrap();
    });
    let control = dir.path().join("control");
    copy(&store, &control);
    let events = runtime.block_on(read(control, &notary)).unwrap();
    assert!(events.len() >= 15);
    let count = std::env::var("BISHUI_FLIPS").map_or(FLIPS, |count| count.parse().expect("a number of flips"));
    let mut reported = 0;
    for (number, (file, at)) in places(&store, count).into_iter().enumerate() {
        let copied = dir.path().join(format!("copy-{number}"));
        copy(&store, &copied);
        let path = copied.join(&file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= if number % 2 == 0 { 0x01 } else { 0x80 };
        std::fs::write(&path, bytes).unwrap();
        match runtime.block_on(read(copied.clone(), &notary)) {
            Ok(found) => assert!(found == events, "byte {at} of {} changes the log unnoticed", file.display()),
            Err(_) => reported += 1,
        }
        std::fs::remove_dir_all(copied).unwrap();
    }
    assert!(reported > 0, "some of these bytes are the events");
}
