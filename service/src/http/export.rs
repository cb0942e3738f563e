//! The whole log as it is, a line an event, for backups while the service runs.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bishui_infra::backup::Line;
use bishui_infra::event_log::{EventLog, LogError, Position};
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::caller::{Ask, Caller};
use super::problem::HttpError;
use crate::error::OfficeError;

/// The path of the export.
pub const PATH: &str = "/api/v1/events.ndjson";
/// The header of the last position that the answer goes up to.
pub const HEAD_HEADER: HeaderName = HeaderName::from_static("x-bishui-head");
/// Events read from the store at a time: a payload may have 1 MiB.
const PAGE: usize = 64;

/// Where the export starts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Start {
    /// The position after which it starts; 0 when absent.
    #[serde(default)]
    after: u64,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export_events))
}

/// Every event after a position up to the head at this moment, for auditors: a line each, with its leaf hash. An answer
/// that ends before the position in `X-Bishui-Head` has broken off.
#[utoipa::path(get, path = PATH, tag = "views", params(Start), responses((status = 200, content_type = "application/x-ndjson", body = String)))]
async fn export_events(caller: Caller, Ask(Start { after }): Ask<Start>) -> Result<Response, HttpError> {
    caller.check_events()?;
    let log = Arc::clone(caller.app.office.log());
    let head = log.head().await.map_err(OfficeError::from)?;
    let lines = stream::try_unfold(Position(after), move |after| {
        let log = Arc::clone(&log);
        async move { page(log.as_ref(), after, head).await }
    });
    let kind = HeaderValue::from_static("application/x-ndjson");
    let head = HeaderValue::from(head.0);
    Ok(([(header::CONTENT_TYPE, kind), (HEAD_HEADER, head)], Body::from_stream(lines)).into_response())
}

/// The lines of the next page and the position they end at; none at the end.
async fn page(log: &dyn EventLog, after: Position, head: Position) -> Result<Option<(Bytes, Position)>, LogError> {
    let events = log.read_all(after, PAGE).await?;
    let mut lines = Vec::new();
    let mut last = after;
    for event in events.into_iter().filter(|event| event.position <= head) {
        last = event.position;
        lines.extend(Line::of(event).to_bytes());
    }
    Ok((last > after).then(|| (Bytes::from(lines), last)))
}
