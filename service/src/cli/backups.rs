//! Backup, export and restore.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bishui_infra::attachments::Attachments;
use bishui_infra::backup::{self, BackupError, PART_BYTES, Reader, Restored, Until, Writer, Written};
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, EventRef, LogError};
use serde_json::json;

use super::args::Cli;
use super::output::Output;
use super::session::{Remote, Session};
use super::{exit, offline, questions};
use crate::config::{Config, STORE_DIR};
use crate::error::OfficeError;
use crate::replay::Replayed;
use crate::restored;

/// What is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// What the log has more than the directory.
    Backup,
    /// The whole log, into a new directory.
    Export,
}

impl From<BackupError> for OfficeError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::NoBackup { .. }
            | BackupError::Occupied { .. }
            | BackupError::Exists { .. }
            | BackupError::Newer { .. }
            | BackupError::Damaged { .. }
            | BackupError::OtherLog { .. }
            | BackupError::NotEmpty { .. }
            | BackupError::TooShort { .. } => Self::Input { what: error.to_string() },
            BackupError::Busy { .. } => LogError::Unavailable { what: error.to_string(), source: None }.into(),
            BackupError::File { path, source } => unavailable(&path, source),
            BackupError::Attachment(error) => error.into(),
            BackupError::Codec(error) => error.into(),
            BackupError::Log(error) => error.into(),
        }
    }
}

fn unavailable(path: &Path, source: std::io::Error) -> OfficeError {
    LogError::Unavailable { what: path.display().to_string(), source: Some(Box::new(source)) }.into()
}

/// Writes a backup or an export, of the store or through the service that has it.
pub(super) async fn write(cli: &Cli, dir: &Path, kind: Kind, output: &Output) -> Result<ExitCode, OfficeError> {
    let originals = Config::read(&cli.data, cli.config.as_deref())?.attachments(&cli.data);
    let session = Session::open(cli).await?;
    let writer = match kind {
        Kind::Backup => Writer::open(dir, originals, PART_BYTES),
        Kind::Export => Writer::create(dir, originals, PART_BYTES),
    };
    let waiting = output.spinner("writing events");
    let written = match (writer, &session) {
        (Err(error), _) => Err(error.into()),
        (Ok(writer), Session::Local(local)) => {
            backup::write(local.office.log().as_ref(), writer).await.map_err(OfficeError::from)
        }
        (Ok(writer), Session::Remote(remote)) => write_remote(remote, writer),
    };
    waiting.finish_and_clear();
    let Written { events, events_added, parts_added, attachments, root } = written?;
    let done = json!({ "dir": dir, "events": events, "events_added": events_added, "parts_added": parts_added,
        "attachments": attachments, "root": root });
    output.show(done, |output, _| {
        output.line(format_args!(
            "{events_added} events added in {parts_added} parts, {attachments} attachments; {} has {events} events\n\
             root of the log up to there: {root}",
            dir.display()
        ));
    });
    Ok(ExitCode::SUCCESS)
}

/// Writes what the running service tells, up to its head of this moment.
fn write_remote(remote: &Remote, mut writer: Writer) -> Result<Written, OfficeError> {
    let mut lines = remote.events(writer.reads_after())?;
    while let Some(line) = lines.next_line()? {
        writer.take(&EventRef::from(&line.event))?;
    }
    Ok(writer.finish()?)
}

/// Checks a backup without restoring it.
pub(super) fn verify(dir: &Path, output: &Output) -> Result<ExitCode, OfficeError> {
    let waiting = output.spinner("reading the whole backup");
    let verified = Reader::open(dir).and_then(backup::verify);
    waiting.finish_and_clear();
    let Restored { events, attachments, root } = verified?;
    let done = json!({ "sound": true, "events": events, "attachments": attachments, "root": root });
    output.show(done, |output, _| {
        output.line(format_args!("the backup is sound: {events} events, {attachments} attachments, root {root}"));
    });
    Ok(ExitCode::SUCCESS)
}

/// Restores a backup into a data directory without a store. The store stands in a directory of another name until it is
/// whole and verified.
pub(super) async fn restore(cli: &Cli, dir: &Path, until: Until, output: &Output) -> Result<ExitCode, OfficeError> {
    let store = cli.data.join(STORE_DIR);
    if store.exists() {
        let what = format!("{} exists; restore into another data directory (`--data DIR`)", store.display());
        return Err(OfficeError::Input { what });
    }
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    if cli.store.is_some() || config.store.is_some() {
        let what = "a backup is restored into the embedded store of the data directory: leave the store out of options, \
                    variables and settings, and move it with `bishui migrate-store` afterwards";
        return Err(OfficeError::Input { what: what.to_owned() });
    }
    let reader = Reader::open(dir)?;
    let attachments = config.attachments(&cli.data);
    std::fs::create_dir_all(&cli.data).map_err(|error| unavailable(&cli.data, error))?;
    let aside = tempfile::Builder::new().prefix("restoring-").tempdir_in(&cli.data);
    let aside = aside.map_err(|error| unavailable(&cli.data, error))?;
    let waiting = output.spinner("restoring events, and deriving every decision again");
    let place = aside.path().join(STORE_DIR);
    let restored = restore_at(place.clone(), reader, until, &attachments, &config).await;
    waiting.finish_and_clear();
    let (events_restored, replayed) = restored?;
    offline::write_settings(&cli.data)?;
    // `rename` would take the place of an empty directory that was made meanwhile, never of a store.
    std::fs::rename(&place, &store).map_err(|error| unavailable(&store, error))?;
    File::open(&cli.data).and_then(|dir| dir.sync_all()).map_err(|error| unavailable(&cli.data, error))?;
    let Restored { events, attachments, root } = &events_restored;
    let replay = serde_json::to_value(&replayed).expect("a replay holds only texts and numbers");
    let done =
        json!({ "data": cli.data, "events": events, "attachments": attachments, "root": root, "replay": replay });
    output.show(&done, |output, _| {
        output
            .line(format_args!("{events} events and {attachments} attachments are restored into {}", store.display()));
        output.line(format_args!("root of the log: {root}"));
        questions::show_replay(output, &replay);
    });
    Ok(if replayed.differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}

/// Restores into a new store at `place`, reads the store from end to end, and derives every decision again.
async fn restore_at(
    place: PathBuf,
    reader: Reader,
    until: Until,
    attachments: &Attachments,
    config: &Config,
) -> Result<(Restored, Replayed), OfficeError> {
    let stopped = |error: tokio::task::JoinError| LogError::Unavailable { what: error.to_string(), source: None };
    let log = tokio::task::spawn_blocking(move || SledLog::open(place)).await.map_err(stopped)??;
    let restored = backup::restore(reader, until, &log, attachments).await?;
    let checked = log.clone();
    tokio::task::spawn_blocking(move || checked.verify()).await.map_err(stopped)??;
    let log: Arc<dyn EventLog> = Arc::new(log);
    let replayed = restored::take_up(Arc::clone(&log), config.work_calendar()?).await?;
    tokio::task::spawn_blocking(move || drop(log)).await.map_err(stopped)?;
    Ok((restored, replayed))
}
