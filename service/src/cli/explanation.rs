//! The explanation of a verdict for people: what decided it, what was left out and why, the settings and clauses.

use serde_json::Value;

use super::lists;
use super::output::{Output, cell, items, rows};

/// With the readings that were left out; the others are counted.
pub(super) fn show(output: &Output, answer: &Value) {
    explain(output, answer, false);
}

/// With every reading.
pub(super) fn with_readings(output: &Output, answer: &Value) {
    explain(output, answer, true);
}

fn explain(output: &Output, answer: &Value, all: bool) {
    headline(output, answer);
    indicators(output, answer);
    for month in items(&answer["months"]) {
        readings(output, month, all);
    }
    output.line(format_args!("judged by revision {} of the plan with these settings:", cell(answer, "/revision")));
    lists::settings(output, &answer["rules"]);
    output.table(&["rule", "clause", "says"], rows(&answer["sources"], &["/rule", "/clause", "/says"]), "");
}

fn headline(output: &Output, answer: &Value) {
    let at = |field: &str| cell(answer, field);
    let provisional = if answer["provisional"] == true { " (the round is not published: provisional)" } else { "" };
    output.line(format_args!("{} {} {}{provisional}", at("/name"), at("/county_name"), at("/period")));
    let class = Some(at("/class")).filter(|class| !class.is_empty());
    let class = class.map(|class| format!("class {class}, ")).unwrap_or_default();
    let verdict = format!("{} ({})", at("/verdict_chinese"), at("/verdict"));
    output.line(format_args!("{verdict}: {class}target {}, evaluated {}/21", at("/target"), at("/evaluated")));
    for (field, words) in [("/reason", "reason"), ("/missing", "required and missing")] {
        let text = at(field);
        if !text.is_empty() {
            output.line(format_args!("{words}: {text}"));
        }
    }
}

fn indicators(output: &Output, answer: &Value) {
    let row = |line: &Value| {
        let at = |field: &str| cell(line, field);
        let value = format!("{} {}", at("/printed"), at("/unit"));
        let below = if line["below_detection"] == true { " (below detection)" } else { "" };
        let met = match (line["undecidable"] == true, line["unmet"] == true) {
            (true, _) => "undecidable",
            (false, true) => "UNMET",
            (false, false) => "",
        };
        let value = format!("{}{below}", value.trim_end());
        vec![
            at("/name"),
            value,
            at("/class"),
            at("/limit"),
            met.to_owned(),
            at("/multiple"),
            at("/basis"),
            at("/left_out"),
        ]
    };
    let headers = ["indicator", "value", "class", "limit", "", "multiple", "made from", "left out"];
    output.table(&headers, items(&answer["indicators"]).iter().map(row).collect(), "no indicator has a value");
}

fn readings(output: &Output, month: &Value, all: bool) {
    let readings = items(&month["readings"]);
    let used = readings.iter().filter(|reading| reading["used"] == true).count();
    let counts = if month["counts"] == true { "" } else { "; the month does not count" };
    let hint = if all || readings.is_empty() { "" } else { "; --readings lists them all" };
    output.line(format_args!("{}: {used} of {} readings used{counts}{hint}", cell(month, "/month"), readings.len()));
    let row = |reading: &&Value| {
        let at = |field: &str| cell(reading, field);
        vec![at("/at"), at("/source"), at("/indicator"), at("/value"), at("/status"), at("/used"), at("/why")]
    };
    let shown: Vec<_> = readings.iter().filter(|reading| all || reading["used"] != true).collect();
    if !shown.is_empty() {
        let headers = ["time", "source", "indicator", "value", "status", "used", "why not"];
        output.table(&headers, shown.iter().map(row).collect(), "");
    }
}
