//! Commands that need no running office: settings, store check, tokens, drill, classification.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bishui_domain::assessment::classify;
use bishui_domain::plan::rules::RuleSet;
use bishui_infra::durable;
use bishui_infra::event_log::LogError;
use bishui_infra::table::classify::Samples;
use clap::CommandFactory;
use serde_json::json;

use super::args::{Cli, ConfigCommand};
use super::attached::Examined;
use super::output::Output;
use super::{attached, exit, session, standing};
use crate::audit::Desk;
use crate::config::{Config, FILE_NAME};
use crate::drill;
use crate::error::OfficeError;
use crate::scenario::Play;
use crate::store::Place;

/// The settings file that `init` writes: every key with its default, to be filled in.
const SETTINGS: &str = r#"# Settings of bishui. Every key may also be given as a variable: BISHUI_LISTEN, BISHUI_SMTP__HOST, …
# listen = "127.0.0.1:8620"
# mail_from = "聊城市生态环境局 <bishui@example.org>"
# mail_host = "example.org"          # host part of Message-IDs
# attachments = "/srv/attachments"   # directory of attachments; nodes that share a store share it
# store = "postgres://bishui@db1,db2/bishui"   # by default embedded; better: the variable BISHUI_STORE
# calendar = "working-days.toml"     # replaces the built-in calendar of working days
# signing_key = "/etc/bishui/key"    # signs checkpoints, where several nodes share a key
# spool = "/srv/outbox"              # directory of .eml files where there is no [smtp]
# lease_ms = 6000                    # how long background work waits for a node that is gone

# Without [smtp] mail is written as .eml files to the directory `outbox`; on a database it waits.
# [smtp]
# host = "mail.example.org"
# port = 465
# tls = "tls"                        # tls, starttls or none
# username = "bishui"
# password = ""                      # better: the variable BISHUI_SMTP__PASSWORD
# from = "bishui@example.org"        # envelope sender
"#;

/// Plays a scenario on a throw-away store and shows the end state.
pub(super) async fn drill(scenario: &Path, output: &Output) -> Result<ExitCode, OfficeError> {
    let play = Play::read(scenario)?;
    let state = drill::run(&play, Config::default().work_calendar()?).await?;
    output.show(&state, |output, _| {
        let value = serde_json::to_value(&state).expect("end states are JSON");
        standing::end_state(output, &value);
        for refused in &state.refusals {
            output.line(format_args!("act {} was refused: {}", refused.act, refused.code));
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Prints completions for a shell; written at once, for the generator panics when its reader goes away.
pub(super) fn completions(shell: clap_complete::Shell, output: &Output) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bishui", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

/// Makes a data directory with an empty store and a settings file to fill in.
pub(super) async fn init(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let data = &cli.data;
    let input = |what: String| OfficeError::Input { what };
    durable::create_dir(data).map_err(|error| input(format!("{}: {error}", data.display())))?;
    let settings = write_settings(data)?;
    let config = Config::read(data, cli.config.as_deref())?;
    let place = session::place(cli, &config)?;
    place.make().await?;
    drop(place.open().await?);
    Desk::open(data, config.signing_key.as_deref())?;
    let done = json!({ "data": data, "settings": settings, "store": place.to_string() });
    output.show(&done, |output, _| {
        output.line(format_args!("store and settings are in {}; next: bishui plan adopt PLAN.toml", data.display()));
        if let Place::Postgres(address) = &place {
            output.line(format_args!(
                "the store is {address}; name it to every command by BISHUI_STORE or `store` in {FILE_NAME}"
            ));
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Writes a settings file to fill in where there is none, and gives its path.
pub(super) fn write_settings(data: &Path) -> Result<PathBuf, OfficeError> {
    let settings = data.join(FILE_NAME);
    if !settings.exists() {
        let failed = |error| OfficeError::Input { what: format!("{}: {error}", settings.display()) };
        std::fs::write(&settings, SETTINGS).map_err(failed)?;
    }
    Ok(settings)
}

/// Shows or checks the settings.
pub(super) fn config(cli: &Cli, command: &ConfigCommand, output: &Output) -> Result<ExitCode, OfficeError> {
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    let calendar = config.work_calendar()?;
    let mail = config
        .smtp
        .as_ref()
        .map_or_else(|| format!("spool {}", config.spool(&cli.data).display()), |settings| format!("{settings:?}"));
    match command {
        ConfigCommand::Show => {
            let store = session::place(cli, &config)?.to_string();
            let shown = json!({ "data": cli.data, "store": store, "settings": config, "mail": mail });
            output.show(&shown, |output, _| output.line(format_args!("{shown:#}")));
        }
        ConfigCommand::Check => {
            config.mailer(&cli.data)?;
            let year = jiff::Timestamp::now().in_tz("UTC").map_or(0, |now| now.year());
            let known = calendar.is_published(year);
            output.show(&json!({ "ok": true, "mail": mail, "calendar_of_this_year": known }), |output, _| {
                output.line(format_args!("settings are sound; mail goes to {mail}"));
                if !known {
                    output.line(format_args!("the calendar of {year} is not known: deadlines in it are provisional"));
                }
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the store from end to end.
pub(super) async fn doctor(cli: &Cli, output: &Output) -> Result<ExitCode, OfficeError> {
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    let store = match session::open_store(cli, &config).await {
        Err(OfficeError::Log(error @ LogError::Corrupt { .. })) => return Ok(damaged(error, output)),
        opened => opened?,
    };
    let kept = config.attachments(&cli.data);
    let waiting = output.spinner("reading the whole store");
    let verified = store.verify().await;
    waiting.finish_and_clear();
    match verified {
        Ok(head) => {
            let Examined { named, faults } = attached::examine(&*store.log(), &kept).await?;
            let sound = faults.is_empty();
            let found = json!({ "sound": sound, "events": head, "attachments": named, "faults": faults });
            output.show(&found, |output, _| {
                output.line(format_args!("the store is sound: {head} events, every one read and compared"));
                output.line(format_args!("{named} attachments are named, {} at fault", faults.len()));
                for fault in &faults {
                    output.line(fault);
                }
            });
            Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENCE) })
        }
        Err(error @ LogError::Corrupt { .. }) => Ok(damaged(error, output)),
        Err(error) => Err(error.into()),
    }
}

/// Says what is damaged, and what to do about it.
fn damaged(error: LogError, output: &Output) -> ExitCode {
    output.error(&error.into());
    eprintln!(
        "copy the data directory; then `bishui repair` makes the index again, and tells how much of a damaged journal \
         can be kept; `bishui restore` takes the whole log from a backup"
    );
    ExitCode::from(exit::DIFFERENCE)
}

/// One JSON object a row in row order, whatever the form of output (contract: `classify`).
pub(super) fn classify_file(file: &Path, output: &Output) -> Result<ExitCode, OfficeError> {
    let input = |error: &dyn std::fmt::Display| OfficeError::Input { what: format!("{}: {error}", file.display()) };
    let bytes = std::fs::read(file).map_err(|error| input(&error))?;
    let samples = Samples::open(&bytes).map_err(|error| input(&error))?;
    let required = RuleSet::default().required_indicators;
    let mut code = ExitCode::SUCCESS;
    for sample in samples {
        for rejection in &sample.rejections {
            code = ExitCode::from(exit::REJECTED);
            let column = rejection.column.map(|column| format!(", column {column}")).unwrap_or_default();
            eprintln!("line {}{column}: {}; {}", rejection.line, rejection.reason, rejection.remedy);
        }
        let Some(body) = sample.water else { continue };
        let result = classify(&sample.values.into_iter().collect(), body, &required);
        let line =
            json!({ "row": sample.row, "class": result.class, "evaluated": result.evaluated, "worst": result.worst });
        output.line(line);
    }
    Ok(code)
}
