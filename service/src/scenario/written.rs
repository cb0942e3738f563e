//! The text of a scenario: every error names the key and the line, inside an act too.
//!
//! An act is a table with `at`, `do` and the keys of what is done. Serde reads a flattened or tagged table through a
//! buffer that forgets where things stand; so `at` and `do` are taken out of the table first and the rest is read as
//! the one variant it must be.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::{Deed, Scenario, ScenarioAct};

/// What an act must be, so that anything else is an error with its place.
type Table = toml::Table;

/// When an act is done, and the word for what is done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    at: Timestamp,
    #[serde(rename = "do")]
    word: Spanned<String>,
}

/// Reads a scenario.
///
/// # Errors
/// No TOML, an unknown key, a key that is missing, or a value of the wrong form; the error names the line.
pub(super) fn parse(text: &str) -> Result<Scenario, Error> {
    read(text).map_err(|mut error| {
        error.set_input(Some(text));
        error
    })
}

fn read(text: &str) -> Result<Scenario, Error> {
    let document = DeTable::parse(text)?;
    let span = document.span();
    let mut table = document.into_inner();
    let acts = table.remove("act");
    let mut scenario = Scenario::deserialize(ValueDeserializer::from(Spanned::new(span, DeValue::Table(table))))?;
    if let Some(acts) = acts {
        let span = acts.span();
        let acts = acts.into_inner();
        if let DeValue::Array(acts) = acts {
            scenario.act = acts.into_iter().map(act).collect::<Result<_, _>>()?;
        } else {
            Vec::<Table>::deserialize(ValueDeserializer::from(Spanned::new(span, acts)))?;
        }
    }
    Ok(scenario)
}

fn act(written: Spanned<DeValue<'_>>) -> Result<ScenarioAct, Error> {
    let span = written.span();
    let table = |entries| ValueDeserializer::from(Spanned::new(span.clone(), DeValue::Table(entries)));
    let written = written.into_inner();
    let DeValue::Table(mut keys) = written else {
        let read = Table::deserialize(ValueDeserializer::from(Spanned::new(span, written)));
        return Err(read.err().unwrap_or_else(|| de::Error::custom("an act is a table")));
    };
    let mut head = DeTable::new();
    for key in ["at", "do"] {
        let Some((key, mut value)) = keys.remove_entry(key) else { continue };
        // A time without quotation marks is TOML's own form of the same text.
        if let DeValue::Datetime(time) = value.get_ref() {
            *value.get_mut() = DeValue::String(time.to_string().into());
        }
        head.insert(key, value);
    }
    let Head { at, word } = Head::deserialize(table(head))?;
    let word = Spanned::new(word.span(), word.into_inner().into());
    let tagged = DeTable::from_iter([(word, Spanned::new(span.clone(), DeValue::Table(keys)))]);
    Ok(ScenarioAct { at, deed: Deed::deserialize(table(tagged))? })
}
