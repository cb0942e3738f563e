//! Recording an act: carried out or previewed, and shown with what it has led to.

use std::process::ExitCode;

use bishui_domain::ids::NoticeId;

use super::args::Cli;
use super::output::{Output, cell};
use super::session::Session;
use super::task::Asked;
use super::{attached, consumers, exit, receipts};
use crate::act::Act;
use crate::error::OfficeError;
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
    let answer = session.perform(&asked.act, asked.preview).await;
    waiting.finish_and_clear();
    let answer = answer?;
    let code = if answer.rejections() > 0 { ExitCode::from(exit::REJECTED) } else { ExitCode::SUCCESS };
    // What was taken is shown even when the file of rejected rows cannot be written.
    let written = asked.rejected.map_or(Ok(()), |path| receipts::write_rejected(path, &answer));
    output.show(answer, |output, answer| receipts::show(output, answer, asked.preview));
    if mails && !asked.preview {
        mail_hint(output, &session);
    }
    if !asked.preview {
        consumers::warn(&session, output).await;
    }
    written.map(|()| code)
}

/// Approves every notice that waits for it.
pub(super) async fn approve_all(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    let state = Some(bishui_domain::notice::NoticeState::Drafted);
    let waiting = session.ask(&Query::Notices { county: None, state }).await?;
    let ids =
        waiting.as_array().into_iter().flatten().filter_map(|notice| cell(notice, "/id").parse::<NoticeId>().ok());
    let mut approved = Vec::new();
    for notice in ids {
        session.perform(&Act::ApproveNotice { notice }, false).await?;
        approved.push(notice);
    }
    output.show(serde_json::json!({ "approved": approved }), |output, _| {
        output.line(format_args!("{} notices approved", approved.len()));
        mail_hint(output, &session);
    });
    Ok(ExitCode::SUCCESS)
}

fn mail_hint(output: &Output, session: &Session) {
    if let Some(place) = session.mail_goes_to() {
        output.say(format_args!("mail goes to {place}"));
    }
}
