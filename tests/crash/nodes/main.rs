//! Several nodes on one database, killed, stopped and cut off at random, and the database killed under them: nothing
//! acknowledged is lost, nothing is done twice, and the work of a node that is gone goes on within ten seconds.
//!
//! The program runs itself as the nodes. `BISHUI_CRASH_ROUNDS` sets the number of faults, `BISHUI_CRASH_SEED` repeats a
//! run. As a control, nodes that append without their lease must be found out.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::env;
use std::time::{Duration, Instant};

use bishui_infra::event_log::EventLog;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_tests::asked;
use bishui_tests::dice::Dice;
use bishui_tests::postgres::{Cluster, database_name, parsed};

mod check;
mod fleet;
mod node;

use fleet::Fleet;

/// Faults without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 8;
/// Acknowledgements waited for between two faults.
const ACKNOWLEDGEMENTS: u64 = 60;
/// Longest time until another node does the work of one that is gone.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// Longest time that nodes may take to go on after a fault that hits all of them.
const GOES_ON: Duration = Duration::from_mins(2);

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("nodes_on_one_database_lose_and_repeat_nothing: test");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(address) = env::var_os(node::ADDRESS) {
        runtime.block_on(node::run(address.to_str().unwrap()));
    } else {
        runtime.block_on(nodes_on_one_database_lose_and_repeat_nothing());
        runtime.block_on(nodes_without_fencing_are_found_out());
    }
}

/// A fault and what it hits.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// A node is killed and started again.
    Kill,
    /// The node that does the work is killed; another must go on with it.
    KillWorker,
    /// The node that does the work is cut off from the database until another has gone on with it.
    CutOffWorker,
    /// The node that does the work is stopped until another has gone on with it, and then goes on as if nothing were.
    StopWorker,
    /// The database ends at once and is started again.
    Database(&'static str),
}

const FAULTS: [Fault; 6] = [
    Fault::KillWorker,
    Fault::Database("QUIT"),
    Fault::CutOffWorker,
    Fault::Database("KILL"),
    Fault::StopWorker,
    Fault::Kill,
];

async fn nodes_on_one_database_lose_and_repeat_nothing() {
    let rounds = asked::rounds(ROUNDS);
    let seed = asked::seed();
    println!("{rounds} faults, BISHUI_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut cluster = Cluster::start(&[]);
    let address = cluster.database().await;
    let log = PostgresLog::open(&parsed(&address)).await.unwrap();
    let mut fleet = Fleet::start(&cluster, database_name(&address), true).await;
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        fleet.acknowledged(dice.below(ACKNOWLEDGEMENTS) + 1, GOES_ON).await;
        // The first faults are one of each kind.
        let chosen = if round < 6 { round } else { dice.below(6) };
        let fault = FAULTS[usize::try_from(chosen).unwrap()];
        fleet.all_run();
        let gap = carry_out(fault, &mut cluster, &log, &mut fleet, &mut dice).await;
        longest = longest.max(gap.unwrap_or_default());
        // Those that were hit too.
        for node in 0..fleet::NODES {
            fleet.goes_on(node, GOES_ON).await;
        }
        println!("round {round}: {fault:?}, the work went on after {gap:?}");
    }
    let head = check::work_is_level(&log, GOES_ON).await;
    fleet.all_run();
    let known = fleet.end().await;
    log.verify().await.unwrap();
    let faults = check::faults(&log, &known).await;
    assert_eq!(faults, Vec::<String>::new());
    println!(
        "ok: {rounds} faults, {} acknowledged batches, none lost, head {head}, work taken over in at most {longest:?}",
        known.len()
    );
}

/// Carries a fault out; gives the time until another node went on with the work, where the fault hits its node.
async fn carry_out(
    fault: Fault,
    cluster: &mut Cluster,
    log: &PostgresLog,
    fleet: &mut Fleet,
    dice: &mut Dice,
) -> Option<Duration> {
    match fault {
        Fault::Kill => {
            let node = usize::try_from(dice.below(fleet::NODES.try_into().unwrap())).unwrap();
            fleet.kill(node);
            fleet.start_node(node);
            None
        }
        Fault::Database(signal) => {
            cluster.stop(signal);
            cluster.restart();
            None
        }
        Fault::KillWorker => {
            let worker = check::worker(log).await;
            fleet.kill(worker);
            let gap = taken_over(log, worker).await;
            fleet.start_node(worker);
            Some(gap)
        }
        Fault::CutOffWorker => {
            let worker = check::worker(log).await;
            fleet.proxy(worker).partition();
            let gap = taken_over(log, worker).await;
            fleet.proxy(worker).heal();
            Some(gap)
        }
        Fault::StopWorker => {
            let worker = check::worker(log).await;
            fleet.signal(worker, "STOP");
            let gap = taken_over(log, worker).await;
            fleet.signal(worker, "CONT");
            Some(gap)
        }
    }
}

/// Waits until a node other than `worker` does the work; gives the time that took.
async fn taken_over(log: &PostgresLog, worker: usize) -> Duration {
    let (since, from) = (Instant::now(), log.head().await.unwrap());
    check::work_of_another(log, from, worker, GOES_ON).await;
    let gap = since.elapsed();
    assert!(gap < TAKEN_OVER, "the work went on after {gap:?} only");
    gap
}

/// The control: nodes whose appends carry no lease do work twice when one of them was stopped, and the check says so.
async fn nodes_without_fencing_are_found_out() {
    let cluster = Cluster::start(&[]);
    let address = cluster.database().await;
    let log = PostgresLog::open(&parsed(&address)).await.unwrap();
    let mut fleet = Fleet::start(&cluster, database_name(&address), false).await;
    let mut faults = Vec::new();
    for _ in 0..20 {
        fleet.acknowledged(20, GOES_ON).await;
        let worker = check::worker(&log).await;
        fleet.signal(worker, "STOP");
        check::work_of_another(&log, log.head().await.unwrap(), worker, GOES_ON).await;
        fleet.signal(worker, "CONT");
        fleet.acknowledged(20, GOES_ON).await;
        faults = check::faults(&log, &[]).await;
        if !faults.is_empty() {
            break;
        }
    }
    fleet.end().await;
    assert!(faults.iter().any(|fault| fault.contains("was answered")), "the control was not found out: {faults:?}");
    println!("ok: without leases {} faults were found, the first: {}", faults.len(), faults[0]);
}
