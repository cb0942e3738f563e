//! redb: one table of events, one of stream heads, immediate durability.

use std::path::Path;

use bishui::bench::subject::failed;
use bishui::bench::workload::Fact;
use bishui_infra::event_log::LogError;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::embedded::{Count, Embedded, check, parts, value};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const HEADS: TableDefinition<'_, u64, u64> = TableDefinition::new("heads");

pub(crate) struct Redb(Database);

impl Redb {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        std::fs::create_dir_all(path).map_err(|error| failed("the directory of redb", error))?;
        let database = Database::create(path.join("events.redb")).map_err(redb)?;
        let transaction = database.begin_write().map_err(redb)?;
        transaction.open_table(EVENTS).map_err(redb)?;
        transaction.open_table(HEADS).map_err(redb)?;
        transaction.commit().map_err(redb)?;
        Ok(Self(database))
    }
}

impl Embedded for Redb {
    fn commit(&self, requests: &[Vec<Fact>]) -> Result<(), LogError> {
        let transaction = self.0.begin_write().map_err(redb)?;
        {
            let mut events = transaction.open_table(EVENTS).map_err(redb)?;
            let mut heads = transaction.open_table(HEADS).map_err(redb)?;
            let mut position = events.last().map_err(redb)?.map_or(0, |(key, _)| key.value());
            for fact in requests.iter().flatten() {
                let actual = heads.get(fact.stream).map_err(redb)?.map_or(0, |version| version.value());
                check(fact, actual)?;
                position += 1;
                events.insert(position, value(fact).as_slice()).map_err(redb)?;
                heads.insert(fact.stream, fact.version).map_err(redb)?;
            }
        }
        transaction.commit().map_err(redb)
    }

    fn each(&self, count: &mut Count<'_>) -> Result<(), LogError> {
        let transaction = self.0.begin_read().map_err(redb)?;
        let events = transaction.open_table(EVENTS).map_err(redb)?;
        for entry in events.iter().map_err(redb)? {
            let (_, value) = entry.map_err(redb)?;
            let (stream, payload) = parts(value.value())?;
            count(stream, payload)?;
        }
        Ok(())
    }
}

fn redb(error: impl Into<redb::Error>) -> LogError {
    failed("redb", error.into())
}
