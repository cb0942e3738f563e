//! Bearer tokens of the HTTP interface: made, listed and revoked on the machine of the data directory.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::args::{Cli, TokenCommand};
use super::output::{Output, rows};
use crate::accounts::{self, AccountsError, NewAccount, Role};
use crate::error::OfficeError;

impl From<AccountsError> for OfficeError {
    fn from(error: AccountsError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::Input { what: format!("{error}{cause}") }
    }
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
