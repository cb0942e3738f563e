//! The command line: every act and every question, on the store itself or through the running service.

mod acts;
mod answer;
mod args;
mod demo;
mod explanation;
mod lists;
mod offline;
mod output;
mod questions;
mod receipts;
mod serve;
mod session;
mod standing;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use crate::error::OfficeError;
use args::{Cli, Command};
use output::Output;

/// Exit codes of the contract.
pub mod exit {
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Verification found a difference.
    pub const DIFFERENCE: u8 = 3;
    /// Input rejected in part or whole.
    pub const REJECTED: u8 = 4;
    /// The store is in use or a dependency is down.
    pub const UNAVAILABLE: u8 = 5;
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    init_tracing(&cli);
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bishui: the runtime cannot start: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    match runtime.block_on(run(cli, &output)) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

async fn run(cli: Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    match &cli.command {
        Command::Serve(_) | Command::Demo(_) => serve::run(&cli, output).await,
        Command::Init
        | Command::Config(_)
        | Command::Doctor
        | Command::Token(_)
        | Command::Drill { .. }
        | Command::Classify { .. }
        | Command::Completions { .. } => offline::run(&cli, output).await,
        Command::Status { .. }
        | Command::Explain { .. }
        | Command::Evaluate { .. }
        | Command::Ledger { .. }
        | Command::Events { .. }
        | Command::Replay { .. } => questions::run(&cli, output).await,
        Command::Plan(_)
        | Command::Import(_)
        | Command::Declare(_)
        | Command::Publish(_)
        | Command::Revise(_)
        | Command::Notices(_)
        | Command::Interview(_)
        | Command::Impact(_)
        | Command::Pay(_)
        | Command::Settle(_)
        | Command::Mail(_) => acts::run(&cli, output).await,
    }
}

/// The exit code of an error. A refusal is a failure of the command, not of the program.
fn exit_code(error: &OfficeError) -> u8 {
    use bishui_infra::event_log::LogError;
    match error {
        OfficeError::Input { .. } => exit::REJECTED,
        OfficeError::Log(LogError::InUse { .. } | LogError::Unavailable { .. }) => exit::UNAVAILABLE,
        OfficeError::Remote { status: 502..=504, .. } => exit::UNAVAILABLE,
        OfficeError::Remote { status: 400 | 413 | 415 | 422, .. } => exit::REJECTED,
        OfficeError::Refused(_)
        | OfficeError::Log(_)
        | OfficeError::Codec(_)
        | OfficeError::Moved
        | OfficeError::NotFound { .. }
        | OfficeError::Remote { .. } => exit::FAILED,
    }
}

/// Logs go to standard error: a line a person reads, or JSON for the service.
fn init_tracing(cli: &Cli) {
    use tracing_subscriber::EnvFilter;
    let serving = matches!(cli.command, Command::Serve(_));
    let level = if serving { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("BISHUI_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if serving { builder.json().init() } else { builder.without_time().init() }
}
