//! `migrate-store`: a log moves to another store.

use std::process::ExitCode;

use super::args::MigrateStoreArgs;
use super::output::Output;
use crate::error::OfficeError;
use crate::migrate::migrate;
use crate::store::Unfinished;

/// Moves the log, and prints what both stores hold then.
pub(super) async fn run(args: &MigrateStoreArgs, output: &Output) -> Result<ExitCode, OfficeError> {
    let from = args.from.open().await?;
    let target = Unfinished::to_move(&args.to).await?;
    let waiting = output.spinner("comparing what is in both stores");
    let progress = |position| waiting.set_message(format!("{position} events are in {}", args.to));
    let moved = migrate(&*from.log(), target, &progress).await;
    waiting.finish_and_clear();
    output.show(&moved?, |output, moved| {
        let before = moved.found;
        output.line(format_args!("{} events are in {}, {before} of them before", moved.events, args.to));
        output.line(format_args!("SHA-256 over all events: {} in {}", moved.source_sha256, args.from));
        output.line(format_args!("                         {} in {}", moved.target_sha256, args.to));
    });
    Ok(ExitCode::SUCCESS)
}
