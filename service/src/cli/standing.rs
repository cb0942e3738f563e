//! Where everything stands, for people: counties with their next steps, and the end state of a scenario.

use std::collections::BTreeSet;

use bishui_domain::money::Fen;
use serde_json::Value;

use super::output::{Output, cell, items, yuan};

/// Each county: interviews, charges, deadlines; below it its streaks and the distance to the next step.
pub(super) fn status(output: &Output, counties: &Value) {
    let headers =
        ["id", "county", "held this year", "interview", "proposals", "charged", "paid", "owed", "open deadlines"];
    output.table(&headers, items(counties).iter().map(summary).collect(), "no plan is adopted");
    for county in items(counties) {
        let lines: Vec<String> = items(&county["streaks"])
            .iter()
            .filter(|streak| streak["count"] != 0)
            .map(streak)
            .chain(items(&county["next_steps"]).iter().map(|step| format!("next: {}", cell(step, ""))))
            .chain(items(&county["deadlines"]).iter().map(deadline))
            .collect();
        if !lines.is_empty() {
            output.line(format_args!("\n{}\n  {}", cell(county, "/name"), lines.join("\n  ")));
        }
    }
}

fn summary(county: &Value) -> Vec<String> {
    let open = county.get("open_interview").filter(|open| !open.is_null());
    let years = items(&county["compensation"]);
    let sum = |field: &str| Fen(years.iter().filter_map(|year| year[field].as_i64()).sum()).to_string();
    let proposals = items(&county["proposals"]).iter().map(|p| format!("{} {}", cell(p, "/year"), cell(p, "/status")));
    vec![
        cell(county, "/county"),
        cell(county, "/name"),
        format!("{} of {}", cell(county, "/interviews_held"), cell(county, "/interviews_needed")),
        open.map(|open| format!("required by {}", cell(open, "/period"))).unwrap_or_default(),
        proposals.collect::<Vec<_>>().join(", "),
        sum("charged_fen"),
        sum("paid_fen"),
        sum("balance_fen"),
        items(&county["deadlines"]).len().to_string(),
    ]
}

fn streak(streak: &Value) -> String {
    let at = |field: &str| cell(streak, field);
    let (name, count, needed, periods) = (at("/name"), at("/count"), at("/needed"), at("/periods"));
    format!("streak: {name} unmet {count} of {needed} ({periods})")
}

fn deadline(deadline: &Value) -> String {
    let at = |field: &str| cell(deadline, field);
    let provisional = if deadline["provisional"] == true { " (provisional)" } else { "" };
    let late = if deadline["overdue"] == true { " OVERDUE" } else { "" };
    format!("due {}: {} {}{provisional}{late}", at("/due_on"), at("/number"), at("/duty"))
}

/// The short table of an end state: also what the demonstration prints.
pub(super) fn end_state(output: &Output, state: &Value) {
    let rounds: BTreeSet<_> = items(&state["verdicts"]).iter().map(|line| cell(line, "/period")).collect();
    let charges = items(&state["charges"]);
    let charged = Fen(charges.iter().filter_map(|line| line["fen"].as_i64()).sum());
    let rows = [
        ("rounds published", rounds.len().to_string()),
        ("verdicts", counted(state, "verdicts", "/verdict", &["met", "unmet", "unassessed"])),
        ("charges", format!("{}, {charged} in all", charges.len())),
        ("warning notices", counted(state, "warnings", "/status", &["standing", "withdrawn"])),
        ("interviews", counted(state, "interviews", "/status", &["required", "held", "cancelled"])),
        ("proposals", counted(state, "proposals", "/status", &["drafted", "issued", "shelved", "withdrawn"])),
        ("mails sent", items(&state["mails"]).len().to_string()),
        ("events", cell(state, "/positions")),
    ];
    let rows = rows.into_iter().map(|(what, count)| vec![what.to_owned(), count]).collect();
    output.table(&["what", "how many"], rows, "");
    if let Some(settlement) = state.get("settlement").filter(|settlement| !settlement.is_null()) {
        output.line(format_args!("settlement {}: {}", cell(settlement, "/year"), settled(settlement)));
    }
}

/// A settlement in words.
pub(super) fn settled(settlement: &Value) -> String {
    let at = |field: &str| yuan(settlement, field);
    let rewards = items(&settlement["rewards"]).len();
    let (collected, province) = (at("/collected_fen"), at("/provincial_fen"));
    let (short, municipal) = (at("/shortfall_fen"), at("/municipal_fen"));
    format!("collected {collected}, province {province} (short {short}), municipal {municipal}, rewarded {rewards}")
}

/// How many items of a list stand in each of these states; `none` when it is empty.
fn counted(state: &Value, list: &str, field: &str, words: &[&str]) -> String {
    let count = |word: &&str| items(&state[list]).iter().filter(|line| cell(line, field) == *word).count();
    let counts = words.iter().map(|word| (count(word), word)).filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
