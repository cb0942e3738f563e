//! Bishui's log beside other stores: the same events, the same checks of versions, durable before the acknowledgement.
//!
//! A program to look at, not a test. Every store is measured in turns with the bare disk as `bishui bench store` does
//! it, so its ratios hold whatever else the machine does; absolute figures of two stores are minutes apart.

mod aggregate;
mod embedded;
mod fjall_store;
mod kind;
mod postgres;
mod redb_store;
mod sled_store;
mod sqlite;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use bishui::bench::errand::Errand;
use bishui::bench::subject::{Stand, failed};
use bishui::bench::{Report, Settings, measure};
use bishui_infra::event_log::LogError;
use clap::{Parser, Subcommand};

use kind::{Kind, PeerStand, Server};

/// Measures Bishui's log and other stores beside the bare disk, and prints a table of their shares of it.
#[derive(Debug, Parser)]
#[command(name = "bishui-peers", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Events that are loaded and replayed
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    events: u64,
    /// Rounds behind each median
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=99))]
    rounds: u32,
    /// Only these stores
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    #[command(flatten)]
    server: Server,
    /// Where the stores are made, in a directory that is removed afterwards
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// A part of a measurement, in a process of its own
    #[command(hide = true)]
    Errand {
        /// The store
        kind: Kind,
        /// Where it is
        directory: PathBuf,
        /// What is to be done (JSON)
        errand: String,
        #[command(flatten)]
        server: Server,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.part {
        None => compare(&arguments),
        Some(Part::Errand { kind, directory, errand, server }) => {
            carry_out(&PeerStand::new(*kind, directory.clone(), server.clone()), errand)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut detail = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                detail = format!("{detail}: {cause}");
                source = cause.source();
            }
            eprintln!("bishui-peers: {detail}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(stand: &PeerStand, errand: &str) -> Result<(), LogError> {
    let errand: Errand = serde_json::from_str(errand).map_err(|error| failed("the errand", error))?;
    let outcome = errand.carry_out(stand)?;
    println!("{}", serde_json::to_string(&outcome).map_err(|error| failed("the outcome", error))?);
    Ok(())
}

fn compare(arguments: &Arguments) -> Result<(), LogError> {
    let directory = arguments.directory.canonicalize().map_err(|error| failed("the directory", error))?;
    let directory = tempfile::Builder::new().prefix("bishui-peers-").tempdir_in(directory);
    let directory = directory.map_err(|error| failed("a directory for the stores", error))?;
    let settings = Settings { events: arguments.events, streams: 0, rounds: arguments.rounds };
    let mut reports: Vec<Report> = Vec::new();
    for kind in Kind::ALL {
        if !arguments.only.is_empty() && !arguments.only.contains(&kind) {
            continue;
        }
        if kind.needs_postgres() && arguments.server.postgres.is_none() {
            eprintln!("{}: left out, for `--postgres URL` is not given", kind.name());
            continue;
        }
        let own = directory.path().join(kind.id());
        std::fs::create_dir(&own).map_err(|error| failed("a directory for a store", error))?;
        let stand = PeerStand::new(kind, own.clone(), arguments.server.clone());
        stand.must_sync()?;
        let report = measure(&stand, settings, &|what| eprintln!("{}: {what}", stand.name()));
        stand.remove()?;
        std::fs::remove_dir_all(&own).map_err(|error| failed("removing a store", error))?;
        reports.push(report?);
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&reports).map_err(|error| failed("the reports", error))?);
    } else {
        print!("{}", table::markdown(&reports));
    }
    directory.close().map_err(|error| failed("removing the directory of the stores", error))
}
