//! Commands of the proof: what is asked, and how the answer looks.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use bishui_infra::event_log::Position;
use bishui_infra::transparency::ProofError;
use bishui_infra::transparency::note::NOTE_BYTES_MAX;
use serde_json::{Value, json};

use super::args::{AuditCommand, Cli};
use super::exit;
use super::output::{Output, cell, items};
use super::session::Session;
use crate::audit::Question;
use crate::error::OfficeError;

pub(super) async fn run(cli: &Cli, command: &AuditCommand, output: &Output) -> Result<ExitCode, OfficeError> {
    match command {
        AuditCommand::Verify { checkpoint } => return verify(cli, checkpoint, output).await,
        AuditCommand::Prove { position, since } => {
            let question = match since {
                Some(file) => Question::Continue { since: (file.display().to_string(), read_note(file)?) },
                None => Question::Prove { position: Position(position.unwrap_or_default()) },
            };
            output.line(ask(cli, question).await?);
        }
        AuditCommand::Checkpoint { out } => {
            let answer = ask(cli, Question::Checkpoint).await?;
            let note = cell(&answer, "/checkpoint");
            if let Some(path) = out {
                write(path, &note)?;
            }
            output.show(&answer, |output, _| match out {
                Some(path) => {
                    output.line(format_args!("checkpoint of {} events: {}", answer["events"], path.display()));
                }
                None => output.line(note.trim_end_matches('\n')),
            });
        }
        AuditCommand::Key => {
            let answer = ask(cli, Question::Key).await?;
            output.show(&answer, |output, _| output.line(cell(&answer, "/key")));
        }
        AuditCommand::Bundle { county, year, out } => {
            let answer = ask(cli, Question::Bundle { county: county.clone(), year: *year }).await?;
            let bundle = cell(&answer, "/bundle");
            write(out, &bundle)?;
            let done = json!({ "file": out, "bytes": bundle.len() });
            output.show(&done, |output, _| {
                output.line(format_args!("{}: {} bytes; check it with bishui-verify", out.display(), bundle.len()));
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(cli: &Cli, question: Question) -> Result<Value, OfficeError> {
    Session::open(cli).await?.audit(question).await
}

async fn verify<'a>(
    cli: &Cli,
    files: impl IntoIterator<Item = &'a std::path::PathBuf>,
    output: &Output,
) -> Result<ExitCode, OfficeError> {
    let checkpoints = files.into_iter().map(|file| Ok((file.display().to_string(), read_note(file)?)));
    let checkpoints = checkpoints.collect::<Result<Vec<_>, OfficeError>>()?;
    let waiting = output.spinner("reading every event");
    let answer = ask(cli, Question::Verify { checkpoints }).await;
    waiting.finish_and_clear();
    let answer = match answer {
        // A store that cannot be read through is a difference too, as it is for `doctor`.
        Err(error) if error.code() == "store_damaged" => {
            output.error(&error);
            return Ok(ExitCode::from(exit::DIFFERENCE));
        }
        answer => answer?,
    };
    let sound = answer["sound"] == true;
    output.show(&answer, |output, _| {
        let at = |field: &str| cell(&answer, field);
        output.line(format_args!("{} events read, root {}", at("/events"), at("/root")));
        output.line(format_args!(
            "{} checkpoints compared, the largest of {} events",
            at("/checkpoints"),
            at("/proved")
        ));
        for difference in items(&answer["differences"]) {
            output.line(cell(difference, "/words"));
        }
        if sound {
            output.line("no difference");
        }
    });
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}

fn read_note(file: &Path) -> Result<String, OfficeError> {
    let wrong = |what: String| ProofError::Note { from: file.display().to_string(), what };
    let size = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if size > NOTE_BYTES_MAX as u64 {
        return Err(wrong("is larger than a checkpoint can be".to_owned()).into());
    }
    Ok(std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?)
}

/// Puts `text` into a file: after a crash there is what was there before, or all of it. What is no file of its own, a
/// pipe or a link, is written to.
fn write(path: &Path, text: &str) -> Result<(), OfficeError> {
    let written = || -> std::io::Result<()> {
        if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
            return std::fs::write(path, text);
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // It is for others: readable as any file would be that is made here.
        let rights = Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new().permissions(rights).tempfile_in(dir)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(dir)?.sync_all()
    };
    written().map_err(|error| OfficeError::Input { what: format!("{}: {error}", path.display()) })
}
