//! The fleet, the people and the mail server of one database, month after month with a fault in each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bishui::register::Register;
use bishui_infra::event_log::Recorded;
use bishui_infra::event_log::postgres::PostgresLog;
use bishui_tests::dice::Dice;
use bishui_tests::postgres::parsed;
use bishui_tests::smtp_sink::{Server, Taken};
use tokio::runtime::Runtime;

use crate::check;
use crate::client::{Acknowledged, Book, Client};
use crate::fault::{self, Fault, Gone, Moment};
use crate::fleet::{self, Common, Fleet, wait_for};
use crate::servers::{self, Servers};

/// Longest time until others have the work of a node that is gone.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// Longest time until something that is sure to come has come.
const COMES: Duration = Duration::from_mins(2);
/// People who book payments.
const PAYERS: u64 = 4;
/// Acts acknowledged at most before a fault that does not wait for a message.
const ACTS: u64 = 20;

/// A town.
pub(crate) struct Town<'a> {
    runtime: &'a Runtime,
    servers: &'a mut Servers,
    database: String,
    log: PostgresLog,
    mail: Server,
    fleet: Fleet,
    pub(crate) book: Arc<Book>,
    seed: u64,
}

/// What has come of a town.
pub(crate) struct Outcome {
    pub(crate) faults: Vec<String>,
    pub(crate) events: Vec<Recorded>,
    pub(crate) known: Vec<Acknowledged>,
    /// Messages that the mail server took, counted for each recipient.
    pub(crate) taken: usize,
    /// Recipients of whom nobody knew whether the server had taken their message, until a person found out.
    pub(crate) unknown: usize,
}

/// The moment of a fault.
struct Struck {
    moment: Moment,
    /// The node that it hits where it hits one.
    node: usize,
    /// What answers the message at its final dot.
    answer: Option<Sender<()>>,
    /// Those who work through the month.
    people: JoinHandle<()>,
}

impl<'a> Town<'a> {
    pub(crate) fn start(runtime: &'a Runtime, servers: &'a mut Servers, careless: bool, seed: u64) -> Self {
        let (database, ports) = (runtime.block_on(servers.database()), servers.ports);
        let log = runtime.block_on(PostgresLog::open(&parsed(&servers::address(&database, ports)))).unwrap();
        let mail = Server::start().unwrap();
        let common = Common { database: database.clone(), ports, mail_port: mail.port, careless };
        let fleet = runtime.block_on(Fleet::start(common));
        Self { runtime, servers, database, log, mail, fleet, book: Arc::default(), seed }
    }

    pub(crate) fn client(&self, number: u64) -> Client {
        Client::new(&self.fleet.addresses, &self.book, self.seed.wrapping_add(number))
    }

    /// Adopts the plan and goes through the months with a fault in each, while payments are booked. Gives the longest
    /// time until work was taken over.
    pub(crate) fn year(&mut self, done: u64, months: u64, dice: &mut Dice) -> Duration {
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
            let (begun, (fault, moment)) = (Instant::now(), fault::of(round, dice));
            let gap = self.month(month, (fault, moment), dice);
            println!(
                "round {round}: {fault:?} at {moment:?}, others had the work after {gap:?}, over after {:?}",
                begun.elapsed()
            );
            longest = longest.max(gap.unwrap_or_default());
        }
        stop.store(true, Ordering::Relaxed);
        for payer in payers {
            payer.join().unwrap();
        }
        longest
    }

    /// Works through a month while something fails; gives the time until others had all work of a node that was gone.
    pub(crate) fn month(&mut self, month: u64, (fault, moment): (Fault, Moment), dice: &mut Dice) -> Option<Duration> {
        if fault == Fault::Promote {
            self.runtime.block_on(self.servers.stand_by(&self.database));
        }
        let (dots, seen) = mpsc::channel::<Sender<()>>();
        if matches!(moment, Moment::Sending | Moment::Told) {
            let dots = Mutex::new(dots);
            self.mail.tell(Some(Arc::new(move |answer| drop(dots.lock().unwrap().send(answer)))));
        }
        let mut client = self.client(100 + month);
        let people = thread::spawn(move || client.month(month));
        let (node, answer) = self.moment_of(moment, &seen, dice);
        let struck = Struck { moment, node, answer, people };
        match fault {
            Fault::Node(gone) => Some(self.without_a_node(gone, struck)),
            Fault::Database(signal) => {
                self.without_database(signal, struck, Servers::restart);
                None
            }
            Fault::Promote => {
                self.without_database("KILL", struck, Servers::promote);
                None
            }
        }
    }

    /// Waits for the moment of a fault; gives the node that it hits, and what would answer the message at its final dot.
    fn moment_of(&self, moment: Moment, seen: &Receiver<Sender<()>>, dice: &mut Dice) -> (usize, Option<Sender<()>>) {
        match moment {
            Moment::Sending | Moment::Told => {
                let answer = seen.recv_timeout(COMES).expect("a message comes to its final dot");
                let node = self.fleet.worker("mail");
                // There must be something to go on with.
                wait_for("more mail waits", COMES, || (check::unsettled(&self.register()) > 1).then_some(()));
                self.mail.tell(None);
                if moment == Moment::Told {
                    answer.send(()).unwrap();
                    return (node, None);
                }
                (node, Some(answer))
            }
            Moment::Following | Moment::Any => {
                let enough = self.acknowledged() + usize::try_from(dice.below(ACTS)).unwrap();
                wait_for("acts are acknowledged", COMES, || (self.acknowledged() >= enough).then_some(()));
                let any = usize::try_from(dice.roll()).unwrap() % fleet::NODES;
                (if moment == Moment::Any { any } else { self.fleet.worker("processes") }, None)
            }
        }
    }

    /// A node is gone until the people are through with the month: others must do its work, and in time. What it was
    /// asked is asked of others meanwhile, and what it then comes back with is too late.
    fn without_a_node(&mut self, gone: Gone, struck: Struck) -> Duration {
        let Struck { moment, node, answer, people } = struck;
        let since = Instant::now();
        self.fleet.take_away(node, gone);
        let taken = self.mail.taken_so_far().len();
        let gap = self.fleet.all_work_is_taken(node, since);
        assert!(gap < TAKEN_OVER, "work was taken over after {gap:?}");
        if moment == Moment::Sending {
            self.mail_goes_on(taken);
            let mailed = since.elapsed();
            assert!(mailed < TAKEN_OVER, "mail went on after {mailed:?}");
        }
        if let Some(answer) = answer {
            answer.send(()).unwrap();
        }
        people.join().unwrap();
        self.fleet.bring_back(node, gone);
        gap
    }

    /// The database ends and something takes writes again; the message at its final dot is answered in between. All nodes
    /// must go on with what they had begun.
    fn without_database(&mut self, signal: &str, struck: Struck, again: impl Fn(&mut Servers)) {
        let Struck { moment, answer, people, .. } = struck;
        self.servers.stop(signal);
        let (taken, acknowledged) = (self.mail.taken_so_far().len(), self.acknowledged());
        if let Some(answer) = answer {
            answer.send(()).unwrap();
        }
        again(self.servers);
        wait_for("acts are answered again", COMES, || (self.acknowledged() > acknowledged).then_some(()));
        if moment == Moment::Sending {
            self.mail_goes_on(taken);
        }
        people.join().unwrap();
        self.settled();
    }

    fn mail_goes_on(&self, taken: usize) {
        wait_for("mail goes on", COMES, || (self.mail.taken_so_far().len() > taken).then_some(()));
    }

    fn acknowledged(&self) -> usize {
        self.book.known.lock().unwrap().len()
    }

    /// Waits until all mail is sent or its outcome unknown, has a person find out about the latter at the mail server,
    /// kills all nodes, and examines what is left.
    pub(crate) fn end(self) -> Outcome {
        self.fleet.all_are_ready();
        let unknown = check::unknown(&self.settled());
        // A node that went on late may still be handing a message over.
        let taken: BTreeSet<Taken> = self.mail.taken().into_iter().collect();
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
            let register = self.register();
            (check::unsettled(&register) == 0).then_some(register)
        })
    }

    fn register(&self) -> Register {
        check::register(&self.runtime.block_on(check::events(&self.log)))
    }
}
