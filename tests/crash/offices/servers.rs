//! The two servers of the database: one takes writes, and the other can be made its standby and take its place.

use std::mem::swap;

use bishui_tests::postgres::Cluster;

/// The servers. Addresses name both, whichever takes writes.
pub(crate) struct Servers {
    primary: Cluster,
    other: Cluster,
    pub(crate) ports: [u16; 2],
}

impl Servers {
    /// Starts the first server.
    pub(crate) fn start() -> Self {
        let (primary, other) = (Cluster::start(&[]), Cluster::without_server());
        let ports = [primary.port(), other.port()];
        Self { primary, other, ports }
    }

    /// Makes a database with an empty log; gives its name.
    pub(crate) async fn database(&self) -> String {
        bishui_tests::postgres::database_name(&self.primary.database().await).to_owned()
    }

    /// Ends the server that takes writes by a signal.
    pub(crate) fn stop(&mut self, signal: &str) {
        self.primary.stop(signal);
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        self.primary.restart();
    }

    /// Makes the other server a standby for which every commit in `database` waits.
    pub(crate) async fn stand_by(&mut self, database: &str) {
        self.other.follow(&self.primary);
        self.primary.wait_for_in_step(database).await;
    }

    /// The standby takes the place of the server that is gone.
    pub(crate) fn promote(&mut self) {
        self.other.control("pg_ctl", &["promote", "-w"]);
        swap(&mut self.primary, &mut self.other);
    }
}

/// The address of a database whose servers are at these ports, or behind proxies at them.
pub(crate) fn address(database: &str, ports: [u16; 2]) -> String {
    let [first, second] = ports;
    format!("postgres://bishui@127.0.0.1:{first},127.0.0.1:{second}/{database}")
}
