//! `SQLite`: write-ahead log, `synchronous=FULL`, one transaction a group.

use std::path::Path;
use std::sync::Mutex;

use bishui::bench::subject::failed;
use bishui::bench::workload::Fact;
use bishui_infra::event_log::LogError;
use rusqlite::{Connection, params};

use crate::embedded::{Count, Embedded, check};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL, payload TEXT NOT NULL,
        UNIQUE (stream, version)
    );";

pub(crate) struct Sqlite(Mutex<Connection>);

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        std::fs::create_dir_all(path).map_err(|error| failed("the directory of SQLite", error))?;
        let connection = Connection::open(path.join("events.db")).map_err(sqlite)?;
        connection.execute_batch(SCHEMA).map_err(sqlite)?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok(Self(Mutex::new(connection)))
    }
}

impl Embedded for Sqlite {
    fn commit(&self, requests: &[Vec<Fact>]) -> Result<(), LogError> {
        let mut connection = self.0.lock().expect("no holder of the connection panics");
        let transaction = connection.transaction().map_err(sqlite)?;
        {
            let newest = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?1";
            let mut newest = transaction.prepare_cached(newest).map_err(sqlite)?;
            let insert = "INSERT INTO events (stream, version, payload) VALUES (?1, ?2, ?3)";
            let mut insert = transaction.prepare_cached(insert).map_err(sqlite)?;
            for fact in requests.iter().flatten() {
                let (stream, version) = (fact.stream.cast_signed(), fact.version.cast_signed());
                let actual: i64 = newest.query_row([stream], |row| row.get(0)).map_err(sqlite)?;
                check(fact, actual.cast_unsigned())?;
                insert.execute(params![stream, version, fact.payload]).map_err(sqlite)?;
            }
        }
        transaction.commit().map_err(sqlite)
    }

    fn each(&self, count: &mut Count<'_>) -> Result<(), LogError> {
        let connection = self.0.lock().expect("no holder of the connection panics");
        let query = "SELECT stream, payload FROM events ORDER BY position";
        let mut query = connection.prepare(query).map_err(sqlite)?;
        let mut rows = query.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            let stream: i64 = row.get(0).map_err(sqlite)?;
            let payload = row.get_ref(1).map_err(sqlite)?.as_str().map_err(|error| failed("SQLite", error))?;
            count(stream.cast_unsigned(), payload.as_bytes())?;
        }
        Ok(())
    }
}

fn sqlite(error: rusqlite::Error) -> LogError {
    failed("SQLite", error)
}
