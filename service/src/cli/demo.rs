//! The demonstration: Liaocheng's 2020 plan played into a store of its own, then served with the clock in that year.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bishui_domain::calendar::WorkCalendar;
use bishui_infra::event_log::sled::SledLog;
use bishui_infra::event_log::{EventLog, LogError};
use bishui_infra::mail::{Mailer, SpoolMailer};
use include_dir::{Dir, include_dir};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use super::output::Output;
use super::standing;
use crate::config::{SPOOL_DIR, STORE_DIR};
use crate::drill::Stage;
use crate::end_state::EndState;
use crate::error::OfficeError;
use crate::scenario::Play;

static PLANS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/plans");
static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo");

/// A demonstration that has been played.
pub(super) struct Demonstration {
    /// The store with the year in it.
    pub(super) log: Arc<dyn EventLog>,
    /// Where its mail went.
    pub(super) mailer: Arc<dyn Mailer>,
    /// What stands at its end.
    pub(super) state: EndState,
    /// The time at its end.
    pub(super) ends_at: jiff::Timestamp,
    /// Its data directory; removed when this is dropped, after the store in it is closed.
    directory: TempDir,
}

impl Demonstration {
    /// The data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

fn failed(error: impl std::fmt::Display) -> OfficeError {
    LogError::Unavailable { what: format!("the demonstration's directory: {error}"), source: None }.into()
}

/// Plays the demonstration year into a new store in a temporary directory.
pub(super) async fn play(calendar: Arc<WorkCalendar>, output: &Output) -> Result<Demonstration, OfficeError> {
    let directory = tempfile::Builder::new().prefix("bishui-demo-").tempdir().map_err(failed)?;
    let input = directory.path().join("input");
    for (name, files) in [("plans", &PLANS), ("demo", &DEMO)] {
        let target = input.join(name);
        std::fs::create_dir_all(&target).map_err(failed)?;
        files.extract(&target).map_err(failed)?;
    }
    let play = Play::read(&input.join("demo").join("scenario.toml"))?;
    let data = directory.path().join("data");
    let log = open(&data).await?;
    let mailer: Arc<dyn Mailer> = Arc::new(SpoolMailer::open(data.join(SPOOL_DIR)).map_err(failed)?);
    let stage = Stage::new(&play, Arc::clone(&log), calendar, Arc::clone(&mailer));
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(play.acts.len() as u64) };
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} acts, {msg}").unwrap_or(ProgressStyle::default_bar());
    bar.set_style(style);
    let refusals = stage
        .play(&play, |done| {
            bar.set_position(u64::from(done));
            bar.set_message(stage.office.today().to_string());
        })
        .await?;
    bar.finish_and_clear();
    stage.office.check_no_consumer_has_stopped().await?;
    let state = EndState::of(&stage.office.register(), refusals);
    let ends_at = stage.office.now();
    Ok(Demonstration { log, mailer, state, ends_at, directory })
}

async fn open(data: &Path) -> Result<Arc<dyn EventLog>, OfficeError> {
    let store = data.join(STORE_DIR);
    std::fs::create_dir_all(&store).map_err(failed)?;
    let opened = tokio::task::spawn_blocking(move || SledLog::open(store)).await.map_err(failed)?;
    Ok(Arc::new(opened?))
}

/// Prints what happened.
pub(super) fn report(demonstration: &Demonstration, output: &Output) {
    output.show(&demonstration.state, |output, _| {
        let value = serde_json::to_value(&demonstration.state).expect("end states are JSON");
        output.line("Liaocheng's 2020 plan. The rules and the four national sections are the document's;");
        output.line("county sections, addresses, readings, interviews and payments are invented.");
        standing::end_state(output, &value);
    });
}
