//! `bench`: the speed of a store beside the bare disk.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bishui_infra::event_log::LogError;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::args::{BenchCommand, BenchStoreArgs, Cli};
use super::output::Output;
use crate::bench::database::{self, PostgresStand};
use crate::bench::log::SledStand;
use crate::bench::subject::Stand;
use crate::bench::{Report, Settings, measure};
use crate::error::OfficeError;
use crate::store::Place;

/// Runs a measurement, or an errand of one, off the async threads.
pub(super) async fn run(cli: &Cli, command: &BenchCommand, output: &Output) -> Result<ExitCode, OfficeError> {
    match command {
        BenchCommand::Store(args) => store(cli, args, output).await?,
        BenchCommand::Errand { errand } => {
            let place = cli.store.clone().unwrap_or_else(|| Place::Sled(cli.data.clone()));
            let (stand, errand) = (stand(&place, cli.data.clone(), Handle::current()), *errand);
            let outcome = off_the_runtime(move || errand.carry_out(&*stand)).await?;
            output.line(serde_json::to_string(&outcome).expect("outcomes are numbers"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn store(cli: &Cli, args: &BenchStoreArgs, output: &Output) -> Result<(), OfficeError> {
    let parent = match &cli.store {
        Some(Place::Sled(directory)) => empty(directory)?,
        Some(Place::Postgres(_)) | None => beside(&cli.data),
    };
    if let Some(Place::Postgres(address)) = &cli.store {
        database::must_sync(address).await?;
    }
    let directory = throw_away(&parent)?;
    let own = directory.path().to_owned();
    let place = match &cli.store {
        Some(Place::Postgres(address)) => Place::Postgres(address.clone()),
        Some(Place::Sled(_)) | None => Place::Sled(own.clone()),
    };
    remove_databases(cli).await?;
    let stand = stand(&place, own, Handle::current());
    let settings = Settings { events: args.events, streams: args.streams, rounds: args.rounds };
    let waiting = output.spinner("measuring");
    let progress = waiting.clone();
    let measured = off_the_runtime(move || measure(&*stand, settings, &|what| progress.set_message(what.to_owned())));
    let report = measured.await;
    waiting.finish_and_clear();
    remove_databases(cli).await?;
    let report = report?;
    warn(&report);
    output.show(&report, show);
    directory.close().map_err(|error| unusable(&parent, &error))
}

/// Removes what a measurement in databases leaves, or an earlier one that was stopped has left.
async fn remove_databases(cli: &Cli) -> Result<(), LogError> {
    match &cli.store {
        Some(Place::Postgres(address)) => database::remove(address).await,
        Some(Place::Sled(_)) | None => Ok(()),
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| {
        Err(LogError::Unavailable { what: "the measurement".into(), source: Some(Box::new(error)) })
    })
}

/// The stores to be measured, with a directory on the disk that is measured.
fn stand(place: &Place, directory: PathBuf, runtime: Handle) -> Box<dyn Stand + Send> {
    match place {
        Place::Sled(directory) => Box::new(SledStand::new(directory.clone(), runtime)),
        Place::Postgres(address) => Box::new(PostgresStand::new(address.clone(), directory, runtime)),
    }
}

/// The directory, made when it is not there; what it holds already is never measured on.
fn empty(directory: &Path) -> Result<PathBuf, OfficeError> {
    std::fs::create_dir_all(directory).map_err(|error| unusable(directory, &error))?;
    let mut entries = std::fs::read_dir(directory).map_err(|error| unusable(directory, &error))?;
    if entries.next().is_some() {
        let what = format!("{} is not empty; a measurement takes an empty directory or a new one", directory.display());
        return Err(OfficeError::Input { what });
    }
    Ok(directory.to_owned())
}

/// The directory that the data directory is in: the same disk, whether it is there yet or not.
fn beside(data: &Path) -> PathBuf {
    match data.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn throw_away(parent: &Path) -> Result<TempDir, OfficeError> {
    // Canonical, because the errands are other processes.
    let parent_path = parent.canonicalize().map_err(|error| unusable(parent, &error))?;
    let directory = tempfile::Builder::new().prefix("bishui-bench-").tempdir_in(parent_path);
    directory.map_err(|error| unusable(parent, &error))
}

fn unusable(directory: &Path, error: &std::io::Error) -> OfficeError {
    OfficeError::Input { what: format!("{}: {error}", directory.display()) }
}

/// A word about rounds in which the machine was busy, or its disk slow.
fn warn(report: &Report) {
    let rounds = report.rounds;
    if rounds.discarded > 0 {
        let count = rounds.discarded;
        eprintln!("bishui: {count} rounds were discarded and repeated: half of the bare commits took over 1 ms");
    }
    if rounds.slow > 0 {
        let count = rounds.slow;
        eprintln!("bishui: {count} such rounds were kept after too many: the machine is busy or its disk slow");
    }
}

fn show(output: &Output, report: &Report) {
    let (limit, ours, ratio) = (&report.limit, &report.ours, &report.ratio);
    let row = |what: &str, limit: f64, ours: f64, ratio: f64| {
        vec![what.to_owned(), format!("{limit:.0}"), format!("{ours:.0}"), format!("{ratio:.2}")]
    };
    let rows = vec![
        row("1 writer", limit.one, ours.one, ratio.one),
        row("64 writers", limit.group, ours.group, ratio.group),
        row("commits of 100", limit.batch, ours.batch, ratio.batch),
        row("replay", limit.replay, ours.replay, ratio.replay),
    ];
    output.table(&["events/s", "bare disk", &report.store, "ratio"], rows, "");
    let (own, bare) = (report.p99_ms, report.limit_p99_ms);
    output.line(format_args!(
        "p99 ms: 1 writer {} (bare {}), 64 writers {} (bare {})",
        own.one, bare.one, own.group, bare.group
    ));
    output.line(format_args!(
        "{} events: loaded in {:.1} s, opened in {:.3} s ({:.3} s after a kill), {:.0} bytes an event, peak {:.0} MB \
         loading, {:.0} MB replaying",
        report.events,
        report.load_s,
        report.open_s,
        report.open_after_kill_s,
        report.bytes_per_event,
        report.peak_mb.load,
        report.peak_mb.replay
    ));
    if let Some(over) = &report.scattered {
        output.line(format_args!(
            "over {} streams: loaded in {:.1} s, opened in {:.3} s, {:.0} bytes an event, replayed at {:.0}/s, peak \
             {:.0} MB loading, {:.0} MB replaying",
            over.streams,
            over.load_s,
            over.open_s,
            over.bytes_per_event,
            over.replay,
            over.peak_mb.load,
            over.peak_mb.replay
        ));
    }
}
