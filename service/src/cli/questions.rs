//! Commands that show what is recorded: each asks one question; how its answer looks stands with its kind.

use std::process::ExitCode;

use bishui_infra::event_log::Position;
use serde_json::Value;

use super::args::{Cli, Command, MailCommand, NoticesCommand, PlanCommand};
use super::output::{Output, cell};
use super::session::Session;
use super::{exit, explanation, lists, standing};
use crate::error::OfficeError;
use crate::query::{Query, Until};

pub(super) async fn run(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    match &cli.command {
        Command::Replay { until: None } => replay(&session, output).await,
        Command::Replay { until: Some(until) } => {
            let answer = session.ask(&Query::Until { until: parse_until(until)? }).await?;
            output.show(&answer, |output, _| standing::end_state(output, &answer));
            Ok(ExitCode::SUCCESS)
        }
        command => list(&session, command, output).await,
    }
}

/// Asks the question of a command and shows the answer.
pub(super) async fn list(session: &Session, command: &Command, output: &Output) -> Result<ExitCode, OfficeError> {
    let (query, show): (Query, fn(&Output, &Value)) = match command {
        Command::Status { county } => (Query::Status { county: county.clone() }, standing::status),
        Command::Explain { section, period, readings } => {
            let show = if *readings { explanation::with_readings } else { explanation::show };
            (Query::Explain { section: section.clone(), period: *period }, show)
        }
        Command::Evaluate { period } => (Query::Evaluate { period: *period }, lists::verdicts),
        Command::Ledger { year, county } => (Query::Ledger { year: *year, county: county.clone() }, lists::ledger),
        Command::Events { after, limit } => {
            (Query::Events { after: Position(*after), limit: usize::from(*limit) }, lists::events)
        }
        Command::Plan(PlanCommand::Show) => (Query::Plan, lists::plan),
        Command::Notices(NoticesCommand::List { county, state }) => {
            (Query::Notices { county: county.clone(), state: *state }, lists::notices)
        }
        Command::Notices(NoticesCommand::Show { notice }) => (Query::Notice { notice: *notice }, lists::notice),
        Command::Mail(MailCommand::List) => (Query::Mails, lists::mails),
        other => unreachable!("{other:?} asks nothing"),
    };
    let answer = session.ask(&query).await?;
    output.show(&answer, |output, _| show(output, &answer));
    Ok(ExitCode::SUCCESS)
}

fn parse_until(text: &str) -> Result<Until, OfficeError> {
    if let Ok(position) = text.parse::<u64>() {
        return Ok(Until::Position(Position(position)));
    }
    let what = format!("`{text}` is neither a position nor an instant like 2020-05-01T00:00:00+08:00");
    text.parse().map(Until::Time).map_err(|_| OfficeError::Input { what })
}

async fn replay(session: &Session, output: &Output) -> Result<ExitCode, OfficeError> {
    let waiting = output.spinner("deriving every decision again");
    let answer = session.ask(&Query::Replay).await;
    waiting.finish_and_clear();
    let answer = answer?;
    let differing = answer["differing"].as_u64().unwrap_or(u64::MAX);
    output.show(&answer, |output, _| {
        let (events, decisions) = (&answer["events"], &answer["decisions"]);
        output.line(format_args!("{events} events read, {decisions} decisions derived again, {differing} differ"));
        for difference in answer["differences"].as_array().into_iter().flatten() {
            let at = |field: &str| cell(difference, field);
            output.line(format_args!("position {} {} in {}", at("/position"), at("/type"), at("/stream")));
            let or_nothing = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
            output.line(format_args!("  recorded: {}", or_nothing(at("/recorded"))));
            output.line(format_args!("  derived:  {}", or_nothing(at("/expected"))));
        }
    });
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}
