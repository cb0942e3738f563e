//! What the log on PostgreSQL does about the servers: which one it uses, what its sessions rest on, and that neither a
//! server that is cut off nor a lock that others hold keeps a node waiting for long.

use std::time::{Duration, Instant};

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{Appended, Batch, EventLog, Expected, LogError, Position, StreamVersion, StreamWrite};
use bishui_tests::postgres::{Cluster, database_name, parsed};
use bishui_tests::proxy::Proxy;
use sqlx::{PgConnection, Row as _};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::build::{event, keyed, positions, stream, writes};
use crate::database::{open, saying};

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// Notes the settings of every session that appends.
const NOTE: &str = "CREATE TABLE public.noted (name text, setting text); \
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        INSERT INTO public.noted SELECT name, setting FROM pg_settings; RETURN NEW; END $$; \
    CREATE TRIGGER note BEFORE INSERT ON bishui.block FOR EACH ROW EXECUTE FUNCTION note()";

#[tokio::test]
async fn no_setting_of_a_database_or_a_user_reaches_an_append() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let name = database_name(&address);
    let mut connection = cluster.connect(name).await;
    execute(&mut connection, NOTE).await;
    for setting in [
        "synchronous_commit = off",
        "default_transaction_isolation = serializable",
        "default_transaction_read_only = on",
        "statement_timeout = '10min'",
        "lock_timeout = '10min'",
        "idle_session_timeout = '10min'",
        "idle_in_transaction_session_timeout = 0",
    ] {
        execute(&mut connection, &format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    open(&Cluster::address_at(name, cluster.port())).await.append(saying(1, "noted")).await.unwrap();
    let pinned = [
        ("idle_in_transaction_session_timeout", "5000"),
        ("idle_session_timeout", "0"),
        ("lock_timeout", "0"),
        ("statement_timeout", "0"),
        ("synchronous_commit", "on"),
        ("tcp_keepalives_count", "3"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_user_timeout", "25000"),
        ("transaction_isolation", "read committed"),
        ("transaction_read_only", "off"),
    ];
    let asked = "SELECT name, setting FROM public.noted WHERE name = ANY ($1) ORDER BY name";
    let names: Vec<&str> = pinned.iter().map(|(name, _)| *name).collect();
    let noted = sqlx::query(asked).bind(names).fetch_all(&mut connection).await.unwrap();
    let noted: Vec<(String, String)> = noted.iter().map(|row| (row.get(0), row.get(1))).collect();
    let pinned: Vec<(String, String)> = pinned.iter().map(|(name, to)| ((*name).into(), (*to).into())).collect();
    assert_eq!(noted, pinned);
}

#[tokio::test]
async fn a_primary_that_was_left_behind_is_not_used_when_it_comes_back() {
    let mut primary = Cluster::start(&[]);
    let name = database_name(&primary.database().await).to_owned();
    let mut standby = primary.standby();
    primary.wait_for_in_step(&name).await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let address = format!("postgres://bishui@{hosts}/{name}");
    let before = open(&address).await;
    before.append(saying(1, "before")).await.unwrap();
    primary.stop("KILL");
    standby.control("pg_ctl", &["promote", "-w"]);
    primary.restart();
    let after = open(&address).await;
    after.append(saying(2, "after")).await.unwrap();
    before.append(saying(3, "after")).await.unwrap();
    assert_eq!(open(&standby.address(&name)).await.head().await.unwrap(), Position(3));
    assert_eq!(open(&primary.address(&name)).await.head().await.unwrap(), Position(1));
    // Nor while the new one is away.
    standby.stop("INT");
    let refused = before.head().await;
    assert!(matches!(&refused, Err(LogError::Unavailable { .. })), "{refused:?}");
}

/// Leaves `count` idle connections in `log`, by as many questions that wait at once.
async fn ask_at_once(log: &PostgresLog, count: usize, cluster: &Cluster, name: &str) {
    let (mut holder, mut looker) = (cluster.connect(name).await, cluster.connect(name).await);
    execute(&mut holder, "BEGIN; LOCK TABLE bishui.run IN ACCESS EXCLUSIVE MODE").await;
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let log = log.clone();
        asking.spawn(async move { log.read_stream(&stream("a"), StreamVersion(0), 1).await.unwrap() });
    }
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'bishui.run'::regclass";
    let all = i64::try_from(count).unwrap();
    while sqlx::query(waiting).fetch_one(&mut looker).await.unwrap().get::<i64, _>(0) < all {}
    execute(&mut holder, "ROLLBACK").await;
    asking.join_all().await;
}

#[tokio::test]
async fn a_node_that_is_cut_off_from_a_server_looks_for_another_at_once() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let name = database_name(&address);
    // The same server twice: what is cut off is only the first way to it.
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", proxy.port(), cluster.port());
    let log = open(&format!("postgres://bishui@{hosts}/{name}")).await;
    ask_at_once(&log, 8, cluster, name).await;
    proxy.partition();
    // What lay idle for a while is asked first whether it is there.
    let (since, other) = (Instant::now(), open(&address).await);
    while since.elapsed() < Duration::from_millis(200) {
        other.head().await.unwrap();
    }
    let since = Instant::now();
    assert_eq!(log.head().await.unwrap(), Position(0));
    log.take_lease("mail", Uuid::from_u128(1), Duration::from_secs(6)).await.unwrap().unwrap();
    // One wait for an old connection and one for the first server; not one for each of the eight.
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_lease_on_a_connection_that_was_cut_off_is_renewed_on_another() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster.port()).await;
    let address = cluster.database().await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", proxy.port(), cluster.port());
    let log = open(&format!("postgres://bishui@{hosts}/{}", database_name(&address))).await;
    let holder = Uuid::from_u128(1);
    let lease = log.take_lease("mail", holder, Duration::from_mins(1)).await.unwrap();
    // Just used, so it is not asked first whether it is there.
    proxy.partition();
    let since = Instant::now();
    assert_eq!(log.take_lease("mail", holder, Duration::from_mins(1)).await.unwrap(), lease);
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}

#[tokio::test]
async fn asking_for_work_that_another_node_does_waits_for_nobody() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let log = open(&address).await;
    let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
    log.take_lease("mail", a, Duration::from_mins(10)).await.unwrap().unwrap();
    let mut holder = cluster.connect(database_name(&address)).await;
    execute(&mut holder, "BEGIN; SELECT FROM bishui.lease FOR UPDATE; SELECT FROM bishui.head FOR UPDATE").await;
    // It only reads: a lock that it took would be written to the disk and to a standby, at every look.
    assert_eq!(log.take_lease("mail", b, Duration::from_mins(1)).await.unwrap(), None);
    execute(&mut holder, "ROLLBACK").await;
    assert_eq!(log.take_lease("mail", a, Duration::ZERO).await.unwrap().unwrap().term, 1);
    assert_eq!(log.take_lease("mail", b, Duration::from_mins(1)).await.unwrap().unwrap().term, 2);
}

#[tokio::test]
async fn a_schema_that_an_administrator_made_is_used() {
    let cluster = Cluster::shared();
    let address = cluster.empty_database().await;
    let name = database_name(&address);
    let mut connection = cluster.connect(name).await;
    execute(&mut connection, "CREATE ROLE clerk LOGIN; CREATE SCHEMA bishui AUTHORIZATION clerk").await;
    let address = parsed(&address.replace("user=bishui", "user=clerk"));
    PostgresLog::make(&address).await.unwrap();
    PostgresLog::open(&address).await.unwrap().append(saying(1, "kept")).await.unwrap();
}

#[tokio::test]
async fn only_damage_is_called_damage() {
    let cluster = Cluster::shared();
    for (code, is_damage) in [("XX000", false), ("XX001", true), ("XX002", true)] {
        let address = cluster.database().await;
        let mut connection = cluster.connect(database_name(&address)).await;
        let fail = format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                RAISE EXCEPTION USING ERRCODE = '{code}'; END $$; \
             CREATE TRIGGER fail BEFORE INSERT ON bishui.block FOR EACH ROW EXECUTE FUNCTION fail()"
        );
        execute(&mut connection, &fail).await;
        let failure = open(&address).await.append(saying(1, "refused")).await.unwrap_err();
        assert_eq!(matches!(failure, LogError::Corrupt { .. }), is_damage, "{code}: {failure:?}");
    }
}

/// A batch of more blocks than one statement takes, under key `number`.
fn large(number: u64) -> Batch {
    let mut state = number;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", state >> 32)
    };
    let events = (0..10).map(|_| event((0..125_000).map(|_| word()).collect::<String>())).collect();
    let write = StreamWrite { stream: stream("large"), expected: Expected::Any, events };
    keyed(writes(u128::from(number), [write]), &format!("key {number}"), u128::from(number))
}

#[tokio::test]
async fn a_large_batch_is_judged_anew_where_the_log_has_moved_on() {
    let cluster = Cluster::shared();
    let address = cluster.database().await;
    let (here, there) = (open(&address).await, open(&address).await);
    let mut connection = cluster.connect(database_name(&address)).await;
    execute(&mut connection, NOTE).await;
    // The first is alone with the log; before the second another node appends.
    let first = here.append(large(1)).await.unwrap();
    assert_eq!(first, Appended { first: Position(1), last: Position(10), duplicate: false });
    there.append(saying(100, "between")).await.unwrap();
    let second = here.append(large(2)).await.unwrap();
    assert_eq!(second, Appended { first: Position(12), last: Position(21), duplicate: false });
    // Nothing has moved on but what a key stands for.
    assert_eq!(here.append(large(2)).await.unwrap(), Appended { duplicate: true, ..second });
    assert_eq!(there.append(large(1)).await.unwrap(), Appended { duplicate: true, ..first });
    assert_eq!(positions(&there, 0).await, (1..=21).collect::<Vec<_>>());
    assert_eq!(here.verify().await.unwrap(), Position(21));
    let longest = "SELECT max(setting::int) FROM public.noted WHERE name = 'idle_in_transaction_session_timeout'";
    let longest: i32 = sqlx::query(longest).fetch_one(&mut connection).await.unwrap().get(0);
    assert!(longest > 5_000, "a large batch has {longest} ms");
}
