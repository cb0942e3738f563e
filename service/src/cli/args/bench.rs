//! Commands of the speed measurement.

use clap::{Args, Subcommand};

use crate::bench::errand::Errand;
use crate::bench::workload::STREAMS_MAX;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BenchCommand {
    /// Appends, replay, opening, bytes and memory of a store, beside the bare disk. `--store` names an empty directory or
    /// a new one, or a database on whose server new ones are made; by default a directory beside the data directory.
    /// What is written is removed afterwards
    Store(BenchStoreArgs),
    /// A part of a measurement, in a process of its own
    #[command(hide = true)]
    Errand {
        /// What is to be done (JSON)
        #[arg(value_parser = errand)]
        errand: Errand,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchStoreArgs {
    /// Events that are loaded and replayed
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(in crate::cli) events: u64,
    /// Streams of a second load that is scattered over them; 0 to leave it out
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(0..=STREAMS_MAX))]
    pub(in crate::cli) streams: u64,
    /// Rounds behind each median
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=99))]
    pub(in crate::cli) rounds: u32,
}

fn errand(text: &str) -> Result<Errand, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
