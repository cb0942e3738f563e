//! The proof of the log: checkpoint and hashes for anyone (C2SP tlog-tiles), evidence for auditors.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::caller::{Body, Caller, Id};
use super::problem::HttpError;
use crate::audit::Question;
use crate::view::not_found;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(audit))
        // A path of any depth cannot be described in OpenAPI.
        .route("/api/v1/tile/{*path}", get(tile))
}

/// The newest signed checkpoint of the log.
#[utoipa::path(get, path = "/api/v1/checkpoint", tag = "proof", security(()), responses((status = 200, content_type = "text/plain", body = String)))]
async fn checkpoint(State(app): State<App>) -> Result<String, HttpError> {
    Ok(app.desk.newest().ok_or_else(|| not_found("a signed checkpoint"))?.note)
}

/// A tile of the tree of the newest checkpoint, by level and index (`0/x001/234`, `0/x001/234.p/17`): hashes of 32
/// bytes, 256 or as many as its path says.
async fn tile(State(app): State<App>, Id(path): Id<String>) -> Result<Response, HttpError> {
    let (level, index, width) = parse(&path).ok_or(HttpError::NoSuchPath)?;
    let hashes = app.desk.tile(level, index, width)?.ok_or_else(|| not_found("this tile"))?;
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind)], hashes).into_response())
}

/// Answers a question about the proof of the log, given in JSON with its name under `ask`: `key`, `checkpoint`,
/// `verify`, `prove`,
/// `continue` or `bundle`. For auditors.
#[utoipa::path(post, path = "/api/v1/audits", tag = "proof", request_body = Object, responses((status = 200, body = Object)))]
async fn audit(caller: Caller, Body(question): Body<Question>) -> Result<Json<Value>, HttpError> {
    Ok(Json(caller.audit(question).await?))
}

/// Level, index and width of a tile's path: the index in groups of three digits, all but the last after an `x`.
fn parse(path: &str) -> Option<(u32, u64, u64)> {
    let (level, rest) = path.split_once('/')?;
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, number(width).filter(|width| (1..256).contains(width))?),
        None => (rest, 256),
    };
    let mut groups = groups.split('/').rev();
    let mut digits = vec![groups.next()?];
    for group in groups {
        digits.push(group.strip_prefix('x')?);
    }
    let sound = digits.iter().all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    let shortest = digits.len() == 1 || digits.last() != Some(&"000");
    digits.reverse();
    let index = digits.concat().parse().ok().filter(|_| sound && shortest)?;
    Some((u32::try_from(number(level)?).ok()?, index, width))
}

/// A number without signs or leading zeros.
fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_tile_has_one_form() {
        assert_eq!(parse("0/000"), Some((0, 0, 256)));
        assert_eq!(parse("1/x001/x234/067"), Some((1, 1_234_067, 256)));
        assert_eq!(parse("0/x001/234.p/17"), Some((0, 1_234, 17)));
        for path in
            ["0", "0/0", "0/x000/001", "+0/000", "00/000", "0/000.p/256", "0/000.p/0", "0/001/234", "0/x001", "0/0000"]
        {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
