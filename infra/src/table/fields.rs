//! The fields of one row, each with its place, and what a text or a value must be to be taken.

use std::borrow::Cow;
use std::sync::Arc;

use bishui_domain::reading::{Amount, InvalidAmount, Source, Status};
use jiff::civil::DateTime;

use super::header::Measured;
use super::readings::Cell;
use super::{Fault, Rejection, TEXT_CHARS_MAX, code, place, record, shown};

/// What all cells of a row share.
pub(super) struct RowKey {
    pub(super) section: Arc<str>,
    pub(super) at: DateTime,
    pub(super) source: Source,
    pub(super) status: Status,
    pub(super) repeatable: bool,
}

/// One line's fields with what is needed to name their place.
pub(super) struct Fields<'l> {
    pub(super) line: u64,
    pub(super) names: &'l [String],
    pub(super) texts: &'l [Cow<'l, str>],
}

/// The fields of a line, as many as the header has.
pub(super) fn split(line: &str, expected: usize) -> Result<Vec<Cow<'_, str>>, Fault> {
    let fields = record::split(line)?;
    if fields.len() == expected {
        return Ok(fields);
    }
    let reason = format!("the row has {} fields, the header {expected}", fields.len());
    Err(Fault::new(
        code::FIELD_COUNT,
        reason,
        "check for a missing or superfluous comma; quote a text that contains one",
    ))
}

impl Fields<'_> {
    /// The field as written, trimmed.
    pub(super) fn get(&self, column: usize) -> &str {
        self.texts.get(column).map_or("", |field| field.trim())
    }

    pub(super) fn reject(&self, column: usize, fault: Fault) -> Rejection {
        fault.at(self.line, column, self.names)
    }

    /// A text that is neither a formula, nor too long, nor holds control characters.
    pub(super) fn text(&self, column: usize) -> Result<&str, Rejection> {
        let text = self.get(column);
        if text.starts_with(['=', '+', '@']) {
            let reason = format!("`{}` would run as a formula in a spreadsheet", shown(text));
            return Err(self.reject(column, Fault::new(code::FORMULA, reason, "remove the leading =, + or @")));
        }
        if text.chars().any(char::is_control) || text.chars().count() > TEXT_CHARS_MAX {
            let reason = format!("`{}` has control characters or more than {TEXT_CHARS_MAX} characters", shown(text));
            return Err(self.reject(column, Fault::new(code::TEXT, reason, "write a plain, shorter text")));
        }
        Ok(text)
    }

    /// A text that is not empty.
    pub(super) fn needed(&self, column: usize, what: &str) -> Result<&str, Rejection> {
        let text = self.text(column)?;
        if text.is_empty() {
            let fault = Fault::new(code::MISSING, format!("the {what} is empty"), format!("write the {what}"));
            return Err(self.reject(column, fault));
        }
        Ok(text)
    }

    pub(super) fn no_time(&self, column: usize) -> Rejection {
        let reason = format!("`{}` is not a time", shown(self.get(column)));
        self.reject(column, Fault::new(code::TIME, reason, "write 2020-01-05 or 2020-01-05 04:00, Beijing time"))
    }

    /// The reading in an indicator column.
    pub(super) fn cell(&self, key: &RowKey, column: usize, measured: Measured) -> Result<Cell, Rejection> {
        let value = amount(self.get(column), measured).map_err(|fault| self.reject(column, fault))?;
        Ok(Cell {
            section: Arc::clone(&key.section),
            at: key.at,
            source: key.source,
            indicator: measured.indicator,
            value,
            status: key.status.clone(),
            repeatable: key.repeatable,
            line: self.line,
            column: place(column),
        })
    }
}

/// Reads a value in the unit of its column and checks its range.
pub(super) fn amount(text: &str, measured: Measured) -> Result<Option<Amount>, Fault> {
    let too_long = || {
        let reason = format!("`{}` has more digits than the 28 that are kept exactly", shown(text));
        Fault::new(code::VALUE, reason, "round it to at most 28 digits")
    };
    let parsed = Amount::parse(text).map_err(|error| match error {
        InvalidAmount::NotANumber { .. } => {
            let reason = format!("`{}` is not a decimal number", shown(text));
            Fault::new(code::VALUE, reason, "write 0.05, 6.3E-06, 0.05L or <0.05, or leave it empty")
        }
        InvalidAmount::TooManyDigits { .. } => too_long(),
        InvalidAmount::OutOfRange { .. } => out_of_range(&error),
    })?;
    let Some(amount) = parsed else { return Ok(None) };
    let amount = if measured.micrograms { amount.from_micrograms().ok_or_else(too_long)? } else { amount };
    amount.check(measured.indicator).map(Some).map_err(|error| out_of_range(&error))
}

fn out_of_range(error: &InvalidAmount) -> Fault {
    Fault::new(code::RANGE, error.to_string(), "check the number and its unit, or leave it empty")
}
