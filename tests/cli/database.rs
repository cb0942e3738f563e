//! The command line on a database, and the moving of a log between an embedded store and a database.

use bishui_tests::postgres::Cluster;
use serde_json::{Value, json};

use crate::office::{Office, PLAN, month, run};

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn database() -> String {
    in_runtime(Cluster::shared().empty_database())
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
