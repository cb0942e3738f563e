//! What follows the log: where it has stopped, and what is built from it.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum IncidentsCommand {
    /// List consumers that have stopped, with the event and the failure
    List,
    /// Try again at once
    Retry {
        /// The consumer
        consumer: String,
    },
    /// Skip exactly the event at which the consumer has stopped; recorded with the reason
    Skip {
        /// The consumer
        consumer: String,
        /// Position of the event
        #[arg(long)]
        position: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProjectionsCommand {
    /// List projections: version, position, lag
    List,
    /// Build a projection anew beside the one in service, and switch when it is level
    Rebuild {
        /// The projection
        name: String,
    },
}
