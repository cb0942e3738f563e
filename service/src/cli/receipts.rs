//! What an act has led to, or would, for people; and the file of rejected rows.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use super::answer::{Answer, Rejected};
use super::output::{Output, cell, items, yuan};
use super::standing::settled;
use crate::error::OfficeError;

/// Rejected rows shown; a file takes them all.
const SHOWN_MAX: usize = 20;

/// Shows the answer to an act.
pub(super) fn show(output: &Output, answer: Answer, only_preview: bool) {
    let rejected: Vec<Rejected> = answer.rejected().take(SHOWN_MAX).collect();
    let rejections = answer.rejections();
    let answer = answer.into_value();
    if let Some(import) = answer.get("import").filter(|import| !import.is_null()) {
        show_import(output, import, rejected, rejections);
    }
    if only_preview {
        return show_preview(output, &answer);
    }
    match items(&answer["events"]).len() {
        0 if answer["followed"] == false => output.line(format_args!("recorded up to position {}", answer["position"])),
        0 => output.line("nothing to record: it stands already, or nothing was taken"),
        1 => output.line(format_args!("recorded at position {}", cell(&answer, "/events/0/position"))),
        many => output.line(format_args!("{many} events recorded; the log is at position {}", answer["position"])),
    }
}

fn show_import(output: &Output, import: &Value, rejected: Vec<Rejected>, rejections: usize) {
    let fields = ["/rows", "/accepted", "/out_of_use", "/duplicates", "/missing", "/skipped"];
    let mut row: Vec<String> = fields.iter().map(|field| cell(import, field)).collect();
    row.push(rejections.to_string());
    let headers =
        ["rows", "readings taken", "of these out of use", "duplicates", "missing", "skipped rows", "rejected"];
    output.table(&headers, vec![row], "");
    if rejections > 0 {
        let rows = rejected
            .into_iter()
            .map(|[line, column, name, _, reason, remedy]| vec![line, column, name, reason, remedy]);
        output.table(&["line", "column", "name", "reason", "remedy"], rows.collect(), "");
    }
    if rejections > SHOWN_MAX {
        output.line(format_args!("… and {} more; --rejected FILE writes them all", rejections - SHOWN_MAX));
    }
}

fn show_preview(output: &Output, preview: &Value) {
    let lists: [(&str, &[&str]); 8] = [
        ("verdicts", &["/period", "/section", "/verdict", "/class", "/reason"]),
        ("warnings", &["/period", "/county", "/status", "/sections"]),
        ("interviews", &["/county", "/period", "/status", "/held_on"]),
        ("proposals", &["/county", "/year", "/status"]),
        ("charges", &["/period", "/county", "/fen", "/sections"]),
        ("accounts", &["/county", "/year", "/charged_fen", "/paid_fen", "/balance_fen"]),
        ("standing_notices", &["/number", "/kind_chinese", "/county_name", "/period", "/state_chinese"]),
        ("deadlines", &["/county", "/number", "/duty", "/due_on"]),
    ];
    for (name, fields) in lists {
        let side = |side: &Value| {
            let texts = fields.iter().map(|field| money_or_text(side, field)).filter(|text| !text.is_empty());
            texts.collect::<Vec<_>>().join(" ")
        };
        let rows: Vec<_> =
            items(&preview[name]).iter().map(|change| vec![side(&change["before"]), side(&change["after"])]).collect();
        if !rows.is_empty() {
            output.line(format_args!("{}:", name.replace('_', " ")));
            output.table(&["before", "after"], rows, "");
        }
    }
    if let Some(settlement) = preview.get("settlement").filter(|settlement| !settlement.is_null()) {
        let side = |side: &Value| if side.is_null() { "none".to_owned() } else { settled(side) };
        output.line(format_args!("settlement before: {}", side(&settlement["before"])));
        output.line(format_args!("settlement after: {}", side(&settlement["after"])));
    }
    for notice in items(&preview["notices"]) {
        new_notice(output, notice);
    }
    let events = items(&preview["events"]).len();
    output.line(format_args!("{events} event(s) would be recorded; nothing was"));
}

/// Fen as yuan with the word for it, anything else as it is.
fn money_or_text(value: &Value, field: &str) -> String {
    let Some(word) = field.strip_suffix("fen") else { return cell(value, field) };
    let amount = yuan(value, field);
    let word = word.trim_matches(['/', '_']).replace("balance", "owed");
    if amount.is_empty() || word.is_empty() { amount } else { format!("{word} {amount}") }
}

fn new_notice(output: &Output, notice: &Value) {
    let at = |field: &str| cell(notice, field);
    let duty = |duty: &Value| format!("{} due {}", cell(duty, "/duty"), cell(duty, "/deadline/due_on"));
    let due: Vec<_> = items(&notice["duties"]).iter().map(duty).collect();
    let due = if due.is_empty() { String::new() } else { format!("; if sent today: {}", due.join(", ")) };
    output.line(format_args!("new notice: {} to {} {}{due}", at("/kind"), at("/county"), at("/period")));
}

/// Writes rejected rows as CSV; a text that a spreadsheet would run as a formula is made plain with an apostrophe.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_rejected(path: &Path, answer: &Answer) -> Result<(), OfficeError> {
    let guard =
        |text: String| if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text };
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        write!(file, "\u{feff}line,column,name,code,reason,remedy\r\n")?;
        for row in answer.rejected() {
            let fields = row.map(|field| format!("\"{}\"", guard(field).replace('"', "\"\"")));
            write!(file, "{}\r\n", fields.join(","))?;
        }
        file.flush()
    };
    write().map_err(|error| OfficeError::Input { what: format!("{}: {error}", path.display()) })
}
