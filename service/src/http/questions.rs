//! What the command line asks of a running service: previews of acts, and its questions.

use axum::Json;
use axum::extract::DefaultBodyLimit;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::acts::ACT_BYTES_MAX;
use super::caller::{Body, Caller};
use super::problem::HttpError;
use crate::act::Act;
use crate::query::Query;

type Answer = Result<Json<Value>, HttpError>;

pub(super) fn router() -> OpenApiRouter<App> {
    let previews = OpenApiRouter::new().routes(routes!(preview_act)).layer(DefaultBodyLimit::max(ACT_BYTES_MAX));
    OpenApiRouter::new().routes(routes!(ask)).merge(previews)
}

/// Shows everything an act would change, and records nothing. For those who may do the act, counties excepted.
#[utoipa::path(post, path = "/api/v1/previews", tag = "acts", request_body = Object, responses((status = 200, body = Object)))]
async fn preview_act(caller: Caller, Body(act): Body<Act>) -> Answer {
    Ok(Json(caller.preview(act).await?))
}

/// Answers a question, given in JSON with its name under `ask`, within what the asker sees.
#[utoipa::path(post, path = "/api/v1/queries", tag = "reads", request_body = Object, responses((status = 200, body = Object)))]
async fn ask(caller: Caller, Body(query): Body<Query>) -> Answer {
    Ok(Json(caller.ask(query).await?))
}
