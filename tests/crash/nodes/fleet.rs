//! The nodes as processes, each with a proxy of its own to the database.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use bishui_tests::acknowledged::Acknowledged;
use bishui_tests::postgres::Cluster;
use bishui_tests::proxy::Proxy;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::node;

/// Nodes at once.
pub(super) const NODES: usize = 3;

/// The nodes, and what they were told.
pub(super) struct Fleet {
    database: String,
    fenced: bool,
    nodes: Vec<(Proxy, Option<Running>)>,
    known: Vec<Acknowledged>,
    lines: mpsc::UnboundedReceiver<Acknowledged>,
    tell: mpsc::UnboundedSender<Acknowledged>,
}

/// A node that runs, and what passes on what it prints.
struct Running {
    child: Child,
    reading: JoinHandle<()>,
}

impl Fleet {
    /// Starts all nodes.
    pub(super) async fn start(cluster: &Cluster, database: &str, fenced: bool) -> Self {
        let (tell, lines) = mpsc::unbounded_channel();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push((Proxy::start(cluster.port()).await, None));
        }
        let mut fleet = Self { database: database.to_owned(), fenced, nodes, known: Vec::new(), lines, tell };
        (0..fleet.nodes.len()).for_each(|node| fleet.start_node(node));
        fleet
    }

    /// Starts a node that does not run.
    pub(super) fn start_node(&mut self, number: usize) {
        let (proxy, running) = &mut self.nodes[number];
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(node::ADDRESS, Cluster::address_at(&self.database, proxy.port()));
        command.env(node::NUMBER, number.to_string()).env(node::FENCED, if self.fenced { "yes" } else { "no" });
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (lines, tell) = (BufReader::new(child.stdout.take().unwrap()).lines(), self.tell.clone());
        let reading = std::thread::spawn(move || {
            for line in lines {
                // What a kill cut short was not read as an acknowledgement by anyone.
                let Ok(line) = line else { return };
                // Nobody listens any more at the end of a control.
                if tell.send(Acknowledged::parse(&line)).is_err() {
                    return;
                }
            }
        });
        *running = Some(Running { child, reading });
    }

    /// Kills a node, and reads all that it has printed.
    pub(super) fn kill(&mut self, number: usize) {
        if let Some(mut running) = self.nodes[number].1.take() {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
            running.reading.join().unwrap();
        }
    }

    /// Fails where a node has ended by itself: it gives up for nothing but a fault of its own.
    pub(super) fn all_run(&mut self) {
        for (number, (_, running)) in self.nodes.iter_mut().enumerate() {
            let running = running.as_mut().expect("every node was started");
            assert_eq!(running.child.try_wait().unwrap(), None, "node {number} has ended by itself");
        }
    }

    /// Sends a node a signal.
    pub(super) fn signal(&self, number: usize, signal: &str) {
        let id = self.nodes[number].1.as_ref().expect("it runs").child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// The proxy of a node.
    pub(super) fn proxy(&self, number: usize) -> &Proxy {
        &self.nodes[number].0
    }

    /// Waits for `count` further acknowledgements.
    pub(super) async fn acknowledged(&mut self, count: u64, longest: Duration) {
        self.read_up();
        for _ in 0..count {
            timeout(longest, self.next()).await.expect("the nodes go on");
        }
    }

    /// Waits until a node has been told something further.
    pub(super) async fn goes_on(&mut self, number: usize, longest: Duration) {
        self.read_up();
        let own = async { while node_of(&self.next().await) != number {} };
        timeout(longest, own).await.unwrap_or_else(|_| panic!("node {number} goes on"));
    }

    /// Reads what has been printed so far.
    fn read_up(&mut self) {
        while let Ok(known) = self.lines.try_recv() {
            self.known.push(known);
        }
    }

    async fn next(&mut self) -> Acknowledged {
        let next = self.lines.recv().await.expect("the fleet keeps a sender");
        self.known.push(next);
        next
    }

    /// Ends all nodes; gives what they were told.
    pub(super) async fn end(mut self) -> Vec<Acknowledged> {
        (0..self.nodes.len()).for_each(|node| self.kill(node));
        let Self { lines: mut rest, tell, mut known, .. } = self;
        // The readers hold the other senders until they have read all that was printed.
        drop(tell);
        while let Some(line) = rest.recv().await {
            known.push(line);
        }
        known
    }
}

/// The node that was told.
fn node_of(acknowledged: &Acknowledged) -> usize {
    usize::try_from(acknowledged.writer / node::WRITERS).unwrap()
}
