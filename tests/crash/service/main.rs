//! Kills of the whole office: whatever was acknowledged before a SIGKILL is there afterwards, nothing is done or mailed
//! twice, and what was begun goes on.
//!
//! The program runs itself as the process to be killed, with mail into a spool and with mail over SMTP.
//! `BISHUI_CRASH_ROUNDS` sets the number of kills of each, `BISHUI_CRASH_SEED` repeats a run. Controls break the office
//! on purpose; the same check must find each of them.

use std::env;
use std::path::Path;

mod check;
mod pass;
mod told;
mod victim;

use bishui_tests::asked;
use bishui_tests::dice::Dice;
use bishui_tests::smtp_sink::Server;
use check::{Outcome, examine};
use pass::{DOT, Kill, Pass};
use victim::{Sabotage, Stop};

/// Kills of each kind of mail without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 50;
/// Kills that a pass is meant to meet: a victim dies on average after so small a part of its work.
const KILLS_PER_PASS: u64 = 13;
/// Moments worth hitting of themselves: before and after whatever leaves a trace outside the process.
const MOMENTS: [&str; 7] = ["append", "appended", "move", "moved", "send", "sent", "acked"];

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("a_killed_office_loses_nothing_and_repeats_nothing: test");
    } else if let Some(directory) = env::var_os(victim::DIRECTORY) {
        victim::run(Path::new(&directory));
    } else {
        a_killed_office_loses_nothing_and_repeats_nothing();
    }
}

fn a_killed_office_loses_nothing_and_repeats_nothing() {
    let rounds = asked::rounds(ROUNDS);
    let seed = asked::seed();
    println!("{rounds} kills with each kind of mail, BISHUI_CRASH_SEED={seed}");
    let mut random = Dice::new(seed);
    let references = [undisturbed(false), undisturbed(true)];
    for reference in &references {
        let mut kills = 0;
        while kills < rounds {
            kills += one_pass(rounds - kills, reference, &mut random);
        }
        println!("ok: {kills} kills, {}", if reference.is_over_smtp() { "SMTP" } else { "spool" });
    }
    let [spooled, over_smtp] = &references;
    control(Sabotage::EarlyAcknowledgement, spooled, "acked");
    control(Sabotage::NoKeys, spooled, "acked");
    control(Sabotage::NewMessageIds, spooled, "sent");
    control(Sabotage::RetryUnknown, over_smtp, DOT);
}

/// A run without kills: what must come out, and how much is said on the way.
struct Reference {
    outcome: Outcome,
    pass: Pass,
}

impl Reference {
    fn is_over_smtp(&self) -> bool {
        self.pass.server.is_some()
    }

    fn count(&self, prefix: &str) -> u64 {
        self.pass.words.iter().filter(|(word, _)| prefix.is_empty() || *word == prefix).map(|(_, count)| count).sum()
    }
}

fn mail_server(over_smtp: bool) -> Option<Server> {
    over_smtp.then(|| Server::start().expect("a port is free"))
}

fn undisturbed(over_smtp: bool) -> Reference {
    let mut pass = Pass::new(mail_server(over_smtp), None);
    pass.run(None, 0);
    let outcome = examine(&pass);
    assert_eq!(outcome.faults, [""; 0], "without any kill");
    assert_eq!(outcome.unknown, 0, "without any kill");
    Reference { outcome, pass }
}

/// Plays the scenario with at most `kills_max` kills and gives how many there were.
fn one_pass(kills_max: u64, reference: &Reference, random: &mut Dice) -> u64 {
    let mut pass = Pass::new(mail_server(reference.is_over_smtp()), None);
    let mut kills = 0;
    loop {
        let kill = (kills < kills_max).then(|| some_kill(reference, random));
        // One client in four has not heard of the last acts and does them again.
        let lost = if random.roll().is_multiple_of(4) { random.roll() % 3 + 1 } else { 0 };
        if !pass.run(kill.as_ref(), lost) {
            break;
        }
        kills += 1;
    }
    let mut outcome = examine(&pass);
    outcome.compare(&reference.outcome);
    assert_eq!(outcome.faults, [""; 0], "after {kills} kills");
    println!("pass: {kills} kills, {} outcomes unknown until resolved", outcome.unknown);
    kills
}

fn some_kill(reference: &Reference, random: &mut Dice) -> Kill {
    let moment = usize::try_from(random.roll() % (MOMENTS.len() as u64)).expect("a small number");
    let (prefix, halted) = match random.roll() % 4 {
        0 => ("", true),
        1 if reference.is_over_smtp() => (DOT, false),
        1 | 2 => ("", false),
        _ => (MOMENTS[moment], true),
    };
    let most = (reference.count(prefix) * 2 / KILLS_PER_PASS).max(1);
    Kill { at: Stop { prefix: prefix.to_owned(), nth: random.roll() % most + 1 }, halted }
}

/// Plays the scenario with something broken; the check must see it.
fn control(sabotage: Sabotage, reference: &Reference, at: &str) {
    let mut pass = Pass::new(mail_server(reference.is_over_smtp()), Some(sabotage));
    let lost = if sabotage == Sabotage::NoKeys { 2 } else { 0 };
    let nth = reference.count(at) / 3;
    let kill = Kill { at: Stop { prefix: at.to_owned(), nth: nth | 1 }, halted: at != DOT };
    let mut kills = 0;
    while kills < 2 && pass.run(Some(&kill), lost) {
        kills += 1;
    }
    if kills == 2 {
        pass.run(None, lost);
    }
    let mut outcome = examine(&pass);
    outcome.compare(&reference.outcome);
    let fault = outcome.faults.first().map(|fault| fault.chars().take(160).collect::<String>());
    let fault = fault.unwrap_or_else(|| panic!("the check does not see {}", sabotage.name()));
    println!("control {}: seen after {kills} kills, {} faults: {fault}", sabotage.name(), outcome.faults.len());
}
