//! The option that names a store, and the moving of one.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, Error};

use crate::store::Place;

#[derive(Debug, Args)]
pub(in crate::cli) struct MigrateStoreArgs {
    /// The store that is read: sled:DIR or postgres://…
    #[arg(long, value_name = "STORE", value_parser = PlaceParser)]
    pub(in crate::cli) from: Place,
    /// The store that is written: empty, or with the beginning of the same log
    #[arg(long, value_name = "STORE", value_parser = PlaceParser)]
    pub(in crate::cli) to: Place,
}

/// Reads a place. What cannot be read is not repeated in the error, for it may hold a password.
#[derive(Debug, Clone)]
pub(in crate::cli) struct PlaceParser;

impl TypedValueParser for PlaceParser {
    type Value = Place;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<Place, Error> {
        let option = argument.map(ToString::to_string).unwrap_or_default();
        let wrong = |what: &str| {
            Error::raw(ErrorKind::ValueValidation, format!("invalid value for '{option}': {what}\n")).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| wrong("it is not UTF-8"))?;
        Place::parse(text).map_err(|error| wrong(&error.to_string()))
    }
}
