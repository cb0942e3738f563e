//! Readings row by row: the long and the wide form, or a foreign table through a mapping.
//!
//! A cell that cannot be read rejects itself; a row without a readable section, time or source rejects itself; the rest
//! is taken. Nothing is taken twice or lost on the way: every field of an indicator column comes out once.

use std::sync::Arc;

use bishui_domain::ids::SectionId;
use bishui_domain::indicator::Indicator;
use bishui_domain::reading::{Amount, ReadingKey, Source, Status};
use jiff::civil::DateTime;

use super::encoding::Lines;
use super::fields::{self, Fields, RowKey};
use super::header::{self, Column, Key, Measured};
use super::mapping::{Mapping, Place};
use super::{Fault, Rejection, TableError, code, place, record, shown, time};

/// A reading as a file states it; its section is not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The section as written, or as the mapping names it.
    pub section: Arc<str>,
    /// When the water was measured or sampled, in Beijing time.
    pub at: DateTime,
    /// Who measured.
    pub source: Source,
    /// What was measured.
    pub indicator: Indicator,
    /// The amount in the indicator's own unit; `None` where the file says that there is none.
    pub value: Option<Amount>,
    /// Whether it may be used.
    pub status: Status,
    /// Shown by its publisher on a later day than it was measured, so that it may have been shown before: where its key
    /// is recorded with the same value it is a duplicate, whatever its status. Only a mapping makes such cells.
    pub repeatable: bool,
    /// Line in the file, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u32,
}

/// A reading whose section is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The section.
    pub section: SectionId,
    /// Time, source and indicator.
    pub key: ReadingKey,
    /// As in [`Cell::value`].
    pub value: Option<Amount>,
    /// Whether it may be used.
    pub status: Status,
    /// As in [`Cell::repeatable`].
    pub repeatable: bool,
    /// Line in the file, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u32,
}

/// What one line of a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// Its readings; a row that cannot be read is one rejection.
    pub cells: Vec<Result<Cell, Rejection>>,
    section: Option<(usize, String)>,
}

impl Row {
    /// Looks up the section of the row; `find` says why where it cannot be told. The row is rejected once, not cell by
    /// cell.
    pub fn resolve(self, find: impl Fn(&str) -> Result<SectionId, String>) -> Vec<Result<Resolved, Rejection>> {
        let Some(first) = self.cells.iter().find_map(|cell| cell.as_ref().ok()) else {
            return self.cells.into_iter().filter_map(|cell| cell.err().map(Err)).collect();
        };
        let section = match find(&first.section) {
            Ok(section) => section,
            Err(reason) => {
                let remedy = "write the id of a section of the plan, or a name that is unique in it";
                let rejection = Fault::new(code::SECTION, reason, remedy).of_line(self.line);
                let (column, column_name) = match self.section {
                    Some((column, name)) => (Some(place(column)), Some(name)),
                    None => (None, None),
                };
                return vec![Err(Rejection { column, column_name, ..rejection })];
            }
        };
        let resolve = |cell: Cell| Resolved {
            section: section.clone(),
            key: ReadingKey { at: cell.at, source: cell.source, indicator: cell.indicator },
            value: cell.value,
            status: cell.status,
            repeatable: cell.repeatable,
            line: cell.line,
            column: cell.column,
        };
        self.cells.into_iter().map(|cell| cell.map(resolve)).collect()
    }
}

/// What was passed over so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Lines below the header that hold anything.
    pub rows: u64,
    /// Rows of sections that the mapping leaves out.
    pub skipped: u64,
    /// Rows of a mapped table with neither a time nor a value: a station that shows nothing.
    pub silent: u64,
}

/// The rows of a file, read one at a time.
pub struct Readings<'a> {
    lines: Lines<'a>,
    names: Vec<String>,
    form: Form<'a>,
    counts: Counts,
}

enum Form<'a> {
    Own(Own),
    Mapped(&'a Mapping, Place),
}

/// Where the columns of the two forms stand.
struct Own {
    section: usize,
    time: usize,
    source: usize,
    status: Option<usize>,
    values: Values,
}

enum Values {
    Long { indicator: usize, value: usize },
    Wide(Vec<(usize, Measured)>),
}

impl<'a> Readings<'a> {
    /// Reads the header of a file in the long or the wide form.
    ///
    /// # Errors
    /// The file is refused whole: empty, no CSV, or a column that is unknown, double or missing.
    pub fn open(bytes: &'a [u8]) -> Result<Self, TableError> {
        let mut lines = Lines::open(bytes)?;
        let names = record::header(&mut lines)?;
        let form = Form::Own(own_form(&names)?);
        Ok(Self { lines, names, form, counts: Counts::default() })
    }

    /// Reads the header of a foreign file, whose other columns are passed over.
    ///
    /// # Errors
    /// The file is refused whole: empty, no CSV, or a column of the mapping that is missing or double.
    pub fn open_mapped(bytes: &'a [u8], mapping: &'a Mapping) -> Result<Self, TableError> {
        let mut lines = Lines::open(bytes)?;
        let names = record::header(&mut lines)?;
        let form = Form::Mapped(mapping, mapping.place(&names)?);
        Ok(Self { lines, names, form, counts: Counts::default() })
    }

    /// What was passed over so far; of the whole file once the iterator has ended.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

impl Iterator for Readings<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let line = self.lines.next()?;
            let text = match line.text {
                Ok(text) if record::is_blank(&text) => continue,
                Ok(text) => Ok(text),
                Err(fault) => Err(fault),
            };
            self.counts.rows += 1;
            let fields = text.as_deref().map_err(Clone::clone).and_then(|text| fields::split(text, self.names.len()));
            let fields = match fields {
                Ok(fields) => fields,
                Err(fault) => return Some(Row::rejected(fault.of_line(line.number))),
            };
            let fields = Fields { line: line.number, names: &self.names, texts: &fields };
            let read = match &self.form {
                Form::Own(own) => own.row(&fields).map(Some),
                Form::Mapped(mapping, place) => mapping.row(place, &fields, &mut self.counts),
            };
            match read {
                Ok(Some(row)) => return Some(row),
                Ok(None) => {}
                Err(rejection) => return Some(Row::rejected(rejection)),
            }
        }
    }
}

impl Row {
    pub(super) fn new(line: u64, section: Option<(usize, String)>, cells: Vec<Result<Cell, Rejection>>) -> Self {
        Self { line, cells, section }
    }

    fn rejected(rejection: Rejection) -> Self {
        Self { line: rejection.line, cells: vec![Err(rejection)], section: None }
    }
}

fn own_form(names: &[String]) -> Result<Own, TableError> {
    let columns = header::columns(names)?;
    let find = |key| columns.iter().position(|column| *column == Column::Key(key));
    let need = |key, name: &str| {
        let remedy = "the header is section,time,source, then indicator,value or indicator columns, then status";
        find(key).ok_or_else(|| TableError::MissingColumn { name: name.to_owned(), remedy: remedy.to_owned() })
    };
    let named = |column: usize| (place(column), names.get(column).map(|name| shown(name)).unwrap_or_default());
    if let Some((column, name)) = find(Key::Water).map(named) {
        let reason = "it belongs to rows to classify; the plan says what a section is".to_owned();
        return Err(TableError::UnknownColumn { column, name, reason });
    }
    let (section, time, source) =
        (need(Key::Section, "section")?, need(Key::Time, "time")?, need(Key::Source, "source")?);
    let measured: Vec<(usize, Measured)> = measured_columns(&columns);
    let values = match (find(Key::Indicator), find(Key::Value), measured.first()) {
        (None, None, Some(_)) => Values::Wide(measured),
        (None, None, None) => return Err(need(Key::Indicator, "indicator").err().unwrap_or(TableError::Empty)),
        (Some(_) | None, Some(_) | None, Some((column, _))) => {
            let (column, name) = named(*column);
            return Err(TableError::MixedForms { column, name });
        }
        (Some(_) | None, Some(_) | None, None) => {
            Values::Long { indicator: need(Key::Indicator, "indicator")?, value: need(Key::Value, "value")? }
        }
    };
    Ok(Own { section, time, source, status: find(Key::Status), values })
}

/// The indicator columns with their places.
pub(super) fn measured_columns(columns: &[Column]) -> Vec<(usize, Measured)> {
    let measured = columns.iter().enumerate().filter_map(|(at, column)| match column {
        Column::Measured(measured) => Some((at, *measured)),
        Column::Key(_) => None,
    });
    measured.collect()
}

impl Own {
    fn row(&self, fields: &Fields<'_>) -> Result<Row, Rejection> {
        let section = fields.needed(self.section, "section")?;
        let at = time::date_time(fields.get(self.time)).ok_or_else(|| fields.no_time(self.time))?;
        let source = fields.needed(self.source, "source")?;
        let source = header::source(source).ok_or_else(|| {
            let reason = format!("`{}` is not a source", shown(source));
            let remedy = "write automatic, national, provincial or municipal";
            fields.reject(self.source, Fault::new(code::SOURCE, reason, remedy))
        })?;
        let status = match self.status {
            Some(column) => Status::from(fields.text(column)?.to_owned()),
            None => Status::Normal,
        };
        let key = RowKey { section: section.into(), at, source, status, repeatable: false };
        let cells = match &self.values {
            Values::Wide(columns) => {
                columns.iter().map(|(column, measured)| fields.cell(&key, *column, *measured)).collect()
            }
            Values::Long { indicator, value } => {
                let text = fields.needed(*indicator, "indicator")?;
                let measured = header::measured(text).map_err(|_| {
                    let reason = format!("`{}` is not an indicator", shown(text));
                    let remedy =
                        "write a code such as nh3n or a name of GB 3838 such as 氨氮, with mg/L or μg/L if any unit";
                    fields.reject(*indicator, Fault::new(code::INDICATOR, reason, remedy))
                })?;
                vec![fields.cell(&key, *value, measured)]
            }
        };
        let name = fields.names.get(self.section).cloned().unwrap_or_default();
        Ok(Row::new(fields.line, Some((self.section, name)), cells))
    }
}
