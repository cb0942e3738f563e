//! Logs on `PostgreSQL` as the subject, each in a database of its own on the server of an address.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bishui_infra::event_log::LogError;
use bishui_infra::event_log::postgres::{Address, PostgresLog, database};
use strum::IntoEnumIterator as _;
use tokio::runtime::Handle;

use super::errand;
use super::log::LogSubject;
use super::subject::{Part, Stand, Subject};

/// Databases beside that of an address, which is not touched; [`remove`] removes them.
pub struct PostgresStand {
    address: Address,
    directory: PathBuf,
    runtime: Handle,
}

impl PostgresStand {
    /// Databases on the server of `address`, with a `directory` on the disk that is measured; their tasks run on
    /// `runtime`, of which the caller must not be a task.
    pub fn new(address: Address, directory: PathBuf, runtime: Handle) -> Self {
        Self { address, directory, runtime }
    }
}

impl Stand for PostgresStand {
    fn name(&self) -> String {
        "postgres".into()
    }

    fn directory(&self) -> &Path {
        &self.directory
    }

    fn open(&self, part: Part) -> Result<Box<dyn Subject>, LogError> {
        let address = of_part(&self.address, part);
        let log = self.runtime.block_on(async {
            database::make(&self.address, &address).await?;
            PostgresLog::make(&address).await?;
            PostgresLog::open(&address).await
        })?;
        Ok(Box::new(LogSubject { log: Arc::new(log), runtime: self.runtime.clone(), has_tasks: true }))
    }

    fn bytes(&self, part: Part) -> Result<u64, LogError> {
        self.runtime.block_on(database::bytes(&of_part(&self.address, part)))
    }

    fn errand(&self) -> Result<Command, LogError> {
        let mut command = errand::this_program()?;
        // In a variable, for the list of processes shows arguments to everyone.
        command.args(["bench", "errand"]).env("BISHUI_STORE", self.address.as_given());
        Ok(command)
    }
}

/// Refuses a server that acknowledges what is not on its disk: no limit of a disk is comparable with it.
///
/// # Errors
/// `Unavailable` where the server runs with `fsync = off`, or cannot be asked.
pub async fn must_sync(address: &Address) -> Result<(), LogError> {
    if database::syncs(address).await? {
        return Ok(());
    }
    let what = format!("{address} runs with fsync = off, so its commits cannot be compared with a disk: set it on");
    Err(LogError::Unavailable { what, source: None })
}

/// Removes the databases of a measurement on the server of `address`.
///
/// # Errors
/// `Unavailable` where the server cannot be asked, or one of them is in use.
pub async fn remove(address: &Address) -> Result<(), LogError> {
    for part in Part::iter() {
        database::remove(address, &of_part(address, part)).await?;
    }
    Ok(())
}

fn of_part(address: &Address, part: Part) -> Address {
    address.with_database(&format!("bishui_bench_{part}"))
}
