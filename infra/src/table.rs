//! Tables from outside: readings and rows to classify, as CSV in UTF-8 or GB18030.
//!
//! Nothing in a file can make the reader panic or hold more than the file and one line. A file whose header is not
//! understood is refused whole; below the header a row or a cell that cannot be read is rejected with its place, the
//! reason and what to do, and everything else is taken.

pub mod classify;
mod encoding;
mod fields;
mod header;
pub mod mapping;
pub mod readings;
mod record;
mod time;

use std::borrow::Cow;

use serde::Serialize;

/// Most bytes in one line.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most fields in one line.
pub const FIELDS_MAX: usize = 512;
/// Most characters in a section's name, a source, an indicator or a status.
pub const TEXT_CHARS_MAX: usize = 200;

/// A file that is refused whole: nothing of it is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Neither header nor rows.
    #[error("the file is empty; it needs at least a header line")]
    Empty,
    /// An Excel workbook.
    #[error("the file is an Excel workbook, not CSV; save it as `CSV UTF-8` and import that")]
    Workbook,
    /// UTF-16, which spreadsheets call Unicode text.
    #[error("the file is in UTF-16; save it as `CSV UTF-8` or in GB18030")]
    Utf16,
    /// A header that is no CSV line.
    #[error("the header on line {line} cannot be read: {reason}")]
    Header {
        /// Its line, from 1.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A column whose name or unit means nothing.
    #[error("column {column} `{name}` is not known: {reason}")]
    UnknownColumn {
        /// Its place, from 1.
        column: u32,
        /// Its name as written, cut short.
        name: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Two columns that mean the same.
    #[error("column {column} `{name}` means the same as column {first}; remove one of them")]
    DuplicateColumn {
        /// Place of the later one, from 1.
        column: u32,
        /// Name of the later one as written, cut short.
        name: String,
        /// Place of the earlier one, from 1.
        first: u32,
    },
    /// A column that is needed and absent.
    #[error("column `{name}` is missing; {remedy}")]
    MissingColumn {
        /// The column looked for.
        name: String,
        /// What to do.
        remedy: String,
    },
    /// Indicator columns beside `indicator` and `value`.
    #[error(
        "column {column} `{name}` mixes the wide form into the long one; use `indicator,value` or indicator columns"
    )]
    MixedForms {
        /// Its place, from 1.
        column: u32,
        /// Its name as written, cut short.
        name: String,
    },
}

/// A row or a cell that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Line in the file, from 1.
    pub line: u64,
    /// Column, from 1; absent where the whole row is meant.
    pub column: Option<u32>,
    /// The column's name as in the header.
    pub column_name: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: Cow<'static, str>,
    /// Stable word for programs, one of [`code`].
    pub code: &'static str,
}

/// Codes of rejections that arise in reading; importing adds its own (conflicts, published rounds).
pub mod code {
    /// Bytes that are in neither encoding, or U+FFFD left by a damaged conversion.
    pub const ENCODING: &str = "encoding";
    /// More or fewer fields than the header has.
    pub const FIELD_COUNT: &str = "field_count";
    /// Text that a spreadsheet would run as a formula.
    pub const FORMULA: &str = "formula";
    /// An indicator that is not known.
    pub const INDICATOR: &str = "indicator";
    /// A line longer than is read.
    pub const LINE_TOO_LONG: &str = "line_too_long";
    /// A needed text that is empty.
    pub const MISSING: &str = "missing";
    /// A quotation mark that is not closed, or is followed by text.
    pub const QUOTE: &str = "quote";
    /// A number that is impossible for its indicator.
    pub const RANGE: &str = "range";
    /// A section that cannot be told.
    pub const SECTION: &str = "section";
    /// A source that is not known.
    pub const SOURCE: &str = "source";
    /// A text with control characters, or too long.
    pub const TEXT: &str = "text";
    /// A time that cannot be read.
    pub const TIME: &str = "time";
    /// A value that is no decimal.
    pub const VALUE: &str = "value";
    /// A kind of water that is neither river nor lake.
    pub const WATER: &str = "water";
}

/// What is wrong with a text, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    code: &'static str,
    reason: String,
    remedy: Cow<'static, str>,
}

impl Fault {
    fn new(code: &'static str, reason: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), remedy: remedy.into() }
    }

    /// The rejection of a whole line.
    fn of_line(self, line: u64) -> Rejection {
        let Self { code, reason, remedy } = self;
        Rejection { line, column: None, column_name: None, reason, remedy, code }
    }

    /// The rejection at a column, counted from 0 here and from 1 in the rejection.
    fn at(self, line: u64, column: usize, names: &[String]) -> Rejection {
        let place = place(column);
        Rejection { column: Some(place), column_name: names.get(column).cloned(), ..self.of_line(line) }
    }
}

/// A column's place from 1.
fn place(column: usize) -> u32 {
    u32::try_from(column).map_or(u32::MAX, |column| column.saturating_add(1))
}

/// A text of unknown origin made fit for a message: cut short, control characters escaped.
fn shown(text: &str) -> String {
    let cut = text.chars().take(40).flat_map(|c| {
        let escaped = c.is_control().then(|| c.escape_unicode());
        let plain = escaped.is_none().then_some(c);
        escaped.into_iter().flatten().chain(plain)
    });
    cut.collect()
}

#[cfg(test)]
mod tests;
