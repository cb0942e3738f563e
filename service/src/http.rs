//! The HTTP interface: acts and views for programs, in the scope of the caller's token.
//!
//! Every act is one of [`crate::act::Act`], done by the office; no rule is decided here. Every failure is a problem
//! (RFC 9457), and nothing of one county is ever answered to another.

mod acts;
mod attachments;
mod background;
mod caller;
mod consumers;
mod envelope;
mod export;
mod front;
mod health;
mod page;
mod problem;
mod proof;
mod questions;
mod reads;
pub mod rights;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::{Json, Router};
use bishui_infra::mail::Mailer;
use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinError;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::accounts::{self, AccountsError, write_secret};
use crate::audit::Desk;
use crate::error::OfficeError;
use crate::office::Office;

use background::Background;

pub use caller::ACTOR_HEADER;
pub use export::{HEAD_HEADER, PATH as EXPORT_PATH};
pub use problem::{HttpError, Problem};

/// The file that tells the command line how to reach the running service.
const SERVICE_FILE: &str = "service.json";
/// Most bytes of a body, where a path does not take files.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Time that work under way has to end when the service stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) office: Arc<Office>,
    desk: Arc<Desk>,
    data_dir: Arc<PathBuf>,
    local_token: Arc<String>,
    incidents: Arc<health::Incidents>,
    recorder: PrometheusHandle,
}

/// Settings of the HTTP interface and the background work.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The address to listen on; port 0 takes a free one, see [`ServiceFile`].
    pub listen: SocketAddr,
    /// Where the accounts, the proof and [`ServiceFile`] are.
    pub data_dir: PathBuf,
    /// The sender of mail.
    pub mail_from: String,
    /// The file of the key that signs checkpoints; by default a key of its own in the data directory.
    pub signing_key: Option<PathBuf>,
}

/// How to reach the running service with every right, for the command line of the same user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFile {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Its token; the person who acts is named in the header [`ACTOR_HEADER`].
    pub token: String,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on: another program has it, or it is not this machine's.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data directory cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No token could be drawn.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The recorder of metrics cannot be installed: another one is.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] BuildError),
    /// The log cannot be read.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// Requests can no longer be taken.
    #[error("requests can no longer be taken")]
    Accept(#[source] std::io::Error),
    /// A piece of background work broke off by a fault of the program; start the service again.
    #[error("background work broke off")]
    BrokenOff(#[source] JoinError),
}

impl ServiceFile {
    /// The file of the service that runs on `data_dir`; none when none runs or it was not stopped properly.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(data_dir: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::read(data_dir.join(SERVICE_FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(std::io::Error::other),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Serves until `shutdown` ends, then finishes what is under way.
///
/// # Errors
/// The service cannot start, can no longer take requests, or does no longer do its background work.
pub async fn serve(
    office: Arc<Office>,
    mailer: Arc<dyn Mailer>,
    settings: ServeSettings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let ServeSettings { listen, data_dir, mail_from, signing_key } = settings;
    let desk = Arc::new(Desk::open(&data_dir, signing_key.as_deref())?);
    let recorder = health::recorder()?;
    let token = accounts::draw()?;
    office.advance().await?;
    let listener = TcpListener::bind(listen).await.map_err(|source| ServeError::Listen { listen, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { listen, source })?;
    let file = data_dir.join(SERVICE_FILE);
    let text = serde_json::to_string(&ServiceFile { address, pid: std::process::id(), token: token.clone() });
    let text = text.expect("an address, a number and a text are JSON");
    write_secret(&file, &text).map_err(|source| ServeError::File { path: file.clone(), source })?;
    let app = App {
        office,
        desk,
        data_dir: Arc::new(data_dir),
        local_token: Arc::new(token),
        incidents: Arc::default(),
        recorder,
    };
    let (stopping, stop) = watch::channel(false);
    let mut work = Background::start(&app, mailer, mail_from, &stop);
    tracing::info!(%address, "the service listens");
    let told = stopping.clone();
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        shutdown.await;
        told.send_replace(true);
    });
    let mut stopped = stop.clone();
    let served = tokio::select! {
        served = async move { server.await } => served.map_err(ServeError::Accept),
        fault = work.broken_off() => Err(ServeError::BrokenOff(fault)),
        // Connections that stay open do not hold the stop up.
        () = async { let _ = stopped.wait_for(|stop| *stop).await; tokio::time::sleep(STOP_WITHIN).await } => Ok(()),
    };
    stopping.send_replace(true);
    if !work.end(STOP_WITHIN).await {
        tracing::warn!("background work was cut short; an attempt of mail under way is settled by who takes over");
    }
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the service file stays");
        }
        Ok(()) | Err(_) => {}
    }
    served
}

fn router(app: App) -> Router {
    let (router, document) = described().split_for_parts();
    let document = Arc::new(finished(document));
    let described = move || async move { Json((*document).clone()) };
    router
        .route("/", axum::routing::get(front::front))
        .route("/api/v1/openapi.json", axum::routing::get(described))
        .fallback(async || HttpError::NoSuchPath)
        .method_not_allowed_fallback(async || HttpError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(envelope::panicked))
        .layer(from_fn(envelope::wrap))
        .with_state(app)
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bishui",
        description = "Accountability and escalation for assessed water sections. Every act is recorded as events; \
            an Idempotency-Key makes a repetition harmless, an If-Match with an ETag makes an act conditional, and \
            neither is required. A request with X-Bishui-Wait-For, the position of a receipt, is answered from what \
            includes that position, or with 503 after ten seconds. Errors are application/problem+json."
    ),
    components(schemas(Problem)),
    security(("token" = []))
)]
struct Document;

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(health::router())
        .merge(reads::router())
        .merge(questions::router())
        .merge(proof::router())
        .merge(acts::router())
        .merge(attachments::router())
        .merge(export::router())
        .merge(consumers::router())
}

/// The description with what holds for every path: the token, and a problem for whatever fails.
fn finished(mut document: OpenApi) -> OpenApi {
    if let Some(components) = &mut document.components {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("a token of `bishui token`"));
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new().description("a problem (RFC 9457)");
    let problem = problem.content("application/problem+json", content).build();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), problem.clone().into());
        }
    }
    document
}
