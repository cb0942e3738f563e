//! The service and the demonstration, until they are told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::args::{Cli, DemoArgs, ServeArgs};
use super::output::Output;
use super::{demo, session};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::error::OfficeError;
use crate::http::{ServeSettings, serve};
use crate::office::{Office, Settings};

/// Runs the service on the store of the data directory.
pub(super) async fn service(cli: &Cli, args: &ServeArgs) -> Result<ExitCode, OfficeError> {
    let config = Config::read(&cli.data, cli.config.as_deref())?;
    let store = session::open_store(cli, &config).await?;
    let mailer = config.mailer(&cli.data)?;
    if config.sends_mail(&store) {
        tracing::info!(mail = mailer.describe(), "mail goes here");
    } else {
        tracing::warn!("mail waits for another node: here neither `smtp` nor `spool` is set");
    }
    let office = Arc::new(session::office(&store, &config, &cli.data)?);
    let listen = args.listen.unwrap_or(config.listen);
    let settings = ServeSettings {
        listen,
        data_dir: cli.data.clone(),
        mail_from: config.mail_from,
        signing_key: config.signing_key,
    };
    serve(office, mailer, settings, stop_signal()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Plays the demonstration year and serves it.
pub(super) async fn demonstrate(args: &DemoArgs, output: &Output) -> Result<ExitCode, OfficeError> {
    let calendar = Config::default().work_calendar()?;
    let played = demo::play(Arc::clone(&calendar), output).await?;
    demo::report(&played, output);
    if args.once {
        return Ok(ExitCode::SUCCESS);
    }
    let clock = Arc::new(SystemClock::starting_at(played.ends_at));
    let office = Arc::new(Office::new(Arc::clone(&played.log), clock, calendar, Settings::default()));
    let data: PathBuf = played.data();
    output.say(format_args!(
        "the service is up at http://{} with its clock at {}; in another terminal try\n  \
         bishui --data {} status\nstop with Ctrl-C",
        args.listen,
        played.ends_at,
        data.display()
    ));
    let mail_from = crate::drill::MAIL_FROM.to_owned();
    let settings = ServeSettings { listen: args.listen, data_dir: data, mail_from, signing_key: None };
    serve(office, Arc::clone(&played.mailer), settings, stop_signal()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves on Ctrl-C or SIGTERM.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
