//! fjall: one batch over two keyspaces a group, its journal synced by `fdatasync`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use bishui::bench::subject::failed;
use bishui::bench::workload::Fact;
use bishui_infra::event_log::LogError;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::embedded::{Count, Embedded, check, number, parts, value};

pub(crate) struct Fjall {
    database: Database,
    events: Keyspace,
    heads: Keyspace,
    /// Position of the newest event.
    head: Mutex<u64>,
}

impl Fjall {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let database = Database::builder(path).open().map_err(fjall)?;
        let events = database.keyspace("events", KeyspaceCreateOptions::default).map_err(fjall)?;
        let heads = database.keyspace("heads", KeyspaceCreateOptions::default).map_err(fjall)?;
        let newest = events.last_key_value().map(fjall::Guard::key).transpose().map_err(fjall)?;
        let head = Mutex::new(number(newest.as_deref())?);
        Ok(Self { database, events, heads, head })
    }
}

impl Embedded for Fjall {
    fn commit(&self, requests: &[Vec<Fact>]) -> Result<(), LogError> {
        let mut head = self.head.lock().expect("no holder of the head panics");
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut position = *head;
        // What the batch itself holds cannot be read back from the store yet.
        let mut newest: HashMap<u64, u64> = HashMap::new();
        for fact in requests.iter().flatten() {
            let actual = match newest.get(&fact.stream) {
                Some(version) => *version,
                None => number(self.heads.get(fact.stream.to_be_bytes()).map_err(fjall)?.as_deref())?,
            };
            check(fact, actual)?;
            position += 1;
            batch.insert(&self.events, position.to_be_bytes(), value(fact));
            batch.insert(&self.heads, fact.stream.to_be_bytes(), fact.version.to_be_bytes());
            newest.insert(fact.stream, fact.version);
        }
        batch.commit().map_err(fjall)?;
        *head = position;
        Ok(())
    }

    fn each(&self, count: &mut Count<'_>) -> Result<(), LogError> {
        for entry in self.events.iter() {
            let value = entry.value().map_err(fjall)?;
            let (stream, payload) = parts(&value)?;
            count(stream, payload)?;
        }
        Ok(())
    }
}

fn fjall(error: fjall::Error) -> LogError {
    failed("fjall", error)
}
