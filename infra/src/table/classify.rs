//! Rows to classify, each on its own: the kind of water and the values of a file without a plan.

use bishui_domain::indicator::Indicator;
use bishui_domain::reading::Amount;
use bishui_domain::standard::Body;

use super::encoding::Lines;
use super::fields::{self, Fields};
use super::header::{self, Column, Key, Measured};
use super::readings::measured_columns;
use super::{Fault, Rejection, TableError, code, place, record, shown};

/// One row; a cell that could not be read is among the rejections and has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its place among the rows that hold anything, from 1.
    pub row: u64,
    /// Line in the file, from 1.
    pub line: u64,
    /// The kind of water; `None` where it, or the whole row, could not be read.
    pub water: Option<Body>,
    /// The values present, in the order of the columns.
    pub values: Vec<(Indicator, Amount)>,
    /// What could not be read.
    pub rejections: Vec<Rejection>,
}

/// The rows of a file to classify, read one at a time.
pub struct Samples<'a> {
    lines: Lines<'a>,
    names: Vec<String>,
    water: usize,
    values: Vec<(usize, Measured)>,
    row: u64,
}

impl<'a> Samples<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file is refused whole: empty, no CSV, or a column that is unknown, double or missing.
    pub fn open(bytes: &'a [u8]) -> Result<Self, TableError> {
        let mut lines = Lines::open(bytes)?;
        let names = record::header(&mut lines)?;
        let columns = header::columns(&names)?;
        let water = columns.iter().position(|column| *column == Column::Key(Key::Water));
        let water = water.ok_or_else(|| TableError::MissingColumn {
            name: "water".to_owned(),
            remedy: "add it with river or lake in every row".to_owned(),
        })?;
        let foreign = columns.iter().position(|column| matches!(column, Column::Key(key) if *key != Key::Water));
        if let Some(at) = foreign {
            let reason = "rows to classify have the columns water and indicator codes only".to_owned();
            return Err(TableError::UnknownColumn { column: place(at), name: shown(&names[at]), reason });
        }
        let values = measured_columns(&columns);
        Ok(Self { lines, names, water, values, row: 0 })
    }

    fn sample(&self, fields: &Fields<'_>) -> Sample {
        let mut sample =
            Sample { row: self.row, line: fields.line, water: None, values: Vec::new(), rejections: Vec::new() };
        match water(fields, self.water) {
            Ok(water) => sample.water = Some(water),
            Err(rejection) => sample.rejections.push(rejection),
        }
        for (column, measured) in &self.values {
            match fields::amount(fields.get(*column), *measured) {
                Ok(Some(amount)) => sample.values.push((measured.indicator, amount)),
                Ok(None) => {}
                Err(fault) => sample.rejections.push(fields.reject(*column, fault)),
            }
        }
        sample
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        loop {
            let line = self.lines.next()?;
            if line.text.as_deref().is_ok_and(record::is_blank) {
                continue;
            }
            self.row += 1;
            let fields = line.text.as_deref().map_err(Clone::clone);
            return Some(match fields.and_then(|text| fields::split(text, self.names.len())) {
                Ok(fields) => self.sample(&Fields { line: line.number, names: &self.names, texts: &fields }),
                Err(fault) => {
                    let rejections = vec![fault.of_line(line.number)];
                    Sample { row: self.row, line: line.number, water: None, values: Vec::new(), rejections }
                }
            });
        }
    }
}

fn water(fields: &Fields<'_>, column: usize) -> Result<Body, Rejection> {
    match fields.needed(column, "water")?.to_lowercase().as_str() {
        "river" | "河流" | "河" => Ok(Body::River),
        "lake" | "湖库" | "湖泊" | "水库" | "湖" => Ok(Body::Lake),
        other => {
            let reason = format!("`{}` is neither river nor lake", shown(other));
            Err(fields.reject(column, Fault::new(code::WATER, reason, "write river or lake")))
        }
    }
}
