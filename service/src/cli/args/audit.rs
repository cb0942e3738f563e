//! Commands and options of the proof of the log.

use std::path::PathBuf;

use bishui_domain::ids::CountyId;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// Read every event and compare the log with itself and with every checkpoint; exit 3 on a difference
    Verify {
        /// A checkpoint that was given out, to compare with beside those that are kept
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Print a proof, complete in itself, that an event is in the log or that the log continues a checkpoint
    Prove {
        /// The event's position
        #[arg(required_unless_present = "since")]
        position: Option<u64>,
        /// An older checkpoint, which the log is to continue
        #[arg(long, value_name = "FILE", conflicts_with = "position")]
        since: Option<PathBuf>,
    },
    /// Sign and print a checkpoint of the log as it stands
    Checkpoint {
        /// Write it to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the key that checks this log's signatures
    Key,
    /// Write the evidence of a county and year to one file, which `bishui-verify` checks
    Bundle {
        /// County id
        #[arg(long)]
        county: CountyId,
        /// Calendar year
        #[arg(long)]
        year: i16,
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}
