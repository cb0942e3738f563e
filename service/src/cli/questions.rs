//! Commands that show what is recorded: each asks one question; how its answer looks stands with its kind.

use std::process::ExitCode;

use serde_json::Value;

use super::args::Cli;
use super::exit;
use super::output::{Output, cell};
use super::session::Session;
use super::task::Show;
use crate::error::OfficeError;
use crate::query::Query;

/// Asks a question and shows the answer.
pub(super) async fn ask(cli: &Cli, query: &Query, show: Show, output: &Output) -> Result<ExitCode, OfficeError> {
    let answer = Session::open(cli).await?.ask(query).await?;
    output.show(&answer, |output, _| show(output, &answer));
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
}
