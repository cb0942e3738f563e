//! The command line on a database, and the moving of a log between an embedded store and a database.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use bishui_infra::event_log::postgres::{PostgresLog, Unfinished};
use bishui_infra::event_log::{EventLog, Position};
use bishui_tests::postgres::{Cluster, database_name, parsed};
use serde_json::{Value, json};

use crate::office::{Office, PLAN, month, run};

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn database() -> String {
    in_runtime(Cluster::shared().empty_database())
}

async fn open(address: &str) -> PostgresLog {
    PostgresLog::open(&parsed(address)).await.expect("it opens")
}

/// What the commands show of an office.
fn shown(office: &Office, store: &[&str]) -> Vec<Value> {
    let asked = [&["status"][..], &["notices", "list"], &["ledger"], &["events", "--limit", "1000"], &["replay"]];
    asked.iter().map(|question| office.ask(question.iter().chain(store))).collect()
}

#[test]
fn every_command_works_on_a_database_as_on_the_embedded_store() {
    let office = Office::bare();
    let store = database();
    let plan = office.file("plan.toml", PLAN);
    let readings = office.file("readings.csv", month("2020-01"));
    let on = |args: &[&str]| run(office.command(args).env("BISHUI_STORE", &store)).exits(0);
    let made = on(&["init", "--json"]).json();
    assert!(made["store"].as_str().is_some_and(|shown| shown.starts_with("postgres://")), "{made}");
    assert!(!office.data().join("store").exists(), "no embedded store is made");
    on(&["plan", "adopt", plan.to_str().expect("UTF-8")]);
    on(&["import", readings.to_str().expect("UTF-8")]);
    on(&["publish", "2020-01"]);
    let head = on(&["events", "--limit", "1", "--json"]).json()["head"].clone();
    let checked = on(&["doctor", "--json"]).json();
    assert_eq!((&checked["sound"], &checked["events"]), (&Value::from(true), &head));
    // The option, the variable and the setting name the same store.
    assert_eq!(office.ask(["events", "--limit", "1", "--store", &store])["head"], head);
    office.file("data/bishui.toml", format!("store = \"{store}\"\n"));
    assert_eq!(office.head(), head.as_u64().expect("a number"));
}

#[test]
fn a_command_leaves_the_mail_of_a_shared_store_to_whoever_has_a_mail_server() {
    let office = Office::bare();
    let store = database();
    let plan = office.file("plan.toml", PLAN);
    let readings = office.file("readings.csv", month("2020-01"));
    let on = |args: &[&str]| run(office.command(args).env("BISHUI_STORE", &store)).exits(0);
    on(&["init"]);
    on(&["plan", "adopt", plan.to_str().expect("UTF-8")]);
    on(&["import", readings.to_str().expect("UTF-8")]);
    on(&["publish", "2020-01"]);
    on(&["notices", "approve", "--all"]).says(&["mail goes to a service or command that has a mail server"]);
    let counts = || on(&["mail", "list", "--json"]).json()[0]["counts"].clone();
    assert_eq!(counts(), json!({"queued": 1}));
    let spool = office.path("spool");
    run(office.command(["pay", "g", "1"]).env("BISHUI_STORE", &store).env("BISHUI_SPOOL", &spool)).exits(0);
    assert_eq!(counts(), json!({"accepted": 1}));
    assert_eq!(std::fs::read_dir(spool).expect("a spool").count(), 1);
}

#[test]
fn a_log_moves_to_a_database_and_back_as_it_is() {
    let office = Office::published();
    let before = shown(&office, &[]);
    let embedded = format!("sled:{}", office.data().join("store").display());
    let (there, back) = (database(), format!("sled:{}", office.path("back").display()));
    let moved = office.ask(["migrate-store", "--from", &embedded, "--to", &there]);
    assert_eq!((&moved["found"], &moved["events"]), (&Value::from(0), &Value::from(office.head())));
    assert_eq!(moved["source_sha256"], moved["target_sha256"]);
    let drafting = in_runtime(async { open(&there).await.checkpoint("process/drafting").await }).expect("a checkpoint");
    assert!(drafting > Position(0), "its processes take up where they stood");
    assert_eq!(shown(&office, &["--store", &there]), before);
    let empty = database();
    office.run(["status", "--store", &empty]).exits(5).says(&["no log was made in this database", "bishui init"]);
    let again = office.ask(["migrate-store", "--from", &embedded, "--to", &there]);
    assert_eq!((&again["found"], &again["target_sha256"]), (&moved["events"], &moved["target_sha256"]));
    let returned = office.ask(["migrate-store", "--from", &there, "--to", &back]);
    assert_eq!(returned["target_sha256"], moved["source_sha256"]);
    assert_eq!(shown(&office, &["--store", &back]), before);
    // A store with another log is left as it is.
    let other = Office::open();
    let target = format!("sled:{}", other.data().join("store").display());
    office.run(["migrate-store", "--from", &embedded, "--to", &target]).exits(4).says(&["another log", "empty store"]);
    assert_eq!(other.head(), 1);
}

/// Does part of a move or restore and stops: the first events are there, and the mark.
fn leave_unfinished(office: &Office, address: &str) {
    let events = bishui_infra::event_log::sled::SledLog::open(office.data().join("store")).expect("it opens");
    in_runtime(async {
        let mut target = Unfinished::to_move(&parsed(address)).await.expect("an empty database");
        target.mark(Position(0)).await.expect("it is marked");
        let first = events.read_all(Position(0), 1).await.expect("events");
        target.log().take_over(first).await.expect("they follow");
    });
}

#[test]
fn a_database_that_a_move_has_half_filled_is_opened_by_nobody_until_it_is_taken_up() {
    let office = Office::published();
    let (there, embedded) = (database(), format!("sled:{}", office.data().join("store").display()));
    let before = shown(&office, &[]);
    leave_unfinished(&office, &there);
    for command in [&["status"][..], &["doctor"], &["init"], &["migrate-store", "--from", &there, "--to", "sled:x"]] {
        let refused = run(office.command(command).args(["--store", &there])).exits(5);
        refused.says(&["a restore or a move into this database is under way, or was cut short"]);
    }
    let moved = office.ask(["migrate-store", "--from", &embedded, "--to", &there]);
    assert_eq!(moved["found"], 1);
    assert_eq!(shown(&office, &["--store", &there]), before);
}

#[test]
fn an_embedded_store_that_a_move_has_half_filled_is_opened_by_nobody_until_it_is_taken_up() {
    let office = Office::published();
    let embedded = format!("sled:{}", office.data().join("store").display());
    let path = office.path("half");
    let there = format!("sled:{}", path.display());
    let before = shown(&office, &[]);
    std::fs::create_dir(&path).expect("a directory");
    std::fs::write(path.join("unfinished"), "").expect("the mark of a move");
    for command in [&["status"][..], &["doctor"]] {
        office.run(command.iter().copied().chain(["--store", &there])).exits(5).says(&["a move into", "run it again"]);
    }
    office.ask(["migrate-store", "--from", &embedded, "--to", &there]);
    assert!(!path.join("unfinished").exists());
    assert_eq!(shown(&office, &["--store", &there]), before);
}

#[test]
fn a_backup_is_restored_into_a_database() {
    let office = Office::published();
    let backup = office.path("backup");
    let backup = backup.to_str().expect("UTF-8");
    office.ask(["backup", backup]);
    let before = shown(&office, &[]);
    let (there, data) = (database(), office.path("restored"));
    let on = |store: &str, args: &[&str]| {
        let mut command = crate::office::program();
        run(command.arg("--data").arg(&data).args(args).args(["--store", store, "--json"]))
    };
    // What a restore that was cut short has left is taken away.
    leave_unfinished(&office, &there);
    let restored = on(&there, &["restore", backup]).exits(0).json();
    assert_eq!((&restored["events"], &restored["replay"]["differing"]), (&Value::from(office.head()), &Value::from(0)));
    assert_eq!(shown(&office, &["--store", &there]), before);
    on(&there, &["restore", backup]).exits(4).says(&["holds a log that was used"]);
    assert_eq!(shown(&office, &["--store", &there]), before, "it is left as it is");
    let made = database();
    office.ask(["init", "--store", &made]);
    std::fs::remove_dir_all(&data).expect("it is there");
    let earlier = on(&made, &["restore", backup, "--until", "4"]).exits(0).json();
    assert!(earlier["events"].as_u64().is_some_and(|events| (1..=4).contains(&events)), "{earlier}");
    let damaged = database();
    let part = office.path("backup/events/00000000000000000001.ndjson");
    let content = std::fs::read_to_string(&part).expect("a part");
    std::fs::write(&part, content.replacen("高唐县", "高塘县", 1)).expect("it is written");
    on(&damaged, &["restore", backup]).exits(3);
    on(&damaged, &["status"]).exits(5).says(&["was cut short"]);
    std::fs::write(&part, content).expect("it is written");
    on(&damaged, &["restore", backup]).exits(0);
}

/// Whether the database is marked as one that is being filled.
fn is_marked(address: &str) -> bool {
    let marked = "SELECT step FROM bishui.schema_step WHERE step = 2147483647";
    in_runtime(async {
        let mut connection = Cluster::shared().connect(database_name(address)).await;
        // Before it is made there is no such table.
        sqlx::query(marked).fetch_all(&mut connection).await.is_ok_and(|rows| !rows.is_empty())
    })
}

#[test]
fn a_restore_into_a_database_that_is_killed_is_opened_by_nobody_and_repeated() {
    let office = Office::published();
    let (backup, there) = (office.path("backup"), database());
    let before = shown(&office, &[]);
    office.run([OsStr::new("backup"), backup.as_os_str()]).exits(0);
    let restore = || {
        let mut command = crate::office::program();
        command.arg("--data").arg(office.path("restored")).args(["--store", &there]).arg("restore").arg(&backup);
        command
    };
    let mut killed = 0;
    for pauses in 0..6 {
        let mut child = restore().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        // A mark that an earlier one has left is seen at once: later from round to round.
        while !is_marked(&there) && child.try_wait().expect("it can be asked").is_none() {}
        for _ in 0..pauses * 20 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().expect("it is a child");
        child.wait().expect("it ends");
        if !is_marked(&there) {
            break;
        }
        killed += 1;
        office.run(["status", "--store", &there]).exits(5).says(&["was cut short"]);
    }
    assert!(killed > 0, "no kill fell into a restore");
    if is_marked(&there) {
        run(&mut restore()).exits(0);
    }
    assert_eq!(shown(&office, &["--store", &there]), before);
}

#[test]
fn one_restore_or_move_fills_a_database_at_a_time_and_none_one_that_a_node_works_on() {
    in_runtime(async {
        let address = parsed(&Cluster::shared().empty_database().await);
        let first = Unfinished::to_restore(&address).await.expect("an empty database").expect("without a log");
        let second = Unfinished::to_restore(&address).await.map(drop).expect_err("it is taken").to_string();
        assert!(second.contains("another restore or move into this database is under way"), "{second}");
        first.finish(Position(1)).await.expect_err("it has no event");
        let again = Unfinished::to_restore(&address).await.expect("the lock is free").expect("nobody has used it");
        again.finish(Position(0)).await.expect("it has none");
        let node = PostgresLog::open(&address).await.expect("it is whole");
        let lease = node.take_lease("processes", uuid::Uuid::from_u128(1), std::time::Duration::from_mins(1)).await;
        let lease = lease.expect("a lease").expect("nobody has it");
        assert!(Unfinished::to_restore(&address).await.expect("it is there").is_none(), "it was used");
        let mut target = Unfinished::to_move(&address).await.expect("the lock is free");
        let refused = target.mark(Position(0)).await.expect_err("a node works").to_string();
        assert!(refused.contains("in use by a node"), "{refused}");
        node.end_lease(&lease).await.expect("it ends");
        target.mark(Position(1)).await.expect_err("it has no event");
        target.mark(Position(0)).await.expect("nobody works on it");
    });
}

#[test]
fn a_database_that_is_down_is_said_without_its_password() {
    let office = Office::bare();
    let store = "postgres://bishui:geheim@127.0.0.1:1/office";
    let ran = office.run(["init", "--store", store]).exits(5).says(&["postgres://bishui@127.0.0.1:1/office"]);
    assert!(!ran.err.contains("geheim") && !ran.out.contains("geheim"), "{ran:?}");
    let wrong = office.run(["status", "--store", "postgres://bishui:geheim@h:port/office"]).exits(2).says(&["port"]);
    assert!(!wrong.err.contains("geheim"), "{wrong:?}");
    let help = run(office.command(["--help"]).env("BISHUI_STORE", store)).exits(0);
    assert!(help.out.contains("BISHUI_STORE") && !help.out.contains("geheim"), "{help:?}");
    office.file("settings.toml", format!("store = \"{store}\"\n"));
    let file = office.path("settings.toml");
    let show = run(office.command(["config", "show", "--json", "--config"]).arg(file)).exits(0);
    assert_eq!(show.json()["store"], "postgres://bishui@127.0.0.1:1/office");
    assert!(!show.out.contains("geheim"), "{show:?}");
}

#[test]
fn the_speed_of_logs_in_databases_is_measured_and_nothing_stays() {
    let office = Office::bare();
    let store = database();
    let report = office.ask(["bench", "store", "--store", &store, "--events", "2000", "--streams", "300"]);
    assert_eq!((&report["store"], &report["events"]), (&Value::from("postgres"), &Value::from(2_000)));
    assert!(report["ours"]["replay"].as_f64().is_some_and(|speed| speed > 0.0), "{report}");
    let left = in_runtime(async {
        let mut connection = Cluster::shared().connect("postgres").await;
        let named = "SELECT datname FROM pg_database WHERE datname LIKE 'bishui_bench%'";
        sqlx::query(named).fetch_all(&mut connection).await.expect("the databases are listed").len()
    });
    assert_eq!(left, 0);
}
