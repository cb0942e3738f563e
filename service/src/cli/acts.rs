//! Recording an act: carried out or previewed, and shown with what it has led to.

use std::process::ExitCode;

use bishui_domain::ids::NoticeId;

use super::args::Cli;
use super::output::{Output, cell};
use super::session::{Done, Session};
use super::task::Asked;
use super::{attached, consumers, exit, receipts};
use crate::act::Act;
use crate::error::OfficeError;
use crate::incident::in_words;
use crate::query::Query;

/// Records an act, or previews it.
pub(super) async fn record(cli: &Cli, mut asked: Asked<'_>, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    attached::put(cli, &mut asked)?;
    let long = matches!(asked.act, Act::Import { .. } | Act::Revise { .. } | Act::Publish { .. });
    let mails = matches!(
        asked.act,
        Act::ApproveNotice { .. } | Act::WithdrawNotice { .. } | Act::RetryMail { .. } | Act::ResolveMail { .. }
    );
    let waiting = output.spinner(if long { "reading, deciding and storing" } else { "storing" });
    let done = if asked.preview {
        session.preview(&asked.act).await.map(Done::from)
    } else {
        session.perform(&asked.act).await
    };
    waiting.finish_and_clear();
    let Done { answer, left } = done?;
    let followed = answer.followed();
    let code = if answer.rejections() > 0 { ExitCode::from(exit::REJECTED) } else { ExitCode::SUCCESS };
    // What was taken is shown even when the file of rejected rows cannot be written.
    let written = asked.rejected.map_or(Ok(()), |path| receipts::write_rejected(path, &answer));
    output.show(answer, |output, answer| receipts::show(output, answer, asked.preview));
    if mails && !asked.preview {
        mail_hint(output, &session);
    }
    if !asked.preview {
        warn(output, followed, left.as_ref());
        consumers::warn(&session, output).await;
    }
    written.map(|()| code)
}

/// Says what a recorded act has left undone. It is done all the same: the command has not failed.
fn warn(output: &Output, followed: bool, left: Option<&OfficeError>) {
    if !followed {
        output.warn("the act is recorded; what follows from it is not yet: the next command or the service does that");
    }
    if let Some(error) = left {
        let why = in_words(error);
        output.warn(format_args!("the act is recorded; mail or a reminder that is due then could not be done: {why}"));
    }
}

/// Approves every notice that waits for it.
pub(super) async fn approve_all(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    let state = Some(bishui_domain::notice::NoticeState::Drafted);
    let waiting = session.ask(&Query::Notices { county: None, state }).await?;
    let ids =
        waiting.as_array().into_iter().flatten().filter_map(|notice| cell(notice, "/id").parse::<NoticeId>().ok());
    let (mut approved, mut all_followed, mut first_left) = (Vec::new(), true, None);
    for notice in ids {
        let Done { answer, left } = session.perform(&Act::ApproveNotice { notice }).await?;
        all_followed &= answer.followed();
        first_left = first_left.or(left);
        approved.push(notice);
    }
    output.show(serde_json::json!({ "approved": approved }), |output, _| {
        output.line(format_args!("{} notices approved", approved.len()));
        mail_hint(output, &session);
    });
    warn(output, all_followed, first_left.as_ref());
    Ok(ExitCode::SUCCESS)
}

fn mail_hint(output: &Output, session: &Session) {
    if let Some(place) = session.mail_goes_to() {
        output.say(format_args!("mail goes to {place}"));
    }
}
