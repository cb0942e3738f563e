//! What a command prints: JSON on one line, or tables for people. Data goes to standard output, words to standard error.

use std::error::Error;
use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::Value;

use crate::error::OfficeError;

/// Where output goes and in which form.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one JSON value, or lets `people` print for people.
    pub(super) fn show<T: Serialize>(&self, value: T, people: impl FnOnce(&Self, T)) {
        if self.json {
            let mut out = BufWriter::new(std::io::stdout().lock());
            let written = serde_json::to_writer(&mut out, &value).map_err(std::io::Error::from);
            end_of_line(written.and_then(|()| writeln!(out)).and_then(|()| out.flush()));
        } else {
            people(self, value);
        }
    }

    /// Prints a line of data.
    #[expect(clippy::unused_self, reason = "everything a command prints goes through its output")]
    pub(super) fn line(&self, text: impl Display) {
        let mut out = std::io::stdout().lock();
        end_of_line(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    /// Prints a table; nothing but `empty` when it has no rows.
    pub(super) fn table(&self, headers: &[&str], rows: Vec<Vec<String>>, empty: &str) {
        if rows.is_empty() {
            return self.line(empty);
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(headers.to_vec());
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        for row in rows {
            table.add_row(row);
        }
        self.line(table);
    }

    /// A sign of life for something that may take a while; only on a terminal, and not with JSON.
    pub(super) fn spinner(&self, what: &str) -> ProgressBar {
        let spinner = if self.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner.with_message(what.to_owned())
    }

    /// Says something to the person, not to a program.
    pub(super) fn say(&self, text: impl Display) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// Says what a command that has done its work leaves undone, whatever the form of output.
    #[expect(clippy::unused_self, reason = "everything a command prints goes through its output")]
    pub(super) fn warn(&self, text: impl Display) {
        eprintln!("bishui: {text}");
    }

    /// Prints an error with its causes; as JSON on standard output where JSON is wanted.
    pub(super) fn error(&self, error: &OfficeError) {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        if self.json {
            self.line(serde_json::json!({ "error": { "code": error.code(), "detail": detail } }));
        }
        eprintln!("bishui: {detail}");
    }
}

/// A reader that has gone away (`| head`) ends the command in silence; output that cannot be written is a failure.
fn end_of_line(written: std::io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    eprintln!("bishui: standard output cannot be written: {error}");
    std::process::exit(i32::from(super::exit::FAILED));
}

/// A field of a JSON object as text for a table cell: a list with commas, an object as `count name`, true as yes;
/// empty when it is absent, null or false.
pub(super) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(item, "")).collect::<Vec<_>>().join(", "),
        Some(Value::Object(entries)) => {
            entries.iter().map(|(name, entry)| format!("{} {name}", cell(entry, ""))).collect::<Vec<_>>().join(", ")
        }
        Some(Value::Number(number)) => number.to_string(),
    }
}

/// The items of a JSON list; none when it is no list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// An instant in a JSON field as Beijing time to the second.
pub(super) fn beijing(value: &Value, pointer: &str) -> String {
    let at = cell(value, pointer).parse::<jiff::Timestamp>();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.map(|at| zone.to_datetime(at).strftime("%F %T").to_string()).unwrap_or_default()
}

/// A long decimal cut for a table cell; JSON has it in full.
pub(super) fn short(text: &str) -> String {
    const DECIMALS: usize = 6;
    match text.split_once('.') {
        Some((whole, decimals)) if decimals.len() > DECIMALS => format!("{whole}.{}…", &decimals[..DECIMALS]),
        Some(_) | None => text.to_owned(),
    }
}

/// The rows of a JSON list, one cell a pointer.
pub(super) fn rows(list: &Value, pointers: &[&str]) -> Vec<Vec<String>> {
    items(list).iter().map(|item| pointers.iter().map(|pointer| cell(item, pointer)).collect()).collect()
}

/// Fen in a JSON field as yuan.
pub(super) fn yuan(value: &Value, pointer: &str) -> String {
    let fen = value.pointer(pointer).and_then(Value::as_i64);
    fen.map(|fen| bishui_domain::money::Fen(fen).to_string()).unwrap_or_default()
}
