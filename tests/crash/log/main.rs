//! Kills of the embedded log: whatever was acknowledged before a SIGKILL is there afterwards, in its place, byte for
//! byte, and no batch is there in part.
//!
//! The program runs itself as the process to be killed. `BISHUI_CRASH_ROUNDS` sets the number of kills,
//! `BISHUI_CRASH_SEED` repeats a run. As a control, a process that tells before it appends must be found out.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bishui_tests::acknowledged::Acknowledged;
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
/// `yes` for a process that tells before it appends.
const EARLY: &str = "BISHUI_CRASH_EARLY";
/// What the victim prints before it opens the store.
const READY: &str = "ready";

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("a_killed_log_keeps_what_it_acknowledged: test");
    } else if let Some(store) = env::var_os(STORE) {
        victim::run(Path::new(&store), env::var_os(EARLY).is_some());
    } else {
        a_killed_log_keeps_what_it_acknowledged();
        a_log_that_acknowledges_early_is_found_out();
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
        let acknowledged = kill_after(store.path(), false, wanted, steps);
        total += acknowledged.len();
        known.extend(acknowledged);
        let head = check::reopened(store.path(), &known).unwrap_or_else(|fault| panic!("round {round}: {fault}"));
        println!("round {round}: killed after {wanted}, {} known in this store, head {head}", known.len());
    }
    println!("ok: {rounds} kills, {total} acknowledged batches, none lost");
}

/// The control: what was told and not yet appended is missing after the kill, and the check says so.
fn a_log_that_acknowledges_early_is_found_out() {
    let store = tempfile::tempdir().unwrap();
    let known = kill_after(store.path(), true, victim::EARLY_BATCHES / 2, 0);
    let found = check::reopened(store.path(), &known);
    assert!(found.as_ref().is_err_and(|fault| fault.ends_with("is not there")), "{found:?}");
    println!("ok: a process that told early was found out: {found:?}");
}

/// Runs the victim on `store` until it printed `wanted` acknowledgements, `early` or not, computes `steps` steps, kills
/// it, and gives all that it printed.
fn kill_after(store: &Path, early: bool, wanted: u64, steps: u64) -> Vec<Acknowledged> {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(STORE, store).envs(early.then_some((EARLY, "yes")));
    let mut victim = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().expect("the victim starts").unwrap(), READY);
    let mut acknowledged = Vec::new();
    for _ in 0..wanted {
        acknowledged.push(Acknowledged::parse(&lines.next().expect("the victim lives until it is killed").unwrap()));
    }
    let mut idle = Dice::new(steps);
    for _ in 0..steps {
        std::hint::black_box(idle.roll());
    }
    victim.kill().unwrap();
    // What it printed between the last line read and its end was acknowledged too.
    acknowledged.extend(lines.map(|line| Acknowledged::parse(&line.unwrap())));
    victim.wait().unwrap();
    acknowledged
}
