//! Commands that show what is recorded: each asks one question; how its answer looks stands with its kind.

use std::process::ExitCode;

use serde_json::Value;

use super::args::Cli;
use super::output::{Output, cell};
use super::session::Session;
use super::task::Show;
use super::{consumers, exit};
use crate::error::OfficeError;
use crate::query::Query;

/// Asks a question and shows the answer.
pub(super) async fn ask(cli: &Cli, query: &Query, show: Show, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    let answer = session.ask(query).await?;
    output.show(&answer, |output, _| show(output, &answer));
    if *query != Query::Incidents {
        consumers::warn(&session, output).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Derives every decision again and shows what differs.
pub(super) async fn replay(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    let waiting = output.spinner("deriving every decision again");
    let answer = session.ask(&Query::Replay).await;
    waiting.finish_and_clear();
    let answer = answer?;
    let differing = answer["differing"].as_u64().unwrap_or(u64::MAX);
    output.show(&answer, |output, _| show_replay(output, &answer));
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}

/// Shows what a replay has found.
pub(super) fn show_replay(output: &Output, replayed: &Value) {
    let differing = &replayed["differing"];
    let (events, decisions) = (&replayed["events"], &replayed["decisions"]);
    output.line(format_args!("{events} events read, {decisions} decisions derived again, {differing} differ"));
    for difference in replayed["differences"].as_array().into_iter().flatten() {
        let at = |field: &str| cell(difference, field);
        output.line(format_args!("position {} {} in {}", at("/position"), at("/type"), at("/stream")));
        let or_nothing = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
        output.line(format_args!("  recorded: {}", or_nothing(at("/recorded"))));
        output.line(format_args!("  derived:  {}", or_nothing(at("/expected"))));
    }
    for skipped in replayed["skipped"].as_array().into_iter().flatten() {
        let at = |field: &str| cell(skipped, field);
        let (consumer, position, kind) = (at("/consumer"), at("/position"), at("/type"));
        output.line(format_args!("{consumer} skipped event {position} {kind} in {}", at("/stream")));
        output.line(format_args!("  decided by {}: {}", at("/actor"), at("/reason")));
    }
    let left_out = replayed["left_out"].as_u64().unwrap_or_default();
    if left_out > 0 {
        output.line(format_args!("{left_out} decisions are left out because their event was skipped"));
    }
}
