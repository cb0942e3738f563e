//! The answer to an act: from the office itself, or from the running service.
//!
//! A file of a million rows may have a million rejections, so those of the office are shown and written from where they
//! stand and never become a tree of JSON.

use serde::Serialize;
use serde_json::Value;

use super::output::cell;
use crate::office::{ImportReport, Receipt};
use crate::preview::Preview;

/// What an act has led to, or would.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// It was done.
    Receipt(Receipt),
    /// It was tried on a copy.
    Preview(Box<Preview>),
    /// The service's answer, either of the two.
    Told(Value),
}

/// A rejected row or cell as text: line, column, name, code, reason, remedy.
pub(super) type Rejected = [String; 6];

impl Answer {
    fn report(&self) -> Option<&ImportReport> {
        match self {
            Self::Receipt(receipt) => receipt.import.as_ref(),
            Self::Preview(preview) => preview.import.as_ref(),
            Self::Told(_) => None,
        }
    }

    /// Whether what follows from it was recorded too.
    pub(super) fn followed(&self) -> bool {
        match self {
            Self::Receipt(receipt) => receipt.followed,
            Self::Preview(_) => true,
            Self::Told(value) => value["followed"] != false,
        }
    }

    fn told(&self) -> &[Value] {
        let Self::Told(value) = self else { return &[] };
        value.pointer("/import/rejected").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many rows and cells were rejected.
    pub(super) fn rejections(&self) -> usize {
        self.report().map_or_else(|| self.told().len(), |report| report.rejected.len())
    }

    /// The rejected rows and cells, in the order of the file.
    pub(super) fn rejected(&self) -> impl Iterator<Item = Rejected> {
        let own = self.report().map(|report| report.rejected.as_slice()).unwrap_or_default();
        let own = own.iter().map(|rejection| {
            let column = rejection.column.map(|column| column.to_string()).unwrap_or_default();
            let name = rejection.column_name.clone().unwrap_or_default();
            let (reason, remedy) = (rejection.reason.clone(), rejection.remedy.clone());
            [rejection.line.to_string(), column, name, rejection.code.to_owned(), reason, remedy.into()]
        });
        let told = self.told().iter().map(|row| {
            ["/line", "/column", "/column_name", "/code", "/reason", "/remedy"].map(|pointer| cell(row, pointer))
        });
        own.chain(told)
    }

    /// The answer as JSON for tables. Call it when the rejected rows have been shown: they are left out.
    pub(super) fn into_value(self) -> Value {
        let written = match self {
            Self::Receipt(mut receipt) => {
                receipt.import.iter_mut().for_each(|report| report.rejected.clear());
                serde_json::to_value(receipt)
            }
            Self::Preview(mut preview) => {
                preview.import.iter_mut().for_each(|report| report.rejected.clear());
                serde_json::to_value(preview)
            }
            Self::Told(value) => Ok(value),
        };
        written.expect("answers hold only strings, numbers and lists")
    }
}
