//! sled by itself: a transaction over two trees a group, then its flush, and an `fdatasync` of its file, which its
//! flush leaves out on Linux.

use std::fs::File;
use std::path::Path;

use bishui::bench::subject::failed;
use bishui::bench::workload::Fact;
use bishui_infra::event_log::LogError;
use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional};
use sled::{Db, Tree};

use crate::embedded::{Count, Embedded, check, number, parts, value};

/// The key of the newest position, in the tree of the heads; shorter than any stream's.
const NEWEST: &[u8] = b"newest";

pub(crate) struct Sled {
    database: Db,
    file: File,
    events: Tree,
    heads: Tree,
}

impl Sled {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let database = sled::open(path).map_err(sled)?;
        let (events, heads) = (database.open_tree("events").map_err(sled)?, database.open_tree("heads").map_err(sled)?);
        let file = File::open(path.join("db")).map_err(|error| failed("sled's file", error))?;
        Ok(Self { database, file, events, heads })
    }
}

impl Embedded for Sled {
    fn commit(&self, requests: &[Vec<Fact>]) -> Result<(), LogError> {
        let outcome = (&self.events, &self.heads).transaction(|(events, heads)| {
            let stop = ConflictableTransactionError::Abort;
            let mut position = number(heads.get(NEWEST)?.as_deref()).map_err(stop)?;
            for fact in requests.iter().flatten() {
                let stream = fact.stream.to_be_bytes();
                check(fact, number(heads.get(stream)?.as_deref()).map_err(stop)?).map_err(stop)?;
                position += 1;
                events.insert(&position.to_be_bytes(), value(fact))?;
                heads.insert(&stream, &fact.version.to_be_bytes())?;
            }
            heads.insert(NEWEST, &position.to_be_bytes())?;
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TransactionError::Abort(refused)) => return Err(refused),
            Err(TransactionError::Storage(error)) => return Err(sled(error)),
        }
        self.database.flush().map_err(sled)?;
        self.file.sync_data().map_err(|error| failed("sled's file", error))
    }

    fn each(&self, count: &mut Count<'_>) -> Result<(), LogError> {
        for entry in &self.events {
            let (_, value) = entry.map_err(sled)?;
            let (stream, payload) = parts(&value)?;
            count(stream, payload)?;
        }
        Ok(())
    }
}

fn sled(error: sled::Error) -> LogError {
    failed("sled", error)
}
