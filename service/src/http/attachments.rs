//! Attachments: files beside the log, put there before the act that names them, and given to those who see that act.

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bishui_domain::attachment::ATTACHMENT_BYTES_MAX;
use bishui_domain::sha256::Sha256;
use bishui_infra::attachments::AttachmentError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::caller::{Caller, Id, Raw};
use super::page::encoded;
use super::problem::HttpError;
use crate::error::OfficeError;
use crate::view::{self, not_found};

/// The media type of a file on its way in.
const OCTETS: &str = "application/octet-stream";

/// A file as it is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Kept {
    /// Its content: what an act names it by.
    #[schema(value_type = String)]
    sha256: Sha256,
    /// Its size.
    bytes: u64,
}

pub(super) fn router() -> OpenApiRouter<App> {
    let limit = usize::try_from(ATTACHMENT_BYTES_MAX).expect("the bound fits the memory");
    let files = OpenApiRouter::new().routes(routes!(put_attachment)).layer(DefaultBodyLimit::max(limit));
    OpenApiRouter::new().routes(routes!(read_attachment)).merge(files)
}

/// Keeps a file, up to 32 MiB as it is in the body. The answer comes when it is on the disk.
#[utoipa::path(post, path = "/api/v1/attachments", tag = "acts", request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = Kept)))]
async fn put_attachment(caller: Caller, headers: HeaderMap, Raw(body): Raw) -> Result<Json<Kept>, HttpError> {
    caller.check_attach()?;
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != OCTETS) {
        return Err(HttpError::MediaType(format!("a file comes as {OCTETS}; the act that names it says what it is")));
    }
    let attachments = caller.app.office.attachments()?.clone();
    let bytes = body.len() as u64;
    let sha256 = off_the_async_threads(move || attachments.put(&body)).await?;
    Ok(Json(Kept { sha256, bytes }))
}

/// A file that a report names which the asker sees.
#[utoipa::path(get, path = "/api/v1/attachments/{sha256}", tag = "views", params(("sha256" = String, Path)), responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
async fn read_attachment(caller: Caller, Id(sha256): Id<Sha256>) -> Result<Response, HttpError> {
    let office = &caller.app.office;
    let named = view::notices::attachment(&office.register(), &caller.scope, sha256);
    let named = named.ok_or_else(|| not_found("this attachment"))?;
    let attachments = office.attachments()?.clone();
    let read = off_the_async_threads(move || attachments.get(sha256)).await;
    let bytes = read.inspect_err(|error| {
        tracing::error!(error = error as &dyn std::error::Error, "an attachment that an event names cannot be read");
    })?;
    // The name is a county's: it is encoded, and the file is offered for saving, never shown.
    let disposition = format!("attachment; filename*=UTF-8''{}", encoded(&named.name));
    let disposition = HeaderValue::from_str(&disposition).expect("a percent-encoded name is a plain header value");
    let kind = HeaderValue::from_str(&named.media_type).expect("a recorded media type is plain ASCII");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response())
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AttachmentError> + Send + 'static,
) -> Result<T, HttpError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| HttpError::Internal)?;
    Ok(done.map_err(OfficeError::from)?)
}
