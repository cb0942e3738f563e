//! Bearer tokens of the HTTP interface: made, listed and revoked on the machine of the data directory.

use std::process::ExitCode;

use bishui_infra::event_log::LogError;
use jiff::Timestamp;
use serde_json::json;

use super::args::{Cli, TokenCommand};
use super::output::{Output, rows};
use crate::accounts::{self, AccountsError, NewAccount, Role};
use crate::error::OfficeError;
use crate::http::ServeError;

impl From<AccountsError> for OfficeError {
    fn from(error: AccountsError) -> Self {
        Self::Input { what: with_causes(&error) }
    }
}

impl From<ServeError> for OfficeError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Office(error) => error,
            ServeError::Listen { .. }
            | ServeError::File { .. }
            | ServeError::Accounts(_)
            | ServeError::Metrics(_)
            | ServeError::Accept(_)
            | ServeError::BrokenOff(_) => LogError::Unavailable { what: with_causes(&error), source: None }.into(),
        }
    }
}

/// An error with its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

pub(super) fn run(cli: &Cli, command: &TokenCommand, output: &Output) -> Result<ExitCode, OfficeError> {
    let now = Timestamp::now();
    match command {
        TokenCommand::Create { name, role, county } => {
            let what = "`--role` is one of clerk, approver, finance, county, auditor, administrator".to_owned();
            let role: Role = role.parse().map_err(|_| OfficeError::Input { what })?;
            let new = NewAccount { name: name.clone(), role, county: county.clone(), expires: None };
            let token = accounts::create(&cli.data, new, now)?;
            output.show(&json!({ "name": name, "role": role, "token": token }), |output, _| {
                output.line(&token);
                output.say("the token is shown this once; requests carry it as `Authorization: Bearer …`");
            });
        }
        TokenCommand::List => {
            let lines: Vec<_> = accounts::list(&cli.data)?
                .into_iter()
                .map(|account| {
                    json!({ "name": account.name, "role": account.role, "county": account.county,
                        "created": account.created, "expires": account.expires, "revoked": account.revoked })
                })
                .collect();
            let lines = json!(lines);
            output.show(&lines, |output, _| {
                let fields = ["/name", "/role", "/county", "/created", "/revoked"];
                output.table(&["name", "role", "county", "created", "revoked"], rows(&lines, &fields), "no token");
            });
        }
        TokenCommand::Revoke { name } => {
            accounts::revoke(&cli.data, name, now)?;
            output.show(&json!({ "revoked": name }), |output, _| output.line(format_args!("{name} is revoked")));
        }
    }
    Ok(ExitCode::SUCCESS)
}
