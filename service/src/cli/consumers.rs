//! What follows the log: incidents and projections, for people.

use std::process::ExitCode;

use serde_json::Value;

use super::args::Cli;
use super::output::{Output, beijing, cell, items, rows};
use super::session::Session;
use crate::error::OfficeError;
use crate::query::Query;

/// Consumers that have stopped.
pub(super) fn incidents(output: &Output, answer: &Value) {
    let row = |incident: &Value| {
        let at = |field: &str| cell(incident, field);
        let since = beijing(incident, "/since");
        vec![at("/consumer"), at("/position"), at("/type"), at("/stream"), since, at("/attempts"), at("/error")]
    };
    let headers = ["consumer", "position", "type", "stream", "since (Beijing)", "attempts", "failure"];
    output.table(&headers, items(answer).iter().map(row).collect(), "no consumer has stopped");
}

/// Projections.
pub(super) fn projections(output: &Output, answer: &Value) {
    let headers = ["projection", "version", "position", "lag", "building", "switched"];
    let fields = ["/name", "/version", "/position", "/lag", "/building", "/switched"];
    output.table(&headers, rows(answer, &fields), "no projection");
}

/// Builds a projection anew.
pub(super) async fn rebuild(cli: &Cli, name: &str, output: &Output) -> Result<ExitCode, OfficeError> {
    let session = Session::open(cli).await?;
    let waiting = output.spinner("building the projection anew");
    let built = session.rebuild(name).await;
    waiting.finish_and_clear();
    let built = built?;
    output.show(&built, |output, built| {
        let at = |field: &str| cell(built, field);
        let same = if built["equal"] == true { "equal to" } else { "different from" };
        output.line(format_args!(
            "{} version {} is built anew up to position {}: {same} the one it replaces",
            at("/name"),
            at("/version"),
            at("/position")
        ));
    });
    Ok(ExitCode::SUCCESS)
}

/// Says which consumers have stopped, after a command that relies on them. What it was asked for is done in any case.
pub(super) async fn warn(session: &Session, output: &Output) {
    if output.is_json() {
        return;
    }
    let Ok(stopped) = session.ask(&Query::Incidents).await else { return };
    for incident in items(&stopped) {
        let at = |field: &str| cell(incident, field);
        output.say(format_args!(
            "{} has stopped at event {}: {} (see `bishui incidents list`)",
            at("/consumer"),
            at("/position"),
            at("/error")
        ));
    }
}
