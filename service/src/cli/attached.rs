//! Files that come with an act: put beside the log before the act, and written out again.
//!
//! They stand under their hash and are never changed, so the command line puts them there itself, also while a service
//! runs on the same data directory.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use bishui_domain::attachment::{ATTACHMENT_BYTES_MAX, Attachment};
use bishui_domain::sha256::Sha256;
use bishui_infra::attachments::{Attachments, Stored};
use bishui_infra::codec;
use bishui_infra::event_log::{EventLog, Position};
use serde_json::json;

use super::args::Cli;
use super::output::Output;
use super::task::Asked;
use crate::act::Act;
use crate::config::Config;
use crate::error::OfficeError;
use crate::incident::in_words;

/// Puts the files of an act where attachments are kept, and names them in the act.
pub(super) fn put(cli: &Cli, asked: &mut Asked<'_>) -> Result<(), OfficeError> {
    let Act::AnswerNotice { attachments, .. } = &mut asked.act else { return Ok(()) };
    if asked.attach.is_empty() {
        return Ok(());
    }
    let kept = Config::read(&cli.data, cli.config.as_deref())?.attachments(&cli.data);
    for file in asked.attach {
        attachments.push(put_file(&kept, file)?);
    }
    Ok(())
}

fn put_file(kept: &Attachments, file: &Path) -> Result<Attachment, OfficeError> {
    let failed = |error: &dyn std::fmt::Display| OfficeError::Input { what: format!("{}: {error}", file.display()) };
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| failed(&"a file name in UTF-8 is needed"))?.to_owned();
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| failed(&error))?;
    opened.take(ATTACHMENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.is_empty() || bytes.len() as u64 > ATTACHMENT_BYTES_MAX {
        return Err(failed(&"an attachment has 1 byte to 32 MiB"));
    }
    let media_type = mime_guess::from_path(file).first_or_octet_stream().essence_str().to_owned();
    let sha256 = kept.put(&bytes)?;
    Ok(Attachment { name, media_type, bytes: bytes.len() as u64, sha256 })
}

/// What stands beside the log, compared with what the log names.
pub(super) struct Examined {
    /// Attachments that events name.
    pub(super) named: u64,
    /// What is missing or altered, for people.
    pub(super) faults: Vec<String>,
}

/// Looks at every attachment that an event names, and at every file that is kept.
pub(super) async fn examine(log: &dyn EventLog, kept: &Attachments) -> Result<Examined, OfficeError> {
    let (mut named, mut unreadable) = (Vec::new(), None);
    log.replay(Position(0), Position(u64::MAX), &mut |event| match codec::attachments(&event) {
        Ok(attachments) => {
            named.extend(attachments.into_iter().map(|attachment| (event.position, attachment)));
            ControlFlow::Continue(())
        }
        Err(error) => {
            unreadable = Some(error);
            ControlFlow::Break(())
        }
    })
    .await?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    let fault = |(position, attachment): &(Position, Attachment)| {
        let error = kept.check(attachment).err()?;
        Some(format!("event {position} names {}: {}", attachment.name, in_words(&error)))
    };
    let mut faults: Vec<String> = named.iter().filter_map(fault).collect();
    let is_named = |path: &Path| named.iter().any(|(_, attachment)| kept.path(attachment.sha256) == path);
    let Stored { altered, unreadable, .. } = kept.verify();
    for path in altered.iter().filter(|path| !is_named(path)) {
        faults.push(format!("{} is not what its name says; no event names it", path.display()));
    }
    for (path, why) in unreadable.iter().filter(|(path, _)| !is_named(path)) {
        faults.push(format!("{} cannot be read: {why}", path.display()));
    }
    Ok(Examined { named: named.len() as u64, faults })
}

/// Writes an attachment to a file that does not exist.
pub(super) fn write(cli: &Cli, sha256: Sha256, file: &Path, output: &Output) -> Result<ExitCode, OfficeError> {
    let failed = |error: std::io::Error| OfficeError::Input { what: format!("{}: {error}", file.display()) };
    let bytes = Config::read(&cli.data, cli.config.as_deref())?.attachments(&cli.data).get(sha256)?;
    File::create_new(file).and_then(|mut written| written.write_all(&bytes)).map_err(failed)?;
    output.show(json!({ "file": file, "bytes": bytes.len() }), |output, _| {
        output.line(format_args!("{} bytes are in {}", bytes.len(), file.display()));
    });
    Ok(ExitCode::SUCCESS)
}
