//! Backups and restores.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct BackupArgs {
    /// The directory; made when it is not there
    #[arg(required = true)]
    pub(in crate::cli) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(in crate::cli) command: Option<BackupCommand>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BackupCommand {
    /// Read a whole backup and compare every line, size and hash
    Verify {
        /// The directory
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    /// The directory of the backup
    pub(in crate::cli) dir: PathBuf,
    /// Only up to a position or an instant: the last whole batch at or before it
    #[arg(long, value_name = "POSITION|TIME")]
    pub(in crate::cli) until: Option<String>,
    /// Restore the rest where attachments are missing from the backup or damaged in it, and name them
    #[arg(long)]
    pub(in crate::cli) accept_loss: bool,
}
