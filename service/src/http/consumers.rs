//! Consumers of the log: where one has stopped, what a person does about it, and projections built anew.

use axum::Json;
use axum::extract::State;
use bishui_infra::event_log::Position;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::caller::{Body, Caller, Id};
use super::problem::HttpError;
use crate::act::Act;
use crate::incident::Incident;
use crate::office::Receipt;
use crate::projection::{ProjectionLine, Rebuilt};
use crate::query::Query;

/// Which event is skipped, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SkipOrder {
    /// The event at which the consumer stopped.
    #[schema(value_type = u64)]
    position: Position,
    /// Why.
    reason: String,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_incidents))
        .routes(routes!(retry_consumer))
        .routes(routes!(skip_event))
        .routes(routes!(list_projections))
        .routes(routes!(rebuild_projection))
}

/// Consumers that cannot get past an event, for administrators and auditors.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "consumers", responses((status = 200, body = Vec<Incident>)))]
async fn list_incidents(caller: Caller) -> Result<Json<Value>, HttpError> {
    Ok(Json(caller.ask(Query::Incidents).await?))
}

/// Has a consumer that stopped try again at once.
#[utoipa::path(post, path = "/api/v1/incidents/{consumer}/retry", tag = "consumers", params(("consumer" = String, Path)), responses((status = 200, body = Receipt)))]
async fn retry_consumer(caller: Caller, Id(consumer): Id<String>) -> Result<Json<Receipt>, HttpError> {
    Ok(Json(caller.perform(Act::RetryConsumer { consumer }).await?))
}

/// Has a consumer skip the event it stopped at; the skip is recorded with its reason.
#[utoipa::path(post, path = "/api/v1/incidents/{consumer}/skip", tag = "consumers", params(("consumer" = String, Path)), request_body = SkipOrder, responses((status = 200, body = Receipt)))]
async fn skip_event(
    caller: Caller,
    Id(consumer): Id<String>,
    Body(order): Body<SkipOrder>,
) -> Result<Json<Receipt>, HttpError> {
    let SkipOrder { position, reason } = order;
    Ok(Json(caller.perform(Act::SkipEvent { consumer, position, reason }).await?))
}

/// The projections of this node, for administrators and auditors.
#[utoipa::path(get, path = "/api/v1/projections", tag = "consumers", responses((status = 200, body = Vec<ProjectionLine>)))]
async fn list_projections(caller: Caller) -> Result<Json<Value>, HttpError> {
    Ok(Json(caller.ask(Query::Projections).await?))
}

/// Builds a projection anew beside the one in service and switches to it when it is level.
#[utoipa::path(post, path = "/api/v1/projections/{name}/rebuild", tag = "consumers", params(("name" = String, Path)), responses((status = 200, body = Rebuilt)))]
async fn rebuild_projection(
    caller: Caller,
    State(app): State<App>,
    Id(name): Id<String>,
) -> Result<Json<Rebuilt>, HttpError> {
    caller.check_rebuild()?;
    // A client that goes away does not stop a build half way.
    let built = tokio::spawn(async move { app.office.rebuild(&name).await }).await;
    Ok(Json(built.map_err(|_| HttpError::Internal)??))
}
