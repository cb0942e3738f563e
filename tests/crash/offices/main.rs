//! Three whole services on one database, killed under load: nothing acknowledged is lost, nothing is done or mailed
//! twice, and what a node was doing goes on at another within ten seconds.
//!
//! The program runs itself as the nodes; the mail server and the people at work are in this process.
//! `BISHUI_CRASH_ROUNDS` sets the number of kills, `BISHUI_CRASH_SEED` repeats the choices of a run. As controls, nodes
//! that make an attempt again which was cut short must be found out, and so must an act that is not there.
#![expect(clippy::unwrap_used, reason = "a failure of the harness is a failure of the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bishui::register::Register;
use bishui_infra::event_log::Recorded;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_tests::asked;
use bishui_tests::dice::Dice;
use bishui_tests::postgres::{Cluster, parsed};
use bishui_tests::smtp_sink::{Server, Taken};
use tokio::runtime::Runtime;

mod check;
mod client;
mod fleet;
mod node;

use client::{Acknowledged, Book, Client};
use fleet::{Common, Fleet, wait_for};

/// Kills without `BISHUI_CRASH_ROUNDS`.
const ROUNDS: u64 = 6;
/// Kills of one fleet: one in each month of its year.
const MONTHS: u64 = 12;
/// Longest time until others have the work of a node that was killed.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// Longest time until something that is sure to come has come.
const COMES: Duration = Duration::from_mins(2);
/// People who book payments.
const PAYERS: u64 = 4;
/// Acts acknowledged at most before a node is killed that is not caught while it sends.
const ACTS: u64 = 20;

fn main() {
    if env::args().any(|argument| argument == "--list") {
        println!("offices_on_one_database_lose_and_repeat_nothing: test");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(directory) = env::var_os(node::DIRECTORY) {
        runtime.block_on(node::run(PathBuf::from(directory)));
    } else {
        offices_on_one_database_lose_and_repeat_nothing(&runtime);
        careless_offices_are_found_out(&runtime);
    }
}

/// Whom a kill hits, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// The node that sends mail, once the server has taken a message and before it has said so.
    Sending,
    /// The node that sends mail, just when the server says that it has taken a message.
    Told,
    /// The node that follows acts through, under load.
    Following,
    /// Any node, under load.
    Any,
}

const KILLS: [Kill; 4] = [Kill::Sending, Kill::Any, Kill::Following, Kill::Told];

/// The fleet, the people and the mail server of one database.
struct Town<'a> {
    runtime: &'a Runtime,
    log: PostgresLog,
    mail: Server,
    fleet: Fleet,
    book: Arc<Book>,
    seed: u64,
}

/// What has come of a town.
struct Outcome {
    faults: Vec<String>,
    events: Vec<Recorded>,
    known: Vec<Acknowledged>,
    /// Messages that the mail server took, counted for each recipient.
    taken: usize,
    /// Recipients of whom nobody knew whether the server had taken their message, until a person found out.
    unknown: usize,
}

fn offices_on_one_database_lose_and_repeat_nothing(runtime: &Runtime) {
    let rounds = asked::rounds(ROUNDS);
    let seed = asked::seed();
    println!("{rounds} kills, BISHUI_CRASH_SEED={seed}");
    let cluster = Cluster::start(&[]);
    let mut dice = Dice::new(seed);
    let mut done = 0;
    while done < rounds {
        let mut town = Town::start(runtime, &cluster, false, dice.roll());
        let months = MONTHS.min(rounds - done);
        let longest = town.year(done, months, &mut dice);
        let (unanswered, repeated) =
            (town.book.unanswered.load(Ordering::Relaxed), town.book.repeated.load(Ordering::Relaxed));
        let outcome = town.end();
        assert_eq!(outcome.faults, Vec::<String>::new());
        done += months;
        println!(
            "ok: {months} kills, {} acts acknowledged ({unanswered} requests unanswered, {repeated} acts found recorded), \
             mail taken for {} recipients, unknown for {}, work taken over in at most {longest:?}",
            outcome.known.len(),
            outcome.taken,
            outcome.unknown,
        );
    }
}

/// The control: where the mailer is believed to make one message of two, the one under way at the kill goes twice.
fn careless_offices_are_found_out(runtime: &Runtime) {
    let cluster = Cluster::start(&[]);
    let mut town = Town::start(runtime, &cluster, true, 1);
    let mut dice = Dice::new(1);
    town.client(0).adopt();
    town.month(1, Kill::Sending, &mut dice);
    let mut outcome = town.end();
    let [first, second] = outcome.faults.as_slice() else { panic!("two recipients: {:?}", outcome.faults) };
    assert!(first.contains("was taken 2 times") && second.contains("was taken 2 times"), "{first}; {second}");
    outcome.known.push(Acknowledged { key: "pay 999".to_owned(), positions: vec![1] });
    assert!(!check::faults_of_acts(&outcome.events, &outcome.known).is_empty(), "an act that is not there is missed");
    println!("ok: the control is found out");
}

impl<'a> Town<'a> {
    fn start(runtime: &'a Runtime, cluster: &Cluster, careless: bool, seed: u64) -> Self {
        let store = runtime.block_on(cluster.database());
        let log = runtime.block_on(PostgresLog::open(&parsed(&store))).unwrap();
        let mail = Server::start().unwrap();
        let fleet = Fleet::start(Common { store, mail_port: mail.port, careless });
        Self { runtime, log, mail, fleet, book: Arc::default(), seed }
    }

    fn client(&self, number: u64) -> Client {
        Client::new(&self.fleet.addresses, &self.book, self.seed.wrapping_add(number))
    }

    /// Adopts the plan and goes through the months with a kill in each, while payments are booked. Gives the longest
    /// time until work was taken over.
    fn year(&mut self, done: u64, months: u64, dice: &mut Dice) -> Duration {
        self.client(0).adopt();
        let stop = Arc::new(AtomicBool::new(false));
        let payers: Vec<_> = (1..=PAYERS)
            .map(|payer| {
                let (mut client, stop) = (self.client(payer), Arc::clone(&stop));
                thread::spawn(move || client.pay(payer * 1_000_000, &stop))
            })
            .collect();
        let mut longest = Duration::ZERO;
        for month in 1..=months {
            let round = done + month - 1;
            let chosen = if round < 4 { round } else { dice.below(4) };
            let kill = KILLS[usize::try_from(chosen).unwrap()];
            let gap = self.month(month, kill, dice);
            println!("kill {round}: {kill:?}, others had the work after {gap:?}");
            longest = longest.max(gap);
        }
        stop.store(true, Ordering::Relaxed);
        for payer in payers {
            payer.join().unwrap();
        }
        longest
    }

    /// Works through a month while a node is killed, and starts that node again; gives the time until others had all
    /// work.
    fn month(&mut self, month: u64, kill: Kill, dice: &mut Dice) -> Duration {
        let (dots, seen) = mpsc::channel::<Sender<()>>();
        if matches!(kill, Kill::Sending | Kill::Told) {
            let dots = Mutex::new(dots);
            self.mail.tell(Some(Arc::new(move |answer| drop(dots.lock().unwrap().send(answer)))));
        }
        let mut client = self.client(100 + month);
        let work = thread::spawn(move || client.month(month));
        let (victim, answer) = self.moment_of(kill, &seen, dice);
        let killed = Instant::now();
        self.fleet.kill(victim);
        let taken = self.mail.taken_so_far().len();
        // Only here: a session that ends without an answer must not be seen by a node that lives.
        drop(answer);
        let gap = self.fleet.all_work_is_taken(killed);
        assert!(gap < TAKEN_OVER, "work was taken over after {gap:?}");
        if kill == Kill::Sending {
            wait_for("mail goes on at another node", COMES, || (self.mail.taken_so_far().len() > taken).then_some(()));
            let mailed = killed.elapsed();
            assert!(mailed < TAKEN_OVER, "mail went on after {mailed:?}");
        }
        work.join().unwrap();
        self.fleet.start_node(victim);
        gap
    }

    /// Waits for the moment of a kill; gives the node that it hits, and what would answer the message at its final dot.
    fn moment_of(&self, kill: Kill, seen: &Receiver<Sender<()>>, dice: &mut Dice) -> (usize, Option<Sender<()>>) {
        match kill {
            Kill::Sending | Kill::Told => {
                let answer = seen.recv_timeout(COMES).expect("a message comes to its final dot");
                let victim = self.fleet.worker("mail");
                self.mail.tell(None);
                if kill == Kill::Told {
                    answer.send(()).unwrap();
                }
                (victim, Some(answer))
            }
            Kill::Following | Kill::Any => {
                let enough = self.acknowledged() + usize::try_from(dice.below(ACTS)).unwrap();
                wait_for("acts are acknowledged", COMES, || (self.acknowledged() >= enough).then_some(()));
                let any = usize::try_from(dice.roll()).unwrap() % fleet::NODES;
                (if kill == Kill::Any { any } else { self.fleet.worker("processes") }, None)
            }
        }
    }

    fn acknowledged(&self) -> usize {
        self.book.known.lock().unwrap().len()
    }

    /// Waits until all mail is sent or its outcome unknown, has a person find out about the latter at the mail server,
    /// kills all nodes, and examines what is left.
    fn end(self) -> Outcome {
        let unknown = check::unknown(&self.settled());
        let taken: BTreeSet<Taken> = self.mail.taken_so_far().into_iter().collect();
        let arrived: BTreeMap<_, _> = unknown.iter().map(|(mail, to)| (*mail, taken.contains(to))).collect();
        let mut client = self.client(0);
        for (mail, arrived) in arrived {
            client.resolve(mail, arrived);
        }
        self.settled();
        let Self { runtime, log, mail, fleet, book, .. } = self;
        drop(fleet);
        let events = runtime.block_on(check::events(&log));
        let known = book.known.lock().unwrap().clone();
        let taken = mail.taken();
        let mut faults = check::faults_of_acts(&events, &known);
        faults.extend(check::faults_of_mail(&check::register(&events), &taken));
        faults.extend(runtime.block_on(check::replays(&log)));
        Outcome { faults, events, known, taken: taken.len(), unknown: unknown.len() }
    }

    /// Everything people look up, once all mail is sent or its outcome unknown.
    fn settled(&self) -> Register {
        wait_for("all mail is settled", COMES, || {
            let register = check::register(&self.runtime.block_on(check::events(&self.log)));
            check::mail_is_settled(&register).then_some(register)
        })
    }
}
