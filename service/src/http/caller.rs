//! The caller of a request: who asks, what they may see and do, and under which key and condition they act.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request as HttpRequest};
use axum::http::header::{AUTHORIZATION, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use bishui_domain::ids::NoticeId;
use bishui_domain::refusal::Refusal;
use bishui_infra::event_log::{Position, StreamId, StreamVersion};
use serde::de::DeserializeOwned;

use super::problem::HttpError;
use super::{App, rights};
use crate::accounts::{self, Role, same};
use crate::act::Act;
use crate::audit::Question as AuditQuestion;
use crate::error::OfficeError;
use crate::office::{Receipt, Request};
use crate::query::{Query as Question, answer};
use crate::view::{Scope, not_found};

/// The header that names the person behind a local caller.
pub const ACTOR_HEADER: HeaderName = HeaderName::from_static("x-bishui-actor");
/// The header of the client's key.
const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of the position that an answer must include, so that a caller reads its own acts on any node.
const WAIT_HEADER: HeaderName = HeaderName::from_static("x-bishui-wait-for");
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Authority {
    /// The command line on the same machine: everything.
    Local,
    /// An account.
    Role(Role),
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) app: App,
    pub(super) scope: Scope,
    authority: Authority,
    name: String,
    idempotency_key: Option<String>,
    if_match: Option<u64>,
}

impl Caller {
    /// Carries out an act on no single resource.
    pub(super) async fn perform(&self, act: Act) -> Result<Receipt, HttpError> {
        self.perform_if(act, None).await
    }

    /// Carries out an act on the resource that `stream` holds, if it is at the version of `If-Match`.
    pub(super) async fn perform_on(&self, stream: StreamId, act: Act) -> Result<Receipt, HttpError> {
        let version = self.if_match.map(StreamVersion);
        self.perform_if(act, version.map(|version| (stream, version))).await
    }

    async fn perform_if(&self, act: Act, if_match: Option<(StreamId, StreamVersion)>) -> Result<Receipt, HttpError> {
        match self.authority {
            Authority::Local => {}
            Authority::Role(role) if rights::may(role, &act) => {}
            Authority::Role(_) => return Err(HttpError::Forbidden),
        }
        self.check_visible(&act)?;
        let key = self.idempotency_key.as_ref().map(|key| format!("{}/{key}", self.name));
        let request = Request { actor: self.name.clone(), idempotency_key: key, if_match };
        let office = self.app.office.clone();
        // A client that goes away does not stop an act half way.
        let done = tokio::spawn(async move { office.perform(&act, &request).await }).await;
        let done = done.map_err(|_| HttpError::Internal)?;
        let result = done.as_ref().map_or_else(|error| error.code().to_owned(), |_| "done".to_owned());
        metrics::counter!("bishui_commands_total", "result" => result).increment(1);
        done.map_err(|error| self.told(error))
    }

    /// The error as this caller may be told it. What follows from any county's events is done in the same turn as a
    /// county's act, and its failure may name another county.
    fn told(&self, error: OfficeError) -> HttpError {
        let own = matches!(
            error,
            OfficeError::Refused(
                Refusal::NoticeNotReady { .. } | Refusal::InvalidText { .. } | Refusal::InvalidAttachment { .. }
            ) | OfficeError::Log(_)
                | OfficeError::Moved
                | OfficeError::NotFound { .. }
                | OfficeError::Behind { .. }
        );
        if self.scope == Scope::City || own {
            return error.into();
        }
        tracing::error!(error = &error as &dyn std::error::Error, "an act of a county failed for another's reason");
        HttpError::Internal
    }

    /// Shows what an act would change; what a county does changes nothing beyond its notice, so it has no preview.
    pub(super) async fn preview(&self, act: Act) -> Result<serde_json::Value, HttpError> {
        match self.authority {
            Authority::Local => {}
            Authority::Role(role) if rights::may(role, &act) && self.scope == Scope::City => {}
            Authority::Role(_) => return Err(HttpError::Forbidden),
        }
        let request = Request { actor: self.name.clone(), ..Request::default() };
        let preview = crate::preview::preview(&self.app.office, &act, &request).await?;
        Ok(serde_json::to_value(preview).expect("previews hold only strings, numbers and lists"))
    }

    /// Answers a question within what the asker sees.
    pub(super) async fn ask(&self, query: Question) -> Result<serde_json::Value, HttpError> {
        match self.authority {
            Authority::Local => {}
            Authority::Role(role) if rights::may_ask(role, &query) => {}
            Authority::Role(_) => return Err(HttpError::Forbidden),
        }
        self.app.office.advance_for_readers().await.map_err(|error| self.told(error))?;
        answer(&self.app.office, &self.scope, &query).await.map_err(|error| self.told(error))
    }

    /// Answers a question about the proof of the log, for those who may read every event.
    pub(super) async fn audit(&self, question: AuditQuestion) -> Result<serde_json::Value, HttpError> {
        self.check_events()?;
        Ok(self.app.desk.answer(self.app.office.log(), question).await?)
    }

    /// A county acts on what it sees; the rest is not there for it.
    fn check_visible(&self, act: &Act) -> Result<(), HttpError> {
        let visible = |id: &NoticeId| {
            let register = self.app.office.register();
            register.notice.get(id).is_some_and(|notice| self.scope.sees_notice(notice))
        };
        match (&self.scope, act) {
            (Scope::City, _) => Ok(()),
            (Scope::County(_), Act::AcknowledgeNotice { notice, .. } | Act::AnswerNotice { notice, .. })
                if visible(notice) =>
            {
                Ok(())
            }
            (Scope::County(_), _) => Err(not_found("this notice").into()),
        }
    }

    /// Whether the caller may put files beside the log.
    pub(super) fn check_attach(&self) -> Result<(), HttpError> {
        match self.authority {
            Authority::Local => Ok(()),
            Authority::Role(role) if rights::may_attach(role) => Ok(()),
            Authority::Role(_) => Err(HttpError::Forbidden),
        }
    }

    /// Whether the caller may have a projection built anew.
    pub(super) fn check_rebuild(&self) -> Result<(), HttpError> {
        match self.authority {
            Authority::Local => Ok(()),
            Authority::Role(role) if rights::may_rebuild(role) => Ok(()),
            Authority::Role(_) => Err(HttpError::Forbidden),
        }
    }

    /// Whether the caller may read recorded events as they are.
    pub(super) fn check_events(&self) -> Result<(), HttpError> {
        match self.authority {
            Authority::Local => Ok(()),
            Authority::Role(role) if rights::may_read_events(role) => Ok(()),
            Authority::Role(_) => Err(HttpError::Forbidden),
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        let token = bearer(&parts.headers).ok_or(HttpError::Unauthorized)?;
        let (authority, scope, name) = if same(token, &app.local_token) {
            let name = text(&parts.headers, &ACTOR_HEADER)?;
            let name = name.ok_or_else(|| HttpError::Malformed("x-bishui-actor must name who acts".to_owned()))?;
            (Authority::Local, Scope::City, name)
        } else {
            let account = accounts::authenticate(&app.data_dir, token, app.office.now()).map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the accounts cannot be read");
                HttpError::Internal
            })?;
            let account = account.ok_or(HttpError::Unauthorized)?;
            let scope = match (account.role, account.county) {
                (Role::County, Some(county)) => Scope::County(county),
                (Role::County, None) => return Err(HttpError::Unauthorized),
                (Role::Clerk | Role::Approver | Role::Finance | Role::Auditor | Role::Administrator, _) => Scope::City,
            };
            (Authority::Role(account.role), scope, account.name)
        };
        let idempotency_key = text(&parts.headers, &KEY_HEADER)?;
        if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(HttpError::Malformed(format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes")));
        }
        let if_match = if_match(&parts.headers)?;
        if let Some(position) = wait_for(&parts.headers)? {
            app.office.wait_for(position, app.office.settings.wait_within).await?;
        }
        Ok(Self { app: app.clone(), scope, authority, name, idempotency_key, if_match })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, HttpError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let bad = || HttpError::Malformed(format!("{name} is not a short text in UTF-8"));
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| bad())?.trim();
    let plain = !text.is_empty() && text.len() <= 300 && !text.chars().any(char::is_control);
    if plain { Ok(Some(text.to_owned())) } else { Err(bad()) }
}

/// The position that the answer must include.
fn wait_for(headers: &HeaderMap) -> Result<Option<Position>, HttpError> {
    let Some(position) = text(headers, &WAIT_HEADER)? else { return Ok(None) };
    let bad = |_| HttpError::Malformed(format!("{WAIT_HEADER} holds no position"));
    position.parse().map(Position).map(Some).map_err(bad)
}

/// The version of `If-Match`; `*` and an absent header match any.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, HttpError> {
    match text(headers, &IF_MATCH)?.as_deref() {
        None | Some("*") => Ok(None),
        Some(tag) => {
            let version = tag.trim_matches('"').parse();
            version.map(Some).map_err(|_| HttpError::Malformed("if-match holds no version given as an ETag".to_owned()))
        }
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = HttpError;
    async fn from_request(request: HttpRequest, state: &S) -> Result<Self, HttpError> {
        let axum::Json(body) = axum::Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// A body as it came.
pub(super) struct Raw(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = HttpError;
    async fn from_request(request: HttpRequest, state: &S) -> Result<Self, HttpError> {
        Ok(Self(axum::body::Bytes::from_request(request, state).await?.into()))
    }
}

/// An id or period in the path; a text that can be none names nothing.
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let Path(id) = Path::from_request_parts(parts, state).await.map_err(|_| HttpError::NoSuchPath)?;
        Ok(Self(id))
    }
}

/// The query.
pub(super) struct Ask<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Ask<T> {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let Query(query) = Query::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}
