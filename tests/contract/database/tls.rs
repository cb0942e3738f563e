//! Encrypted connections: a server that cannot prove its name gets nothing.

use bishui_infra::event_log::postgres::PostgresLog;
use bishui_infra::event_log::{EventLog, Position};
use bishui_tests::certificates::Certificates;
use bishui_tests::postgres::{Cluster, database_name, parsed};
use sqlx::Row as _;

use super::saying;

/// The address of a database at `host`, whose server must prove its name to `authority`.
fn verified(host: &str, cluster: &Cluster, name: &str, authority: &Certificates) -> String {
    let authority = authority.path("ca.pem");
    format!(
        "postgres://bishui@{host}:{}/{name}?sslmode=verify-full&sslrootcert={}",
        cluster.port(),
        authority.display()
    )
}

#[tokio::test]
async fn a_log_is_written_over_verified_connections_only() {
    let certificates = Certificates::new("127.0.0.1");
    let cluster = Cluster::with_certificate(&certificates);
    let address = cluster.database().await;
    let name = database_name(&address);
    let log = PostgresLog::open(&parsed(&verified("127.0.0.1", &cluster, name, &certificates))).await.unwrap();
    log.append(saying(1, "encrypted")).await.unwrap();
    assert_eq!(log.verify().await.unwrap(), Position(1));
    let mut observer = cluster.connect(name).await;
    let sessions = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE client_addr IS NOT NULL AND datname = current_database()";
    let row = sqlx::query(sessions).fetch_one(&mut observer).await.unwrap();
    assert_eq!(row.get::<Option<bool>, _>(0), Some(true), "every connection of the log is encrypted");

    let impostor = Certificates::new("127.0.0.1");
    let public_only = format!("{}?sslmode=verify-full", Cluster::address_at(name, cluster.port()));
    let refused = [
        (verified("127.0.0.1", &cluster, name, &impostor), "127.0.0.1", "BadSignature"),
        (public_only, "127.0.0.1", "UnknownIssuer"),
        (verified("localhost", &cluster, name, &certificates), "localhost", "not valid for name"),
    ];
    for (address, host, why) in refused {
        let said = PostgresLog::open(&parsed(&address)).await.map(drop).unwrap_err().to_string();
        let words = [&format!("{host}:{}", cluster.port()), "invalid peer certificate", why];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}
