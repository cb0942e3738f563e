//! One CSV line cut into fields (RFC 4180), without letting a stray quotation mark swallow the lines after it.
//!
//! A quoted field ends on its own line; only a header may run over several.

use std::borrow::Cow;

use super::encoding::Lines;
use super::{FIELDS_MAX, Fault, LINE_BYTES_MAX, TableError, code};

/// Most lines a header may run over (spreadsheets write `氨氮⏎(mg/L)` so).
const HEADER_LINES_MAX: usize = 64;

/// Cuts `line` into fields, quotation marks removed.
pub(super) fn split(line: &str) -> Result<Vec<Cow<'_, str>>, Fault> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        if fields.len() == FIELDS_MAX {
            let reason = format!("the line has more than {FIELDS_MAX} fields");
            return Err(Fault::new(code::FIELD_COUNT, reason, "remove the superfluous commas"));
        }
        let (field, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => match rest.split_once(',') {
                Some((field, after)) => (Cow::Borrowed(field), Some(after)),
                None => (Cow::Borrowed(rest), None),
            },
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// Whether the only trouble with `line` is a quotation mark that a later line may close.
fn is_open(line: &str) -> bool {
    line.matches('"').count() % 2 == 1
}

/// The field that starts after an opening quotation mark, and what follows its comma.
fn quoted_field(text: &str) -> Result<(Cow<'_, str>, Option<&str>), Fault> {
    let mut end = 0;
    let mut doubled = false;
    loop {
        let Some(mark) = text[end..].find('"') else {
            return Err(Fault::new(
                code::QUOTE,
                "a quotation mark is not closed on its line",
                "close it, or write a quotation mark inside a field twice",
            ));
        };
        end += mark;
        if !text[end + 1..].starts_with('"') {
            break;
        }
        doubled = true;
        end += 2;
    }
    let field = &text[..end];
    let field = if doubled { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) };
    let after = text[end + 1..].trim_start_matches(' ');
    match after.strip_prefix(',') {
        Some(next) => Ok((field, Some(next))),
        None if after.is_empty() => Ok((field, None)),
        None => Err(Fault::new(
            code::QUOTE,
            "text follows a closing quotation mark",
            "write a quotation mark inside a field twice",
        )),
    }
}

/// Reads the header: the first line that is not blank, joined with the following ones while a quotation mark is open.
/// Line breaks inside a name are dropped.
pub(super) fn header(lines: &mut Lines<'_>) -> Result<Vec<String>, TableError> {
    let mut joined = String::new();
    let mut read = 0;
    loop {
        let Some(line) = lines.next() else {
            return if read == 0 { Err(TableError::Empty) } else { named(&joined, 1) };
        };
        let text = line.text.map_err(|fault| unreadable(line.number, &fault))?;
        if read == 0 && is_blank(&text) {
            continue;
        }
        read += 1;
        joined.push_str(&text);
        let ended = !is_open(&joined) || read == HEADER_LINES_MAX || joined.len() > LINE_BYTES_MAX;
        if ended {
            return named(&joined, line.number);
        }
    }
}

/// Whether a line holds nothing but separators, as spreadsheets leave below a table.
pub(super) fn is_blank(line: &str) -> bool {
    line.chars().all(|c| c.is_whitespace() || c == ',')
}

fn named(header: &str, line: u64) -> Result<Vec<String>, TableError> {
    let fields = split(header).map_err(|fault| unreadable(line, &fault))?;
    Ok(fields.iter().map(|field| field.trim().to_owned()).collect())
}

fn unreadable(line: u64, fault: &Fault) -> TableError {
    TableError::Header { line, reason: format!("{}; {}", fault.reason, fault.remedy) }
}
