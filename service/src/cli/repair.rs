//! Repair of the embedded store.

use std::process::ExitCode;

use bishui_infra::event_log::sled::{Repaired, repair};
use serde_json::json;

use super::args::Cli;
use super::output::Output;
use super::{exit, session};
use crate::config::Config;
use crate::error::OfficeError;
use crate::store::Place;

/// Makes the index again and, where the journal is damaged and loss is accepted, cuts the damage away.
pub(super) async fn run(cli: &Cli, accept_loss: bool, output: &Output) -> Result<ExitCode, OfficeError> {
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    let path = match session::place(cli, &config)? {
        Place::Sled(path) => path,
        Place::Postgres(address) => {
            let what = format!("{address} is repaired by the means of its database, or restored from a backup");
            return Err(OfficeError::Input { what });
        }
    };
    let waiting = output.spinner("reading the whole store");
    let repaired = tokio::task::spawn_blocking(move || repair(&path, accept_loss)).await;
    waiting.finish_and_clear();
    let Repaired { head, lost, damage } =
        repaired.map_err(|error| OfficeError::Input { what: error.to_string() })??;
    let sound = damage.is_none() && lost == 0;
    output.show(&json!({ "events": head, "lost": lost, "damage": damage }), |output, _| {
        let again = if sound { "" } else { " again" };
        output.line(format_args!("the store is sound{again}: {head} events"));
        if let Some(damage) = &damage {
            output.line(format_args!(
                "it was damaged, and what was taken out is in `dropped` beside the journal: {damage}"
            ));
        }
        if lost > 0 {
            output.line(format_args!("{lost} events after them are lost: restore them from a backup"));
        }
    });
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
}
