//! Health: whether the service lives, whether it can work, and its numbers. No answer names a county or a person.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bishui_domain::delivery::Mail;
use bishui_domain::ids::MailId;
use bishui_infra::event_log::{Batch, Expected, Position, StreamWrite};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::error::OfficeError;
use crate::lease::Work;
use crate::office::Office;
use crate::process;
use crate::records::stream;
use crate::view::Scope;
use crate::view::notices::{NoticeFilter, notices};

/// Longest wait for the numbers that are read from the store.
const STORE_WITHIN: Duration = Duration::from_secs(3);
/// Calendar years that are looked ahead.
const YEARS_AHEAD_MAX: i16 = 10;

/// Failures of background work that are not over.
#[derive(Debug, Default)]
pub(super) struct Incidents(Mutex<BTreeMap<&'static str, String>>);

impl Incidents {
    /// Notes how a turn of `work` ended. A failure is logged once, at its beginning.
    pub(super) fn note(&self, work: &'static str, outcome: Result<(), OfficeError>) -> bool {
        let mut open = self.0.lock().expect("incidents are never left half noted");
        match outcome {
            Ok(()) => {
                if open.remove(work).is_some() {
                    tracing::info!(work, "background work goes on");
                }
                true
            }
            Err(error) => {
                metrics::counter!("bishui_incidents_total", "work" => work).increment(1);
                if open.insert(work, error.code().to_owned()).is_none() {
                    tracing::error!(error = &error as &dyn std::error::Error, work, "background work fails");
                }
                false
            }
        }
    }

    fn open(&self) -> BTreeMap<&'static str, String> {
        self.0.lock().expect("incidents are never left half noted").clone()
    }
}

/// Whether the service can work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether it can.
    ready: bool,
    /// Events that each consumer of the log has not passed yet.
    lag: BTreeMap<String, u64>,
    /// Consumers that cannot get past an event, with the code of the failure. The others go on, and so does the node.
    stopped: BTreeMap<String, String>,
    /// Background work that fails, with the code of the failure.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    incidents: BTreeMap<&'static str, String>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(numbers))
}

/// The recorder of this program; it can be installed once only.
pub(super) fn recorder() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().expect("a recorder is never left half installed");
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().install_recorder()?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Whether the service answers at all.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, content_type = "text/plain", body = String)))]
async fn live() -> &'static str {
    "ok\n"
}

/// Whether the store can be read and written, and background work goes on.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn ready(State(app): State<App>) -> Response {
    let mut incidents = app.incidents.open();
    let (lag, stopped) = probe(&app.office).await.unwrap_or_else(|error| {
        incidents.insert("store", error.code().to_owned());
        (BTreeMap::new(), BTreeMap::new())
    });
    let ready = incidents.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, lag, stopped, incidents })).into_response()
}

/// Reads the log, and has its writer judge a condition without recording anything.
async fn probe(office: &Office) -> Result<(BTreeMap<String, u64>, BTreeMap<String, String>), OfficeError> {
    let write = StreamWrite { stream: stream::plan(), expected: Expected::Any, events: vec![] };
    let batch = Batch {
        id: uuid::Uuid::nil(),
        recorded_at: office.now(),
        actor: "probe".to_owned(),
        causation: None,
        correlation: None,
        idempotency: None,
        lease: None,
        writes: vec![write],
    };
    office.log().append(batch).await?;
    let processes = process::lag(office).await?.into_iter().map(|(process, lag)| (process.to_string(), lag));
    let projections = office.projections().await?.into_iter().map(|line| (line.name.to_owned(), line.lag));
    let stopped = office.incidents().await?.into_iter().map(|incident| (incident.consumer, incident.code));
    Ok((processes.chain(projections).collect(), stopped.collect()))
}

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses((status = 200, content_type = "text/plain", body = String)))]
async fn numbers(State(app): State<App>) -> String {
    let office = &app.office;
    let (unknown, overdue) = {
        let register = office.register();
        let unknown = register.mail.values().filter(|mail| mail.counts().contains_key("unknown")).count();
        let lines = notices(&register, &Scope::City, &NoticeFilter::default(), office.today());
        (unknown as u64, lines.iter().filter(|line| line.overdue).count() as u64)
    };
    metrics::gauge!("bishui_mails_unknown").set(number(unknown));
    metrics::gauge!("bishui_notices_overdue").set(number(overdue));
    let year = office.today().year();
    let ahead = (1..=YEARS_AHEAD_MAX).take_while(|years| office.calendar.is_published(year + years)).count();
    metrics::gauge!("bishui_calendar_years_ahead").set(number(ahead as u64));
    let held = office.leases.working();
    for work in Work::iter() {
        let here = u64::from(held.contains(&work));
        metrics::gauge!("bishui_lease_held", "work" => work.to_string()).set(number(here));
    }
    // While the store does not answer, the numbers that are read from it stay as they were last.
    let stopped = tokio::time::timeout(STORE_WITHIN, in_store(office)).await;
    // A store that does not answer is an incident itself.
    let (answers, stopped) = if let Ok(Ok(stopped)) = stopped { (1, stopped) } else { (0, 1) };
    metrics::gauge!("bishui_store_answers").set(number(answers));
    metrics::gauge!("bishui_incidents").set(number((app.incidents.open().len() + stopped) as u64));
    app.recorder.render()
}

/// How the consumers of the log go on, and what waits. Gives the number of those that have stopped.
async fn in_store(office: &Office) -> Result<usize, OfficeError> {
    metrics::gauge!("bishui_events").set(number(office.log().head().await?.0));
    let stopped = office.incidents().await?;
    for (process, lag) in process::lag(office).await? {
        let open = stopped.iter().any(|incident| incident.consumer == process.to_string());
        metrics::gauge!("bishui_consumer_lag_events", "consumer" => process.to_string()).set(number(lag));
        metrics::gauge!("bishui_consumer_stopped", "consumer" => process.to_string()).set(number(u64::from(open)));
    }
    for line in office.projections().await? {
        let open = stopped.iter().any(|incident| incident.consumer == line.name);
        metrics::gauge!("bishui_projection_lag_events", "projection" => line.name).set(number(line.lag));
        metrics::gauge!("bishui_projection_stopped", "projection" => line.name).set(number(u64::from(open)));
    }
    metrics::gauge!("bishui_outbox_oldest_seconds").set(number(oldest_waiting(office).await?));
    Ok(stopped.len())
}

/// Seconds since the oldest mail that still waits was queued; 0 when none waits.
async fn oldest_waiting(office: &Office) -> Result<u64, OfficeError> {
    let queued = {
        let register = office.register();
        let waits = |id: &MailId| register.mail.get(id).and_then(Mail::due_at).is_some();
        register.mails.iter().find(|(id, _)| waits(id)).map(|(_, position)| *position)
    };
    let Some(Position(queued)) = queued else { return Ok(0) };
    let events = office.log().read_all(Position(queued.saturating_sub(1)), 1).await?;
    let age = events.first().map(|event| office.now().duration_since(event.recorded_at).as_secs());
    Ok(age.and_then(|age| u64::try_from(age).ok()).unwrap_or(0))
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
