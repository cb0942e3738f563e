//! The stores that are compared, and how each is opened, sized and run in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use bishui::bench::database::{self, PostgresStand};
use bishui::bench::log::SledStand;
use bishui::bench::subject::{Part, Stand, Subject, failed};
use bishui::bench::{disk, errand};
use bishui_infra::event_log::LogError;
use bishui_infra::event_log::postgres::Address;
use clap::{Args, ValueEnum};
use strum::IntoEnumIterator as _;
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
    /// Ours, embedded
    Bishui,
    /// fjall 3
    Fjall,
    /// `SQLite`
    Sqlite,
    /// redb 4
    Redb,
    /// sled 0.34 by itself
    Sled,
    /// Ours on PostgreSQL
    BishuiPostgres,
    /// One INSERT an append on PostgreSQL
    Sql,
    /// cqrs-es with postgres-es
    CqrsEs,
}

impl Kind {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 8] = [
        Self::Bishui,
        Self::Fjall,
        Self::Sqlite,
        Self::Redb,
        Self::Sled,
        Self::BishuiPostgres,
        Self::Sql,
        Self::CqrsEs,
    ];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bishui => "**bishui**, embedded",
            Self::Fjall => "fjall 3 (+ group commit)",
            Self::Sqlite => "SQLite WAL, synchronous=FULL (+ group commit)",
            Self::Redb => "redb 4 (+ group commit)",
            Self::Sled => "sled 0.34, two trees, flush + fdatasync (+ group commit)",
            Self::BishuiPostgres => "**bishui** on PostgreSQL",
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
            Self::BishuiPostgres => "bishui-postgres",
            Self::Sql => "sql",
            Self::CqrsEs => "cqrs-es",
        }
    }

    /// Whether it is in a database rather than in files of its own.
    pub(crate) fn needs_postgres(self) -> bool {
        match self {
            Self::Bishui | Self::Fjall | Self::Sqlite | Self::Redb | Self::Sled => false,
            Self::BishuiPostgres | Self::Sql | Self::CqrsEs => true,
        }
    }

    fn manner(self) -> Option<Manner> {
        match self {
            Self::Bishui | Self::Fjall | Self::Sqlite | Self::Redb | Self::Sled | Self::BishuiPostgres => None,
            Self::Sql => Some(Manner::Sql),
            Self::CqrsEs => Some(Manner::CqrsEs),
        }
    }
}

/// Where our logs work. Lives as long as the program: what is measured is not how it starts and stops.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be started"));

/// A store that is compared, at its place.
pub(crate) struct PeerStand {
    kind: Kind,
    directory: PathBuf,
    server: Server,
}

/// The database that the stores on PostgreSQL are in, and how it is used.
#[derive(Debug, Clone, Args)]
pub(crate) struct Server {
    /// A database to write tables into; without it the stores on PostgreSQL are left out
    #[arg(long, value_name = "URL", env = "BISHUI_PEERS_POSTGRES", hide_env_values = true)]
    pub(crate) postgres: Option<String>,
    /// Sessions of the pool that postgres-es and plain SQL write through
    #[arg(long, default_value_t = 64, env = "BISHUI_PEERS_SESSIONS", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) sessions: u32,
}

impl PeerStand {
    pub(crate) fn new(kind: Kind, directory: PathBuf, server: Server) -> Self {
        Self { kind, directory, server }
    }

    fn path(&self, part: Part) -> PathBuf {
        self.directory.join(part.to_string())
    }

    fn embedded(&self) -> SledStand {
        SledStand::new(self.directory.clone(), RUNTIME.handle().clone())
    }

    fn database(&self) -> Result<PostgresStand, LogError> {
        Ok(PostgresStand::new(self.address()?, self.directory.clone(), RUNTIME.handle().clone()))
    }

    fn address(&self) -> Result<Address, LogError> {
        Address::parse(self.url()?)
    }

    fn url(&self) -> Result<&str, LogError> {
        self.server.postgres.as_deref().ok_or_else(|| failed(self.kind.name(), "it needs `--postgres URL`"))
    }

    fn table(&self, manner: Manner, part: Part) -> Result<Postgres, LogError> {
        let table = format!("bishui_peers_{}_{part}", self.kind.id().replace('-', "_"));
        Postgres::open(self.url()?, &table, manner, self.server.sessions)
    }

    /// Refuses a server that does not sync what it acknowledges.
    pub(crate) fn must_sync(&self) -> Result<(), LogError> {
        if self.kind.needs_postgres() { RUNTIME.block_on(database::must_sync(&self.address()?)) } else { Ok(()) }
    }

    /// Removes what is not in its directory.
    pub(crate) fn remove(&self) -> Result<(), LogError> {
        if self.kind == Kind::BishuiPostgres {
            return RUNTIME.block_on(database::remove(&self.address()?));
        }
        let Some(manner) = self.kind.manner() else { return Ok(()) };
        Part::iter().try_for_each(|part| self.table(manner, part)?.remove())
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
            Kind::Bishui => self.embedded().open(part)?,
            Kind::Fjall => Box::new(Grouped(Fjall::open(&path)?)),
            Kind::Sqlite => Box::new(Grouped(Sqlite::open(&path)?)),
            Kind::Redb => Box::new(Grouped(Redb::open(&path)?)),
            Kind::Sled => Box::new(Grouped(Sled::open(&path)?)),
            Kind::BishuiPostgres => self.database()?.open(part)?,
            Kind::Sql => Box::new(self.table(Manner::Sql, part)?),
            Kind::CqrsEs => Box::new(self.table(Manner::CqrsEs, part)?),
        })
    }

    fn bytes(&self, part: Part) -> Result<u64, LogError> {
        if self.kind == Kind::BishuiPostgres {
            return self.database()?.bytes(part);
        }
        if let Some(manner) = self.kind.manner() {
            return self.table(manner, part)?.bytes();
        }
        disk::bytes(&self.path(part)).map_err(|error| failed("the size of a store", error))
    }

    fn errand(&self) -> Result<Command, LogError> {
        let mut command = errand::this_program()?;
        command.args(["errand", self.kind.id()]).arg(&self.directory);
        // In variables, for the list of processes shows arguments to everyone.
        if let Some(url) = &self.server.postgres {
            command.env("BISHUI_PEERS_POSTGRES", url);
        }
        command.env("BISHUI_PEERS_SESSIONS", self.server.sessions.to_string());
        Ok(command)
    }
}
