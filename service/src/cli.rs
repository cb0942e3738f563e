//! The command line: every act and every question, on the store itself or through the running service.

mod acts;
mod answer;
mod args;
mod attached;
mod audit;
mod backups;
mod bench;
mod consumers;
mod demo;
mod explanation;
mod lists;
mod migrate;
mod offline;
mod output;
mod questions;
mod receipts;
mod repair;
mod restore;
mod serve;
mod session;
mod standing;
mod task;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use crate::error::OfficeError;
use args::{Cli, Command};
use output::Output;
use task::Task;

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
    match task::of(&cli.command)? {
        Task::Serve(args) => serve::service(&cli, args).await,
        Task::Demonstrate(args) => serve::demonstrate(args, output).await,
        Task::Init => offline::init(&cli, output).await,
        Task::Config(command) => offline::config(&cli, command, output),
        Task::Bench(command) => bench::run(&cli, command, output).await,
        Task::MigrateStore(args) => migrate::run(args, output).await,
        Task::Doctor => offline::doctor(&cli, output).await,
        Task::Repair { accept_loss } => repair::run(&cli, accept_loss, output).await,
        Task::WriteBackup(dir, kind) => backups::write(&cli, dir, kind, output).await,
        Task::VerifyBackup(dir) => backups::verify(dir, output),
        Task::Restore(asked) => restore::restore(&cli, asked, output).await,
        Task::Attachment(sha256, file) => attached::write(&cli, sha256, file, output),
        Task::Token(command) => tokens::run(&cli, command, output),
        Task::Drill(scenario) => offline::drill(scenario, output).await,
        Task::Classify(file) => offline::classify_file(file, output),
        Task::Complete(shell) => Ok(offline::completions(shell, output)),
        Task::Record(asked) => acts::record(&cli, asked, output).await,
        Task::ApproveAll => acts::approve_all(&cli, output).await,
        Task::Ask(query, show) => questions::ask(&cli, &query, show, output).await,
        Task::Replay => questions::replay(&cli, output).await,
        Task::Audit(command) => audit::run(&cli, command, output).await,
        Task::Rebuild(name) => consumers::rebuild(&cli, name, output).await,
    }
}

/// The exit code of an error. A refusal is a failure of the command, not of the program.
fn exit_code(error: &OfficeError) -> u8 {
    use bishui_infra::event_log::LogError;
    use bishui_infra::transparency::ProofError;
    match error {
        OfficeError::Input { .. }
        | OfficeError::Proof(ProofError::Note { .. })
        | OfficeError::Remote { status: 400 | 413 | 415 | 422, .. } => exit::REJECTED,
        OfficeError::Proof(
            ProofError::Truncated { .. }
            | ProofError::Fork { .. }
            | ProofError::Damaged { .. }
            | ProofError::Lost { .. },
        ) => exit::DIFFERENCE,
        OfficeError::Remote { code, .. }
            if ["log_truncated", "log_differs", "checkpoints_damaged"].contains(&code.as_str()) =>
        {
            exit::DIFFERENCE
        }
        OfficeError::Proof(ProofError::File { .. } | ProofError::Random(_) | ProofError::Log(_))
        | OfficeError::Log(LogError::InUse { .. } | LogError::Unavailable { .. })
        | OfficeError::Behind { .. }
        | OfficeError::Remote { status: 502..=504, .. } => exit::UNAVAILABLE,
        OfficeError::Refused(_)
        | OfficeError::Log(_)
        | OfficeError::Codec(_)
        | OfficeError::Moved
        | OfficeError::NotFound { .. }
        | OfficeError::Stopped { .. }
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
