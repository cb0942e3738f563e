//! PostgreSQL for tests: a server of Debian's programs in a temporary directory, stopped with the test process.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bishui_infra::event_log::postgres::{Address, PostgresLog};
use sqlx::{Connection as _, PgConnection, Row as _};
use tempfile::TempDir;

use crate::certificates::Certificates;

/// Runs the server until its standard input is closed, which happens when the test process ends, however it ends.
/// $1 directory of the programs, $2 of the cluster, $3 port, $4 `remove` to remove the cluster at the end, the rest
/// options of the server.
const SUPERVISOR: &str = r#"
programs=$1 cluster=$2 port=$3 end=$4; shift 4
"$programs/postgres" -D "$cluster/data" -p "$port" -k "$cluster" -c listen_addresses=127.0.0.1 "$@" 2>"$cluster/log" &
echo $!
read -r how
kill -s "${how:-INT}" $! 2>/dev/null
wait $!
[ "$end" = remove ] && rm -rf "$cluster"
exit 0
"#;

/// A database cluster with its server.
pub struct Cluster {
    directory: TempDir,
    port: u16,
    options: Vec<String>,
    server: Option<Server>,
}

struct Server {
    supervisor: Child,
    pid: u32,
}

impl Cluster {
    /// The cluster that all tests of this process share. Its server and files go away with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut cluster = Self::initialised();
            cluster.start_to("remove");
            cluster
        })
    }

    /// A cluster of a test's own, started with further options of the server (`-c name=value`).
    pub fn start(options: &[&str]) -> Self {
        let mut cluster = Self::initialised();
        cluster.options = options.iter().map(|option| (*option).to_owned()).collect();
        cluster.start_to("keep");
        cluster
    }

    /// A cluster of a test's own, which takes encrypted connections with this certificate.
    pub fn with_certificate(certificates: &Certificates) -> Self {
        let mut cluster = Self::initialised();
        let mut set = |name: &str, file: &str| {
            let own = cluster.directory.path().join(file);
            std::fs::copy(certificates.path(file), &own).expect("a file can be copied");
            // A server reads only a key that nobody else may read.
            std::fs::set_permissions(&own, Permissions::from_mode(0o600)).expect("our own file");
            give_to_server(&own);
            cluster.options.extend(["-c".to_owned(), format!("{name}={}", own.display())]);
        };
        set("ssl_cert_file", "certificate.pem");
        set("ssl_key_file", "key.pem");
        cluster.options.extend(["-c".to_owned(), "ssl=on".to_owned()]);
        cluster.start_to("keep");
        cluster
    }

    /// A standby of this cluster, streaming from it under the name `standby`.
    #[must_use]
    pub fn standby(&self) -> Self {
        let mut standby = Self::without_server();
        standby.follow(self);
        standby
    }

    /// Makes this cluster, whose server does not run, a standby of `primary` in place of all it held.
    pub fn follow(&mut self, primary: &Self) {
        let data = self.directory.path().join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data).expect("the files of a server that does not run");
        }
        let primary = format!("host=127.0.0.1 port={} user=bishui application_name=standby", primary.port);
        run(program("pg_basebackup")
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &primary, "-D"])
            .arg(&data));
        self.start_to("keep");
    }

    /// Makes every commit here wait for the standby, and waits until the standby is in step.
    pub async fn wait_for_in_step(&self, database: &str) {
        let mut connection = self.connect(database).await;
        let demand = "ALTER SYSTEM SET synchronous_standby_names = 'standby'";
        sqlx::raw_sql(demand).execute(&mut connection).await.expect("a setting");
        sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut connection).await.expect("the settings are read");
        let in_step = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        let waiting =
            async { while sqlx::query(in_step).fetch_all(&mut connection).await.expect("its state").is_empty() {} };
        tokio::time::timeout(Duration::from_mins(2), waiting).await.expect("the standby gets in step");
    }

    /// Waits until a commit on `database` waits for the standby; gives the statement it belongs to.
    pub async fn wait_for_waiting(&self, database: &str) -> String {
        let mut connection = self.connect(database).await;
        let waits = "SELECT query FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()";
        let waiting = async {
            loop {
                if let Some(row) = sqlx::query(waits).fetch_optional(&mut connection).await.expect("the sessions") {
                    break row.get(0);
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(2), waiting).await.expect("a commit waits for the standby")
    }

    /// A cluster with a port and nothing else, to be made a standby.
    pub fn without_server() -> Self {
        let directory = tempfile::Builder::new().prefix("bishui-postgres-").tempdir().expect("a temporary directory");
        give_to_server(directory.path());
        Self { directory, port: free_port(), options: Vec::new(), server: None }
    }

    fn initialised() -> Self {
        let cluster = Self::without_server();
        let data = cluster.directory.path().join("data");
        let fixed = ["-U", "bishui", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        run(program("initdb").args(fixed).arg(data));
        cluster
    }

    /// Starts the server again after it was stopped or killed.
    pub fn restart(&mut self) {
        self.start_to("keep");
    }

    /// Starts the server. After a kill its sessions end a little later, and a server does not start beside them.
    fn start_to(&mut self, end: &str) {
        const STARTS_MAX: u32 = 200;
        for _ in 0..STARTS_MAX {
            self.start_server(end);
            if self.is_ready() {
                return;
            }
        }
        panic!("PostgreSQL does not start:\n{}", self.log());
    }

    fn start_server(&mut self, end: &str) {
        let directory = self.directory.path();
        let mut command = as_other_user("sh");
        command.args(["-c", SUPERVISOR, "supervisor"]).arg(programs()).arg(directory);
        command.args([&self.port.to_string(), end]).args(&self.options);
        // A group of its own: an interrupt at the terminal must not stop the server before its tests.
        command.process_group(0).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut supervisor = command.spawn().expect("a shell");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().expect("it is piped")).read_line(&mut line).expect("the server's id");
        let pid = line.trim().parse().expect("the server's id is a number");
        self.server = Some(Server { supervisor, pid });
    }

    /// Asks until the server answers, which says itself when it does not take connections yet; false when it has ended.
    fn is_ready(&mut self) -> bool {
        let socket = self.directory.path().to_owned();
        let mut asked = 0;
        loop {
            let mut ask = Command::new(programs().join("pg_isready"));
            ask.args(["-q", "-t", "1", "-p", &self.port.to_string(), "-h"]).arg(&socket);
            if ask.status().expect("pg_isready").success() {
                return true;
            }
            let server = self.server.as_ref().expect("it was started");
            if !is_running(server.pid) {
                self.stop("INT");
                return false;
            }
            asked += 1;
            assert!(asked < 20_000, "PostgreSQL does not get ready:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Directory of the server's socket.
    pub fn socket(&self) -> &Path {
        self.directory.path()
    }

    /// Stops the server by a signal: `INT` is orderly, `QUIT` as after a crash, `KILL` like a loss of power but for
    /// what the system still writes. Returns when it is gone.
    pub fn stop(&mut self, signal: &str) {
        let Some(mut server) = self.server.take() else { return };
        let mut stdin = server.supervisor.stdin.take().expect("it is piped");
        // A supervisor that has ended already needs no word.
        if stdin.write_all(format!("{signal}\n").as_bytes()).is_err() {
            server.supervisor.wait().expect("the supervisor ends");
            return;
        }
        drop(stdin);
        server.supervisor.wait().expect("the supervisor ends");
    }

    /// Runs a program of PostgreSQL's on this cluster's data directory, as the server's user.
    pub fn control(&self, name: &str, args: &[&str]) {
        run(program(name).args(args).arg("-D").arg(self.directory.path().join("data")));
    }

    /// Makes a new database with an empty log in it; gives its address on the socket.
    pub async fn database(&self) -> String {
        let address = self.empty_database().await;
        PostgresLog::make(&parsed(&address)).await.expect("the tables of a log");
        address
    }

    /// Makes a new database; gives its address on the socket.
    pub async fn empty_database(&self) -> String {
        static DATABASES: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect("postgres").await;
        sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&mut connection).await.expect("a new database");
        connection.close().await.expect("a farewell");
        self.address(&name)
    }

    /// The address of database `name` on the socket.
    pub fn address(&self, name: &str) -> String {
        format!("postgres:///{name}?host={}&port={}&user=bishui", self.directory.path().display(), self.port)
    }

    /// The address of database `name` on 127.0.0.1, at `port`: the server's, or a proxy's.
    pub fn address_at(name: &str, port: u16) -> String {
        format!("postgres://bishui@127.0.0.1:{port}/{name}")
    }

    /// A plain connection to database `name`.
    pub async fn connect(&self, name: &str) -> PgConnection {
        PgConnection::connect(&self.address(name)).await.expect("the server takes connections")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("INT");
    }
}

/// The name of the database in an address made here.
pub fn database_name(address: &str) -> &str {
    let path = address.rsplit('/').find(|part| part.starts_with("test_")).unwrap_or(address);
    path.split('?').next().unwrap_or(path)
}

/// Reads an address that is known to be one.
pub fn parsed(address: &str) -> Address {
    Address::parse(address).expect("an address made for a test")
}

/// Whether a process is there and has not ended; its parent need not have taken notice yet.
fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn run(command: &mut Command) {
    let output = command.current_dir("/").output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn program(name: &str) -> Command {
    as_other_user(programs().join(name))
}

/// A command run by another user where this one is root, as which PostgreSQL does not run.
fn as_other_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let Some((user, group)) = other_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={group}")]).args(["--clear-groups", "--"]).arg(program);
    command
}

/// Makes a file the server's own where that is another user's.
fn give_to_server(path: &Path) {
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

/// User and group of the server where this process is root's: `postgres`, or else `nobody`.
fn other_user() -> Option<(u32, u32)> {
    let own = std::fs::metadata("/proc/self").expect("/proc is there").uid();
    if own != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd is there");
    ["postgres:", "nobody:"].into_iter().find_map(|name| {
        let mut fields = users.lines().find(|line| line.starts_with(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// Directory of the newest server programs, 15 or newer.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let newest = newest.filter(|version| *version >= 15);
    let newest = newest.expect("PostgreSQL 15 or newer is not installed: apt-get install postgresql, or run tests/run");
    Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("it has an address").port()
}
