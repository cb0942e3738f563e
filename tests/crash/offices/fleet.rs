//! The nodes as processes, each with its own ways to the servers of the database, and which of them has which work.

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use bishui::http::ServiceFile;
use bishui_tests::proxy::Proxy;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::fault::Gone;
use crate::{node, servers};

/// Nodes at once.
pub(crate) const NODES: usize = 3;
/// The work that one node does at a time.
const WORK: [&str; 3] = ["processes", "mail", "deadlines"];
/// Pause between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time that a node may take to start, or to work again after what has failed.
const STARTS: Duration = Duration::from_mins(1);
/// What the clocks show when the first node starts: all months of 2020 are over.
const BEGIN: &str = "2021-02-01T09:00:00+08:00";

/// How to reach each node that runs.
pub(crate) type Addresses = Arc<Mutex<Vec<Option<ServiceFile>>>>;

/// What all nodes of a fleet share.
pub(crate) struct Common {
    pub(crate) database: String,
    /// Of the servers of the database.
    pub(crate) ports: [u16; 2],
    pub(crate) mail_port: u16,
    /// Whether attempts that were cut short are made again, as a control.
    pub(crate) careless: bool,
}

/// A node.
struct Node {
    directory: TempDir,
    /// To the servers of the database.
    proxies: [Proxy; 2],
    child: Option<Child>,
}

/// The nodes.
pub(crate) struct Fleet {
    common: Common,
    begun: Instant,
    nodes: Vec<Node>,
    pub(crate) addresses: Addresses,
    agent: ureq::Agent,
}

impl Fleet {
    /// Starts all nodes.
    pub(crate) async fn start(common: Common) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let [first, second] = common.ports;
            let proxies = [Proxy::start(first).await, Proxy::start(second).await];
            nodes.push(Node { directory: tempfile::tempdir().unwrap(), proxies, child: None });
        }
        let addresses = Arc::new(Mutex::new(vec![None; NODES]));
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().new_agent();
        let mut fleet = Self { common, begun: Instant::now(), nodes, addresses, agent };
        (0..NODES).for_each(|number| fleet.start_node(number));
        fleet
    }

    /// Starts a node that does not run, and waits until it answers.
    fn start_node(&mut self, number: usize) {
        let Node { directory, proxies, child } = &mut self.nodes[number];
        let store = servers::address(&self.common.database, [proxies[0].port(), proxies[1].port()]);
        let passed = self.begun.elapsed();
        let time = BEGIN.parse::<Timestamp>().unwrap() + passed;
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(node::DIRECTORY, directory.path()).env(node::STORE, store);
        command.env(node::TIME, time.to_string()).env(node::PORT, self.common.mail_port.to_string());
        command.env(node::RETRIES_UNKNOWN, if self.common.careless { "yes" } else { "no" });
        let started = child.insert(command.stdin(Stdio::piped()).spawn().unwrap());
        let id = started.id();
        // The file of a node that was killed is still there.
        let service = wait_for("a node starts", STARTS, || {
            ServiceFile::read(directory.path()).unwrap().filter(|file| file.pid == id)
        });
        self.addresses.lock().unwrap()[number] = Some(service);
    }

    /// Has a node go.
    pub(crate) fn take_away(&mut self, number: usize, gone: Gone) {
        match gone {
            Gone::Killed => self.kill(number),
            Gone::CutOff => self.nodes[number].proxies.iter().for_each(Proxy::partition),
            Gone::Stopped => self.signal(number, "STOP"),
        }
    }

    /// Has a node come back.
    pub(crate) fn bring_back(&mut self, number: usize, gone: Gone) {
        match gone {
            Gone::Killed => self.start_node(number),
            Gone::CutOff => self.nodes[number].proxies.iter().for_each(Proxy::heal),
            Gone::Stopped => self.signal(number, "CONT"),
        }
    }

    fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.nodes[number].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.addresses.lock().unwrap()[number] = None;
    }

    fn signal(&self, number: usize, signal: &str) {
        let id = self.nodes[number].child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// The node that has `work`, as it says itself; `gone` is not asked.
    fn holder(&self, work: &str, gone: Option<usize>) -> Option<usize> {
        let says = format!("bishui_lease_held{{work=\"{work}\"}} 1");
        (0..NODES)
            .filter(|number| Some(*number) != gone)
            .find(|number| self.asked(*number, "/metrics").is_some_and(|text| text.contains(&says)))
    }

    /// What a node answers at `path`; none when it does not answer or fails.
    fn asked(&self, number: usize, path: &str) -> Option<String> {
        let address = self.addresses.lock().unwrap()[number].as_ref()?.address;
        self.agent.get(format!("http://{address}{path}")).call().ok()?.body_mut().read_to_string().ok()
    }

    /// The node that has `work`, once there is one.
    pub(crate) fn worker(&self, work: &str) -> usize {
        wait_for("a node has the work", STARTS, || self.holder(work, None))
    }

    /// Waits until nodes other than `gone` have all work; gives how long that was after `since`.
    pub(crate) fn all_work_is_taken(&self, gone: usize, since: Instant) -> Duration {
        wait_for("the work is taken over", STARTS, || {
            WORK.iter().all(|work| self.holder(work, Some(gone)).is_some()).then_some(())
        });
        since.elapsed()
    }

    /// Waits until all nodes are ready, with no background work that fails.
    pub(crate) fn all_are_ready(&self) {
        for number in 0..NODES {
            wait_for("a node is ready", STARTS, || self.asked(number, "/readyz"));
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        (0..NODES).for_each(|number| self.kill(number));
    }
}

/// What `look` finds, within `longest`.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, longest: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < longest, "{what}: not within {longest:?}");
        park_timeout(LOOK);
    }
}
