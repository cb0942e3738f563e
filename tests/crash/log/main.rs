//! Kills of the embedded log: whatever was acknowledged before a SIGKILL is there afterwards, in its place, byte for
//! byte, and no batch is there in part.
//!
//! The program runs itself as the process to be killed. `BISHUI_CRASH_ROUNDS` sets the number of kills,
//! `BISHUI_CRASH_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bishui_infra::event_log::Position;
use bishui_tests::asked;
use bishui_tests::dice::Dice;

mod check;
mod victim;

/// Kills without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 50;
/// Kills on one directory; the log is read whole after each.
const ROUNDS_PER_STORE: u64 = 10;
/// Most acknowledgements waited for before a kill.
const ACKNOWLEDGEMENTS_MAX: u64 = 300;
/// Most steps that the parent computes between the last acknowledgement and the kill, about a tenth of a second. A kill
/// at once would always fall at the beginning of a group and never into the writing of a large one.
const STEPS_MAX: u64 = 1 << 22;
/// Directory given to the process that will be killed.
const STORE: &str = "BISHUI_CRASH_STORE";
/// What the victim prints before it opens the store.
const READY: &str = "ready";

/// A batch that the victim was told is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Acknowledged {
    writer: u64,
    /// Version of the writer's streams that it made.
    version: u64,
    first: Position,
    last: Position,
}

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("a_killed_log_keeps_what_it_acknowledged: test");
    } else if let Some(store) = env::var_os(STORE) {
        victim::run(Path::new(&store));
    } else {
        a_killed_log_keeps_what_it_acknowledged();
    }
}

fn a_killed_log_keeps_what_it_acknowledged() {
    let rounds = asked::rounds(ROUNDS);
    let seed = asked::seed();
    println!("{rounds} kills, BISHUI_CRASH_SEED={seed}");
    let mut random = Dice::new(seed);
    let mut store = tempfile::tempdir().unwrap();
    let mut known = Vec::new();
    let mut total = 0;
    for round in 0..rounds {
        if round > 0 && round.is_multiple_of(ROUNDS_PER_STORE) {
            store = tempfile::tempdir().unwrap();
            known.clear();
        }
        // One round in eight is killed while it opens the store.
        let wanted = if random.roll().is_multiple_of(8) { 0 } else { random.roll() % ACKNOWLEDGEMENTS_MAX + 1 };
        let steps = random.roll() % STEPS_MAX;
        let acknowledged = kill_after(store.path(), wanted, steps);
        total += acknowledged.len();
        known.extend(acknowledged);
        let head = check::reopened(store.path(), &known);
        println!("round {round}: killed after {wanted}, {} known in this store, head {head}", known.len());
    }
    println!("ok: {rounds} kills, {total} acknowledged batches, none lost");
}

/// Runs the victim on `store` until it printed `wanted` acknowledgements, computes `steps` steps, kills it, and gives
/// all that it printed.
fn kill_after(store: &Path, wanted: u64, steps: u64) -> Vec<Acknowledged> {
    let program = env::current_exe().unwrap();
    let mut victim = Command::new(program).env(STORE, store).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().expect("the victim starts").unwrap(), READY);
    let mut acknowledged = Vec::new();
    for _ in 0..wanted {
        acknowledged.push(parse(&lines.next().expect("the victim lives until it is killed").unwrap()));
    }
    let mut idle = Dice::new(steps);
    for _ in 0..steps {
        std::hint::black_box(idle.roll());
    }
    victim.kill().unwrap();
    // What it printed between the last line read and its end was acknowledged too.
    acknowledged.extend(lines.map(|line| parse(&line.unwrap())));
    victim.wait().unwrap();
    acknowledged
}

fn parse(line: &str) -> Acknowledged {
    let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let [writer, version, first, last] = numbers[..] else { panic!("not an acknowledgement: {line}") };
    Acknowledged { writer, version, first: Position(first), last: Position(last) }
}
