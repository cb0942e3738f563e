//! The stores that are compared, and how each is opened, sized and run in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use bishui::bench::log::SledStand;
use bishui::bench::subject::{Part, Stand, Subject, failed};
use bishui::bench::{disk, errand};
use bishui_infra::event_log::LogError;
use clap::ValueEnum;
use tokio::runtime::Runtime;

use crate::embedded::Grouped;
use crate::fjall_store::Fjall;
use crate::postgres::{Manner, Postgres};
use crate::redb_store::Redb;
use crate::sled_store::Sled;
use crate::sqlite::Sqlite;

/// A store that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Ours
    Bishui,
    /// fjall 3
    Fjall,
    /// `SQLite`
    Sqlite,
    /// redb 4
    Redb,
    /// sled 0.34 by itself
    Sled,
    /// One INSERT an append on PostgreSQL
    Sql,
    /// cqrs-es with postgres-es
    CqrsEs,
}

impl Kind {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 7] =
        [Self::Bishui, Self::Fjall, Self::Sqlite, Self::Redb, Self::Sled, Self::Sql, Self::CqrsEs];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bishui => "**bishui**",
            Self::Fjall => "fjall 3 (+ group commit)",
            Self::Sqlite => "SQLite WAL, synchronous=FULL (+ group commit)",
            Self::Redb => "redb 4 (+ group commit)",
            Self::Sled => "sled 0.34, two trees, flush + fdatasync (+ group commit)",
            Self::Sql => "PostgreSQL, one INSERT…unnest an append",
            Self::CqrsEs => "cqrs-es 0.5 + postgres-es, persist only",
        }
    }

    /// Its name in paths, tables and arguments.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Bishui => "bishui",
            Self::Fjall => "fjall",
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Sql => "sql",
            Self::CqrsEs => "cqrs-es",
        }
    }

    /// Whether it is a table of a database rather than files of its own.
    pub(crate) fn needs_postgres(self) -> bool {
        self.manner().is_some()
    }

    fn manner(self) -> Option<Manner> {
        match self {
            Self::Bishui | Self::Fjall | Self::Sqlite | Self::Redb | Self::Sled => None,
            Self::Sql => Some(Manner::Sql),
            Self::CqrsEs => Some(Manner::CqrsEs),
        }
    }
}

/// A store that is compared, at its place.
pub(crate) struct PeerStand {
    kind: Kind,
    directory: PathBuf,
    postgres: Option<String>,
}

impl PeerStand {
    pub(crate) fn new(kind: Kind, directory: PathBuf, postgres: Option<String>) -> Self {
        Self { kind, directory, postgres }
    }

    fn path(&self, part: Part) -> PathBuf {
        self.directory.join(part.to_string())
    }

    fn ours(&self) -> SledStand {
        /// Lives as long as the program: what is measured is not how it starts and stops.
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be started"));
        SledStand::new(self.directory.clone(), RUNTIME.handle().clone())
    }

    fn table(&self, manner: Manner, part: Part) -> Result<Postgres, LogError> {
        let url = self.postgres.as_deref();
        let url = url.ok_or_else(|| failed(self.kind.name(), "it needs `--postgres URL`"))?;
        let table = format!("bishui_peers_{}_{part}", self.kind.id().replace('-', "_"));
        Postgres::open(url, &table, manner)
    }

    /// Removes what is not in its directory.
    pub(crate) fn remove(&self) -> Result<(), LogError> {
        let Some(manner) = self.kind.manner() else { return Ok(()) };
        [Part::Rounds, Part::Load].into_iter().try_for_each(|part| self.table(manner, part)?.remove())
    }
}

impl Stand for PeerStand {
    fn name(&self) -> String {
        self.kind.name().into()
    }

    fn directory(&self) -> &Path {
        &self.directory
    }

    fn open(&self, part: Part) -> Result<Box<dyn Subject>, LogError> {
        let path = self.path(part);
        Ok(match self.kind {
            Kind::Bishui => self.ours().open(part)?,
            Kind::Fjall => Box::new(Grouped(Fjall::open(&path)?)),
            Kind::Sqlite => Box::new(Grouped(Sqlite::open(&path)?)),
            Kind::Redb => Box::new(Grouped(Redb::open(&path)?)),
            Kind::Sled => Box::new(Grouped(Sled::open(&path)?)),
            Kind::Sql => Box::new(self.table(Manner::Sql, part)?),
            Kind::CqrsEs => Box::new(self.table(Manner::CqrsEs, part)?),
        })
    }

    fn bytes(&self, part: Part) -> Result<u64, LogError> {
        if let Some(manner) = self.kind.manner() {
            return self.table(manner, part)?.bytes();
        }
        disk::bytes(&self.path(part)).map_err(|error| failed("the size of a store", error))
    }

    fn errand(&self) -> Result<Command, LogError> {
        let mut command = errand::this_program()?;
        command.args(["errand", self.kind.id()]).arg(&self.directory);
        if let Some(url) = &self.postgres {
            command.args(["--postgres", url]);
        }
        Ok(command)
    }
}
