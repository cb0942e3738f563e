//! Three whole services on one database, under load, while nodes are killed, stopped and cut off, and the database is
//! killed or gives way to its standby: nothing acknowledged is lost, nothing is done or mailed twice, and what a node
//! was doing goes on at another within ten seconds.
//!
//! The program runs itself as the nodes; the mail server and the people at work are in this process.
//! `BISHUI_CRASH_ROUNDS` sets the number of faults, `BISHUI_CRASH_SEED` repeats the choices of a run. As controls, nodes
//! that make an attempt again which was cut short must be found out, and so must an act that is not there.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::env;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use bishui_tests::asked;
use bishui_tests::dice::Dice;
use tokio::runtime::Runtime;

mod check;
mod client;
mod fault;
mod fleet;
mod node;
mod servers;
mod town;

use client::Acknowledged;
use fault::{Fault, Gone, Moment};
use servers::Servers;
use town::Town;

/// Faults of one fleet: one in each month of its year.
const MONTHS: u64 = 12;

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("offices_on_one_database_lose_and_repeat_nothing: test");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(directory) = env::var_os(node::DIRECTORY) {
        runtime.block_on(node::run(PathBuf::from(directory)));
    } else {
        let mut servers = Servers::start();
        offices_on_one_database_lose_and_repeat_nothing(&runtime, &mut servers);
        careless_offices_are_found_out(&runtime, &mut servers);
    }
}

fn offices_on_one_database_lose_and_repeat_nothing(runtime: &Runtime, servers: &mut Servers) {
    let rounds = asked::rounds(fault::FEWEST);
    let seed = asked::seed();
    println!("{rounds} faults, BISHUI_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut done = 0;
    while done < rounds {
        let mut town = Town::start(runtime, servers, false, dice.roll());
        let months = MONTHS.min(rounds - done);
        let longest = town.year(done, months, &mut dice);
        let (unanswered, repeated) =
            (town.book.unanswered.load(Ordering::Relaxed), town.book.repeated.load(Ordering::Relaxed));
        let outcome = town.end();
        assert_eq!(outcome.faults, Vec::<String>::new());
        done += months;
        println!(
            "ok: {months} faults, {} acts acknowledged ({unanswered} requests unanswered, {repeated} acts found recorded), \
             mail taken for {} recipients, unknown for {}, work taken over in at most {longest:?}",
            outcome.known.len(),
            outcome.taken,
            outcome.unknown,
        );
    }
}

/// The control: where the mailer is believed to make one message of two, the one under way at the kill goes twice.
fn careless_offices_are_found_out(runtime: &Runtime, servers: &mut Servers) {
    let mut town = Town::start(runtime, servers, true, 1);
    let mut dice = Dice::new(1);
    town.client(0).adopt();
    town.month(1, (Fault::Node(Gone::Killed), Moment::Sending), &mut dice);
    let mut outcome = town.end();
    let [first, second] = outcome.faults.as_slice() else { panic!("two recipients: {:?}", outcome.faults) };
    assert!(first.contains("was taken 2 times") && second.contains("was taken 2 times"), "{first}; {second}");
    outcome.known.push(Acknowledged { key: "pay 999".to_owned(), positions: vec![1] });
    assert!(!check::faults_of_acts(&outcome.events, &outcome.known).is_empty(), "an act that is not there is missed");
    println!("ok: the control is found out");
}
