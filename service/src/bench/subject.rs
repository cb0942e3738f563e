//! What is measured: a kind of store at a place, and one of its stores while it is open.

use std::path::Path;
use std::process::Command;

use bishui_infra::event_log::LogError;
use serde::{Deserialize, Serialize};

use super::workload::{Run, Tally};
use super::writers::Timed;

/// The stores of one measurement, each written from empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Part {
    /// Takes the commits that are timed against the limit.
    Rounds,
    /// Takes the load, a stream after the other.
    Load,
    /// Takes the load scattered over many streams.
    Scattered,
    /// Takes a load whose process ends without closing it.
    Killed,
}

/// An open store. It is closed when it is dropped, which waits for what it still does.
pub trait Subject {
    /// Writes a run: versions checked, every commit durable before its writer goes on.
    ///
    /// # Errors
    /// What the store failed with.
    fn append(&self, run: Run) -> Result<Timed, LogError>;

    /// Reads every event in order, checked as the store checks it, and counts it.
    ///
    /// # Errors
    /// What the store failed with, and `Corrupt` where it gives what was not written.
    fn replay(&self) -> Result<Tally, LogError>;
}

/// A kind of store at a place where its parts are made.
pub trait Stand {
    /// Its name in the report.
    fn name(&self) -> String;

    /// A directory on the disk that is measured, for the files of the limit.
    fn directory(&self) -> &Path;

    /// Opens a part; makes it when it is not there.
    ///
    /// # Errors
    /// What the store failed with.
    fn open(&self, part: Part) -> Result<Box<dyn Subject>, LogError>;

    /// Bytes that a closed part takes on the disk.
    ///
    /// # Errors
    /// `Unavailable` where that cannot be found out.
    fn bytes(&self, part: Part) -> Result<u64, LogError>;

    /// The command that carries out an errand on this stand in a process of its own; the errand's JSON is added to it.
    ///
    /// # Errors
    /// `Unavailable` where the program cannot be named.
    fn errand(&self) -> Result<Command, LogError>;
}

/// A failure of the measurement around the store.
pub fn failed(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::Unavailable { what: what.into(), source: Some(source.into()) }
}
