//! The envelope of every answer: request id, span, time limit, count, safe headers, and the body of a problem.

use std::any::Any;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use super::BODY_BYTES_MAX;
use super::problem::{HttpError, Pending};

/// The header of the request's id, taken from the client or drawn.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// Time for a question.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Time for an act; a large file takes a while.
const ACT_WITHIN: Duration = Duration::from_mins(10);

/// Headers of every answer: nothing is kept, framed, sniffed or run by a browser.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

pub(super) async fn wrap(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    let within = if request.method() == Method::GET { READ_WITHIN } else { ACT_WITHIN };
    let answer = async {
        match received(request).await {
            Ok(request) => next.run(request).await,
            Err(error) => error.into_response(),
        }
    };
    let answer = tokio::time::timeout(within, answer).instrument(span.clone()).await;
    let mut response = answer.unwrap_or_else(|_| HttpError::Timeout.into_response());
    if let Some(pending) = response.extensions_mut().remove::<Pending>() {
        response = pending.into_answer(response, &id);
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    let value = HeaderValue::from_str(&id).expect("an id holds visible ASCII only");
    response.headers_mut().insert(REQUEST_ID, value);
    let status = response.status().as_u16();
    metrics::counter!("bishui_requests_total", "status" => status.to_string()).increment(1);
    span.in_scope(|| tracing::info!(status, "answered"));
    response
}

/// The request with a small body read to its end. An answer that leaves a body unread closes the connection, and a
/// client that reuses it would lose its next request.
async fn received(request: Request) -> Result<Request, HttpError> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let small = length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length <= BODY_BYTES_MAX);
    if !small {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
    let body = body.map_err(|_| HttpError::Malformed("the body broke off".to_owned()))?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The client's id when it is short and plain, otherwise a fresh one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        let visible = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && visible
    };
    given.filter(plain).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The answer to a request whose handler panicked; the panic hook has logged it.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    HttpError::Internal.into_response()
}
