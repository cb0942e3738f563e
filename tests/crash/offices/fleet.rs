//! The nodes as processes, and which of them has which work.

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use bishui::http::ServiceFile;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::node;

/// Nodes at once.
pub(crate) const NODES: usize = 3;
/// The work that one node does at a time.
const WORK: [&str; 3] = ["processes", "mail", "deadlines"];
/// Pause between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time that a node may take to start.
const STARTS: Duration = Duration::from_mins(1);
/// What the clocks show when the first node starts: all months of 2020 are over.
const BEGIN: &str = "2021-02-01T09:00:00+08:00";

/// How to reach each node that runs.
pub(crate) type Addresses = Arc<Mutex<Vec<Option<ServiceFile>>>>;

/// What all nodes of a fleet share.
pub(crate) struct Common {
    pub(crate) store: String,
    pub(crate) mail_port: u16,
    /// Whether attempts that were cut short are made again, as a control.
    pub(crate) careless: bool,
}

/// The nodes.
pub(crate) struct Fleet {
    common: Common,
    begun: Instant,
    nodes: Vec<(TempDir, Option<Child>)>,
    pub(crate) addresses: Addresses,
    agent: ureq::Agent,
}

impl Fleet {
    /// Starts all nodes.
    pub(crate) fn start(common: Common) -> Self {
        let nodes = (0..NODES).map(|_| (tempfile::tempdir().unwrap(), None)).collect();
        let addresses = Arc::new(Mutex::new(vec![None; NODES]));
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().new_agent();
        let mut fleet = Self { common, begun: Instant::now(), nodes, addresses, agent };
        (0..NODES).for_each(|number| fleet.start_node(number));
        fleet
    }

    /// Starts a node that does not run, and waits until it answers.
    pub(crate) fn start_node(&mut self, number: usize) {
        let (directory, child) = &mut self.nodes[number];
        let passed = self.begun.elapsed();
        let time = BEGIN.parse::<Timestamp>().unwrap() + passed;
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(node::DIRECTORY, directory.path()).env(node::STORE, &self.common.store);
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

    /// Kills a node.
    pub(crate) fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.nodes[number].1.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.addresses.lock().unwrap()[number] = None;
    }

    /// The node that has `work`, as it says itself.
    fn holder(&self, work: &str) -> Option<usize> {
        let says = format!("bishui_lease_held{{work=\"{work}\"}} 1");
        let addresses = self.addresses.lock().unwrap().clone();
        addresses.iter().position(|file| {
            let Some(file) = file else { return false };
            let asked = self.agent.get(format!("http://{}/metrics", file.address)).call();
            asked.is_ok_and(|mut answer| answer.body_mut().read_to_string().is_ok_and(|text| text.contains(&says)))
        })
    }

    /// The node that has `work`, once there is one.
    pub(crate) fn worker(&self, work: &str) -> usize {
        wait_for("a node has the work", STARTS, || self.holder(work))
    }

    /// Waits until nodes that run have all work; gives how long that was after `killed`.
    pub(crate) fn all_work_is_taken(&self, killed: Instant) -> Duration {
        wait_for("the work is taken over", STARTS, || {
            WORK.iter().all(|work| self.holder(work).is_some()).then_some(())
        });
        killed.elapsed()
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
