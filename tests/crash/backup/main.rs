//! Kills of a backup while it is written: whatever the manifest listed before is there afterwards, whole, and the next
//! backup goes on from there.
//!
//! The program runs itself as the process to be killed. `BISHUI_CRASH_ROUNDS` sets the number of kills,
//! `BISHUI_CRASH_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::env;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use bishui_infra::attachments::Attachments;
use bishui_infra::backup::manifest::Manifest;
use bishui_infra::backup::{Reader, Writer, verify, write};
use bishui_infra::event_log::memory::MemoryLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_tests::asked;
use bishui_tests::dice::Dice;
use bishui_tests::letters;
use tempfile::TempDir;

/// Kills without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 20;
/// Batches of the log that is backed up.
const BATCHES: u64 = 240;
/// Parts are small, so that a kill falls into many places of their making.
const PART_BYTES: u64 = 6_000;
/// Most steps that the parent computes between the last line it read and the kill.
const STEPS_MAX: u64 = 1 << 20;
/// Directory given to the process that will be killed; the backup stands in it.
const DIR: &str = "BISHUI_CRASH_DIR";

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("a_killed_backup_leaves_the_earlier_one_whole: test");
    } else if let Some(dir) = env::var_os(DIR) {
        be_killed(Path::new(&dir));
    } else {
        a_killed_backup_leaves_the_earlier_one_whole();
    }
}

fn a_killed_backup_leaves_the_earlier_one_whole() {
    let rounds = asked::rounds(ROUNDS);
    let seed = asked::seed();
    println!("{rounds} kills, BISHUI_CRASH_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut dice, mut cut_short) = (Dice::new(seed), 0);
    let mut dir = new_dir();
    let log = runtime.block_on(log());
    let head = runtime.block_on(log.head()).unwrap();
    let mut earlier = None;
    for round in 0..rounds {
        let wanted = dice.below(BATCHES / 4);
        kill_after(dir.path(), wanted, dice.below(STEPS_MAX));
        let backup = dir.path().join("backup");
        let listed = backup.is_dir().then(|| Manifest::read(&backup).unwrap()).flatten();
        assert!(listed.is_some() || earlier.is_none(), "the manifest is gone");
        let events = listed.as_ref().map_or(0, |manifest| manifest.events);
        if let Some(manifest) = &listed {
            assert_eq!(verify(Reader::open(&backup).unwrap()).unwrap().events, manifest.events);
        }
        if let (Some(Manifest { parts: before, .. }), Some(Manifest { parts: after, .. })) = (&earlier, &listed) {
            assert!(after.starts_with(before), "a part that was listed is another");
        }
        cut_short += u64::from(events < head.0);
        println!("round {round}: killed after {wanted} batches, the backup has {events} of {head} events");
        earlier = listed;
        if events > head.0 / 2 {
            finish(&runtime, dir.path(), &log);
            (dir, earlier) = (new_dir(), None);
        }
    }
    assert!(cut_short > 0, "no kill fell into a backup");
    println!("ok: {rounds} kills, {cut_short} before the end of the backup");
}

/// Ends the backup and compares it with an export that nobody disturbed.
fn finish(runtime: &tokio::runtime::Runtime, dir: &Path, log: &MemoryLog) {
    let writer = |name| Writer::open(&dir.join(name), originals(dir), PART_BYTES).unwrap();
    let ended = runtime.block_on(write(log, writer("backup"))).unwrap();
    let undisturbed = runtime.block_on(write(log, writer("undisturbed"))).unwrap();
    assert_eq!((ended.events, ended.root), (undisturbed.events, undisturbed.root));
    let content = |name| {
        let manifest = Manifest::read(&dir.join(name)).unwrap().unwrap();
        let files = std::fs::read_dir(dir.join(name).join("events")).unwrap().count();
        assert_eq!(files, manifest.parts.len(), "nothing is left of what was cut short");
        let parts = manifest.parts.iter().map(|part| std::fs::read(dir.join(name).join(&part.file)).unwrap());
        parts.collect::<Vec<_>>().concat()
    };
    assert!(content("backup") == content("undisturbed"));
    verify(Reader::open(&dir.join("backup")).unwrap()).unwrap();
}

/// Writes the backup, and a line for each batch that was taken.
fn be_killed(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let log = log().await;
        let mut writer = Writer::open(&dir.join("backup"), originals(dir), PART_BYTES).unwrap();
        println!("ready");
        let (after, head) = (writer.reads_after(), log.head().await.unwrap());
        log.replay(after, head, &mut |event| {
            writer.take(&event).unwrap();
            if event.place == 0 {
                println!("{}", event.position);
            }
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
        writer.finish(head).unwrap();
    });
}

/// The log that is backed up: the same in every process.
async fn log() -> MemoryLog {
    let log = MemoryLog::new();
    for number in 1..=BATCHES {
        log.append(letters::batch(number)).await.unwrap();
    }
    assert!(log.head().await.unwrap() > Position(BATCHES));
    log
}

/// A directory for a backup, with the attachments of the log.
fn new_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    letters::put_attachments(&originals(dir.path()), 1..=BATCHES);
    dir
}

fn originals(dir: &Path) -> Attachments {
    Attachments::at(dir.join("originals"))
}

/// Runs the victim on `dir` until it wrote `wanted` lines or ended, computes `steps` steps, and kills it.
fn kill_after(dir: &Path, wanted: u64, steps: u64) {
    let program = env::current_exe().unwrap();
    let mut victim = Command::new(program).env(DIR, dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().expect("the victim starts").unwrap(), "ready");
    for line in lines.by_ref().take(usize::try_from(wanted).unwrap()) {
        line.unwrap();
    }
    let mut idle = Dice::new(steps);
    for _ in 0..steps {
        std::hint::black_box(idle.roll());
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
}
