//! A mapping: what the columns of a foreign table mean, so that it can be imported as it was published.
//!
//! A mapping names every column it uses; the others are passed over. It may turn a row out of use, never into use.
//!
//! A publisher that shows "the latest reading" every day shows an old one again while a station stands still. The key
//! of a reading is section, time, source and indicator, so such a repetition is the same reading, not a conflict: every
//! row measured before the day it was shown on is marked [`repeatable`](super::readings::Cell::repeatable), and one
//! that is older than `use_when` allows is out of use besides.

use std::collections::BTreeMap;

use bishui_domain::ids::SectionId;
use bishui_domain::indicator::Indicator;
use bishui_domain::reading::{Source, Status};
use jiff::Span;
use jiff::civil::{Date, DateTime};
use serde::Deserialize;

use super::fields::{Fields, RowKey};
use super::header::{self, Measured};
use super::readings::{Counts, Row};
use super::{Fault, Rejection, TableError, code, place, shown, time};

/// A mapping file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// Not TOML, an unknown key, or a value of the wrong kind; the source names line and key.
    #[error("the mapping cannot be read")]
    Unreadable(#[source] Box<toml::de::Error>),
    /// A key whose value makes no sense, or is missing beside another.
    #[error("`{key}` {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// What the columns of a foreign table mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Columns whose texts, joined by `/`, are the key of a section.
    pub section: Vec<String>,
    /// The column of the monitoring time.
    pub time: String,
    /// How it is written.
    #[serde(default)]
    pub time_format: TimeFormat,
    /// The column of the day on which the row was shown.
    pub capture_date: Option<String>,
    /// The source of all rows.
    pub source: Source,
    /// The column of the status, if there is one.
    pub status: Option<String>,
    /// The words of the status column that mean normal, beside those that always do.
    #[serde(default)]
    pub normal: Vec<String>,
    /// Which rows may be used.
    pub use_when: Option<UseWhen>,
    /// The column of each indicator.
    pub indicators: BTreeMap<Indicator, String>,
    /// The unit of an indicator's column where it is not the indicator's own: `μg/L`.
    #[serde(default)]
    pub units: BTreeMap<Indicator, String>,
    /// The plan's section for each key. Rows of other keys are left out and counted. Without this table every key is
    /// looked up in the plan itself.
    pub sections: Option<BTreeMap<String, SectionId>>,
}

/// How a monitoring time is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// A date or date-time as in readings files.
    #[default]
    Full,
    /// `MM-DD HH:MM`; the capture date tells the year.
    MonthDay,
}

/// Rows measured long before they were shown are out of use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UseWhen {
    /// Most days from the monitoring date to the capture date.
    pub days_before_capture_max: u16,
    /// The status of older rows.
    pub otherwise: String,
}

/// Where the columns of a mapping stand in a file.
pub(super) struct Place {
    section: Vec<usize>,
    time: usize,
    capture_date: Option<usize>,
    status: Option<usize>,
    values: Vec<(usize, Measured)>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// A text that is no mapping, with line and key, or keys that do not go together.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text).map_err(|error| MappingError::Unreadable(Box::new(error)))?;
        let invalid =
            |key: &str, reason: &str| Err(MappingError::Invalid { key: key.to_owned(), reason: reason.to_owned() });
        if mapping.section.is_empty() {
            return invalid("section", "is empty; name the columns that tell a section");
        }
        if mapping.indicators.is_empty() {
            return invalid("indicators", "is empty; name the column of at least one indicator");
        }
        if mapping.capture_date.is_none() && mapping.time_format == TimeFormat::MonthDay {
            return invalid("time_format", "month_day needs `capture_date`, which tells the year");
        }
        if mapping.capture_date.is_none() && mapping.use_when.is_some() {
            return invalid("use_when", "needs `capture_date`");
        }
        if let Some(rule) = &mapping.use_when
            && Status::from(rule.otherwise.clone()).is_normal()
        {
            return invalid("use_when.otherwise", "means normal; write a word for rows out of use");
        }
        for (indicator, unit) in &mapping.units {
            let key = format!("units.{indicator}");
            if !mapping.indicators.contains_key(indicator) {
                return invalid(&key, "has no column under `indicators`");
            }
            header::unit_is_micrograms(*indicator, unit)
                .map_err(|reason| MappingError::Invalid { key, reason: format!("is wrong: {reason}") })?;
        }
        Ok(mapping)
    }

    /// Finds the mapping's columns in a header.
    pub(super) fn place(&self, names: &[String]) -> Result<Place, TableError> {
        let find = |wanted: &String| {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(at, _)| at);
            match (found.next(), found.next()) {
                (Some(column), None) => Ok(column),
                (Some(first), Some(second)) => {
                    Err(TableError::DuplicateColumn { column: place(second), name: shown(wanted), first: place(first) })
                }
                (None, Some(_) | None) => Err(TableError::MissingColumn {
                    name: shown(wanted),
                    remedy: "the mapping names it; choose the mapping made for this file".to_owned(),
                }),
            }
        };
        let values = self.indicators.iter().map(|(indicator, column)| {
            let unit = self.units.get(indicator).map(|unit| header::unit_is_micrograms(*indicator, unit));
            Ok((find(column)?, Measured { indicator: *indicator, micrograms: matches!(unit, Some(Ok(true))) }))
        });
        Ok(Place {
            section: self.section.iter().map(find).collect::<Result<_, _>>()?,
            time: find(&self.time)?,
            capture_date: self.capture_date.as_ref().map(find).transpose()?,
            status: self.status.as_ref().map(find).transpose()?,
            values: values.collect::<Result<_, TableError>>()?,
        })
    }

    /// Reads a row; `None` where the mapping leaves it out or it shows nothing.
    pub(super) fn row(
        &self,
        place: &Place,
        fields: &Fields<'_>,
        counts: &mut Counts,
    ) -> Result<Option<Row>, Rejection> {
        let key = self.section_key(place, fields)?;
        let section = match self.sections.as_ref().map(|sections| sections.get(&key)) {
            Some(Some(id)) => id.as_str().into(),
            Some(None) => {
                counts.skipped += 1;
                return Ok(None);
            }
            None => key.as_str().into(),
        };
        if is_missing(fields.get(place.time)) && place.values.iter().all(|(at, _)| is_missing(fields.get(*at))) {
            counts.silent += 1;
            return Ok(None);
        }
        let captured = place.capture_date.map(|column| Self::captured(fields, column)).transpose()?;
        let at = self.time(fields, place.time, captured).ok_or_else(|| fields.no_time(place.time))?;
        let status = self.status(place, fields, at, captured)?;
        let repeatable = captured.is_some_and(|shown_on| at.date() < shown_on);
        let key_of_row = RowKey { section, at, source: self.source, status, repeatable };
        let cells = place.values.iter().map(|(column, measured)| fields.cell(&key_of_row, *column, *measured));
        let named = place.section.last().map(|column| (*column, key));
        Ok(Some(Row::new(fields.line, named, cells.collect())))
    }

    fn section_key(&self, place: &Place, fields: &Fields<'_>) -> Result<String, Rejection> {
        let parts = place.section.iter().zip(&self.section).map(|(column, name)| fields.needed(*column, name));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.join("/"))
    }

    fn captured(fields: &Fields<'_>, column: usize) -> Result<Date, Rejection> {
        let text = fields.get(column);
        time::date(text).ok_or_else(|| {
            let fault = Fault::new(code::TIME, format!("`{}` is not a date", shown(text)), "write 2020-01-05");
            fields.reject(column, fault)
        })
    }

    fn time(&self, fields: &Fields<'_>, column: usize, captured: Option<Date>) -> Option<DateTime> {
        match self.time_format {
            TimeFormat::Full => time::date_time(fields.get(column)),
            TimeFormat::MonthDay => time::month_day(fields.get(column), captured?),
        }
    }

    /// The station's own word where it is not normal, else the word for old rows, else normal.
    fn status(
        &self,
        place: &Place,
        fields: &Fields<'_>,
        at: DateTime,
        captured: Option<Date>,
    ) -> Result<Status, Rejection> {
        if let Some(column) = place.status {
            let word = fields.text(column)?;
            if !self.normal.iter().any(|normal| normal == word) {
                let status = Status::from(word.to_owned());
                if !status.is_normal() {
                    return Ok(status);
                }
            }
        }
        let (Some(rule), Some(captured)) = (&self.use_when, captured) else { return Ok(Status::Normal) };
        let oldest = captured.saturating_sub(Span::new().days(i32::from(rule.days_before_capture_max)));
        // A time after the day it was shown on is a clock gone wrong and no better than an old one.
        if (oldest..=captured).contains(&at.date()) {
            Ok(Status::Normal)
        } else {
            Ok(Status::from(rule.otherwise.clone()))
        }
    }
}

fn is_missing(text: &str) -> bool {
    matches!(text, "" | "--" | "*" | "-" | "/")
}
