//! What a command prints: JSON on one line, or tables for people. Data goes to standard output, words to standard error.

use std::error::Error;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
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
    pub(super) fn show<T: Serialize>(&self, value: &T, people: impl FnOnce(&Self)) {
        if self.json {
            let text = serde_json::to_string(value).expect("views hold only strings, numbers and lists");
            self.line(text);
        } else {
            people(self);
        }
    }

    /// Prints a line of data. A reader that has gone away (`| head`) ends the command in silence.
    pub(super) fn line(&self, text: impl Display) {
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
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

/// A field of a JSON object as text for a table cell; empty when it is absent or null.
pub(super) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(item, "")).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

/// The rows of a JSON list, one cell a pointer.
pub(super) fn rows(list: &Value, pointers: &[&str]) -> Vec<Vec<String>> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| pointers.iter().map(|pointer| cell(item, pointer)).collect()).collect()
}

/// Fen in a JSON field as yuan.
pub(super) fn yuan(value: &Value, pointer: &str) -> String {
    let fen = value.pointer(pointer).and_then(Value::as_i64);
    fen.map(|fen| bishui_domain::money::Fen(fen).to_string()).unwrap_or_default()
}
