//! Backup and export, and the check of what they wrote.

use std::path::Path;
use std::process::ExitCode;

use bishui_infra::backup::{self, BackupError, Lost, PART_BYTES, Proof, Reader, Restored, Writer, Written};
use bishui_infra::event_log::{EventRef, LogError};
use serde_json::json;

use super::args::Cli;
use super::exit;
use super::output::Output;
use super::session::{Remote, Session};
use crate::audit::PROOF_DIR;
use crate::config::Config;
use crate::error::OfficeError;

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
            | BackupError::Refuted { .. }
            | BackupError::Beyond { .. }
            | BackupError::OtherCheckpoints { .. }
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

/// Why a command on a backup was not carried out.
pub(super) enum Failure {
    /// For a reason that lies in the backup.
    Backup(BackupError),
    /// For another one.
    Office(OfficeError),
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<OfficeError> for Failure {
    fn from(error: OfficeError) -> Self {
        Self::Office(error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::Office(error.into())
    }
}

/// The end of a command; a backup that was compared and is not what it has to be is a difference.
pub(super) fn told(outcome: Result<ExitCode, Failure>, output: &Output) -> Result<ExitCode, OfficeError> {
    match outcome {
        Ok(code) => Ok(code),
        Err(Failure::Office(error)) => Err(error),
        Err(Failure::Backup(error)) => {
            let is_difference = match &error {
                BackupError::Damaged { .. }
                | BackupError::OtherLog { .. }
                | BackupError::Refuted { .. }
                | BackupError::Beyond { .. }
                | BackupError::OtherCheckpoints { .. } => true,
                BackupError::NoBackup { .. }
                | BackupError::Occupied { .. }
                | BackupError::Exists { .. }
                | BackupError::Busy { .. }
                | BackupError::Newer { .. }
                | BackupError::NotEmpty { .. }
                | BackupError::TooShort { .. }
                | BackupError::File { .. }
                | BackupError::Attachment(_)
                | BackupError::Codec(_)
                | BackupError::Log(_) => false,
            };
            if !is_difference {
                return Err(error.into());
            }
            output.error(&error.into());
            Ok(ExitCode::from(exit::DIFFERENCE))
        }
    }
}

/// Shows the attachments that are lost.
pub(super) fn show_lost(output: &Output, lost: &[Lost]) {
    if !lost.is_empty() {
        output.line(format_args!("{} attachments are lost:", lost.len()));
    }
    for lost in lost {
        output.line(format_args!("{lost} ({})", lost.sha256));
    }
}

pub(super) fn unavailable(path: &Path, source: std::io::Error) -> OfficeError {
    LogError::Unavailable { what: path.display().to_string(), source: Some(Box::new(source)) }.into()
}

/// Writes a backup or an export, of the store or through the service that has it.
pub(super) async fn write(cli: &Cli, dir: &Path, kind: Kind, output: &Output) -> Result<ExitCode, OfficeError> {
    told(try_to_write(cli, dir, kind, output).await, output)
}

async fn try_to_write(cli: &Cli, dir: &Path, kind: Kind, output: &Output) -> Result<ExitCode, Failure> {
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    let originals = config.attachments(&cli.data);
    let session = Session::open(cli).await?;
    let mut writer = match kind {
        Kind::Backup => Writer::open(dir, originals, PART_BYTES)?,
        Kind::Export => Writer::create(dir, originals, PART_BYTES)?,
    };
    // Checkpoints that cannot be read are no reason to keep no events.
    let proof = Proof::of(&cli.data.join(PROOF_DIR), config.signing_key.as_deref());
    let unread = proof.map(|proof| proof.into_iter().for_each(|proof| writer.keep_proof(proof))).err();
    let waiting = output.spinner("writing events");
    let written = match &session {
        Session::Local(local) => backup::write(local.office.log().as_ref(), writer).await.map_err(Failure::from),
        Session::Remote(remote) => write_remote(remote, writer),
    };
    waiting.finish_and_clear();
    let Written { events, events_added, parts_added, attachments, lost, root } = written?;
    let done = json!({ "dir": dir, "events": events, "events_added": events_added, "parts_added": parts_added,
        "attachments": attachments, "lost": lost, "root": root });
    output.show(done, |output, _| {
        output.line(format_args!(
            "{events_added} events added in {parts_added} parts, {attachments} attachments; {} has {events} events\n\
             root of the log up to there: {root}",
            dir.display()
        ));
        show_lost(output, &lost);
    });
    match unread {
        Some(error) => Err(OfficeError::from(error).into()),
        None if lost.is_empty() => Ok(ExitCode::SUCCESS),
        None => Ok(ExitCode::from(exit::DIFFERENCE)),
    }
}

/// Writes what the running service tells, up to its head of this moment.
fn write_remote(remote: &Remote, mut writer: Writer) -> Result<Written, Failure> {
    let mut lines = remote.events(writer.reads_after())?;
    while let Some(line) = lines.next_line()? {
        writer.take(&EventRef::from(&line.event))?;
    }
    Ok(writer.finish(lines.head())?)
}

/// Checks a backup without restoring it.
pub(super) fn verify(dir: &Path, output: &Output) -> Result<ExitCode, OfficeError> {
    told(try_to_verify(dir, output), output)
}

fn try_to_verify(dir: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let waiting = output.spinner("reading the whole backup");
    let verified = Reader::open(dir).and_then(backup::verify);
    waiting.finish_and_clear();
    let Restored { events, attachments, lost, root } = verified?;
    let sound = lost.is_empty();
    let done = json!({ "sound": sound, "events": events, "attachments": attachments, "lost": lost, "root": root });
    output.show(done, |output, _| {
        let state = if sound { "sound" } else { "not whole" };
        output.line(format_args!("the backup is {state}: {events} events, {attachments} attachments, root {root}"));
        show_lost(output, &lost);
    });
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}
