//! Problems (RFC 9457): the one place where an error becomes a status and a body.

use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bishui_domain::refusal::Refusal;
use bishui_infra::event_log::LogError;
use bishui_infra::transparency::ProofError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::OfficeError;

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The office says no.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// No token, or one that is not accepted.
    #[error("a valid bearer token is needed")]
    Unauthorized,
    /// The role has no right to the act or view.
    #[error("the role of this token has no right to do this")]
    Forbidden,
    /// No such path, or a text that can be no id.
    #[error("what was asked for does not exist")]
    NoSuchPath,
    /// The path exists, not with this method.
    #[error("this path does not take this method")]
    MethodNotAllowed,
    /// A body, header or query that cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The body has another type than the path takes.
    #[error("{0}")]
    MediaType(String),
    /// The body is too large.
    #[error("the body is larger than this path takes")]
    TooLarge,
    /// The request took too long.
    #[error("the request took too long; an act may still be recorded, repeat it with the same idempotency key")]
    Timeout,
    /// A fault of the program; the log of the service says which.
    #[error("the service failed; report the request id")]
    Internal,
}

/// The body of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem it is, in Chinese.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable word for programs.
    pub code: String,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// The request.
    pub instance: String,
}

/// A problem on its way out; the body is written where the request id is known.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    code: String,
    title: &'static str,
    detail: String,
}

impl HttpError {
    /// Status, code and title.
    fn parts(&self) -> (StatusCode, &str, &'static str) {
        match self {
            Self::Office(error) => (office_status(error), error.code(), office_title(error)),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "未通过身份验证"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "无权办理"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "not_found", "不存在"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "不支持该方法"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "请求无法读取"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", "内容类型不支持"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "内容过大"),
            Self::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout", "处理超时"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "系统故障"),
        }
    }
}

impl HttpError {
    /// What is wrong, for the asker. The store's own words can name streams of anyone and stay in the log.
    fn detail(&self) -> String {
        match self {
            Self::Office(OfficeError::Log(error)) => store_detail(error).to_owned(),
            Self::Office(OfficeError::Codec(_)) => Self::Internal.to_string(),
            Self::Office(OfficeError::Proof(error)) => proof_detail(error).to_owned(),
            Self::Office(
                OfficeError::Refused(_)
                | OfficeError::Input { .. }
                | OfficeError::Moved
                | OfficeError::Remote { .. }
                | OfficeError::NotFound { .. }
                | OfficeError::Behind { .. }
                | OfficeError::Stopped { .. },
            )
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NoSuchPath
            | Self::MethodNotAllowed
            | Self::Malformed(_)
            | Self::MediaType(_)
            | Self::TooLarge
            | Self::Timeout
            | Self::Internal => self.to_string(),
        }
    }
}

fn store_detail(error: &LogError) -> &'static str {
    match error {
        LogError::Conflict { .. } | LogError::CheckpointMoved { .. } | LogError::Deposed { .. } => {
            "another writer was first; repeat the request"
        }
        LogError::KeyReused { .. } => "this idempotency key was used for a different request; choose a new one",
        LogError::TooLarge { .. } => "this is more than can be recorded in one act; split it",
        LogError::InUse { .. } | LogError::Unavailable { .. } => {
            "the store cannot be used now; repeat the request later with the same idempotency key"
        }
        LogError::Corrupt { .. } => "the store is damaged; report the request id",
    }
}

/// Paths of this machine stay in the log.
fn proof_detail(error: &ProofError) -> &'static str {
    match error {
        ProofError::Truncated { .. }
        | ProofError::Fork { .. }
        | ProofError::Damaged { .. }
        | ProofError::Lost { .. } => "the log is not the one that was signed; an auditor's check says where it differs",
        ProofError::Note { .. } => "a checkpoint is not signed by the key of this log, or the key cannot be used",
        ProofError::File { .. } | ProofError::Random(_) | ProofError::Log(_) => {
            "the files of the proof cannot be used now; report the request id"
        }
    }
}

fn proof_status(error: &ProofError) -> StatusCode {
    match error {
        ProofError::Note { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        ProofError::File { .. } | ProofError::Random(_) | ProofError::Log(_) => StatusCode::SERVICE_UNAVAILABLE,
        ProofError::Truncated { .. }
        | ProofError::Fork { .. }
        | ProofError::Damaged { .. }
        | ProofError::Lost { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn office_status(error: &OfficeError) -> StatusCode {
    match error {
        OfficeError::Refused(refusal) => refusal_status(refusal),
        OfficeError::Log(LogError::Conflict { .. } | LogError::CheckpointMoved { .. } | LogError::Deposed { .. }) => {
            StatusCode::CONFLICT
        }
        OfficeError::Log(LogError::KeyReused { .. }) | OfficeError::Input { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        OfficeError::Log(LogError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        OfficeError::Log(LogError::InUse { .. } | LogError::Unavailable { .. }) | OfficeError::Behind { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        OfficeError::Log(LogError::Corrupt { .. }) | OfficeError::Codec(_) => StatusCode::INTERNAL_SERVER_ERROR,
        OfficeError::Proof(error) => proof_status(error),
        OfficeError::Moved => StatusCode::PRECONDITION_FAILED,
        OfficeError::Remote { .. } => StatusCode::BAD_GATEWAY,
        OfficeError::NotFound { .. } => StatusCode::NOT_FOUND,
        OfficeError::Stopped { .. } => StatusCode::CONFLICT,
    }
}

fn office_title(error: &OfficeError) -> &'static str {
    match error {
        OfficeError::Refused(refusal) => refusal_title(refusal),
        OfficeError::Log(LogError::Conflict { .. } | LogError::CheckpointMoved { .. } | LogError::Deposed { .. }) => {
            "与同时进行的办理冲突"
        }
        OfficeError::Log(LogError::KeyReused { .. }) => "幂等键已用于其他请求",
        OfficeError::Log(LogError::TooLarge { .. }) => "内容过大",
        OfficeError::Log(LogError::InUse { .. } | LogError::Unavailable { .. }) => "存储暂不可用",
        OfficeError::Log(LogError::Corrupt { .. }) | OfficeError::Codec(_) => "存储损坏",
        OfficeError::Proof(_) => "存证校验未通过",
        OfficeError::Input { .. } => "内容无法采用",
        OfficeError::Moved => "内容已变更",
        OfficeError::Remote { .. } => "运行中的服务拒绝了请求",
        OfficeError::NotFound { .. } => "不存在",
        OfficeError::Behind { .. } => "尚未更新到所需位置",
        OfficeError::Stopped { .. } => "后台环节停滞",
    }
}

fn refusal_status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::UnknownSection { .. }
        | Refusal::UnknownCounty { .. }
        | Refusal::UnknownNotice { .. }
        | Refusal::UnknownMail { .. }
        | Refusal::UnknownInterview { .. }
        | Refusal::UnknownConsumer { .. } => StatusCode::NOT_FOUND,
        Refusal::UnsoundPlan { .. }
        | Refusal::InvalidAmount { .. }
        | Refusal::ImpossibleDate { .. }
        | Refusal::InvalidAttachment { .. }
        | Refusal::InvalidText { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::NoOpenInterview { .. }
        | Refusal::RoundAlreadyPublished { .. }
        | Refusal::RoundIncomplete { .. }
        | Refusal::NoDraftedProposal { .. }
        | Refusal::NoPlanInForce
        | Refusal::NotDeclared { .. }
        | Refusal::RoundNotPublished { .. }
        | Refusal::NoticeNotReady { .. }
        | Refusal::MailNotReady { .. }
        | Refusal::NoOpenIncident { .. }
        | Refusal::NotTheFailingEvent { .. } => StatusCode::CONFLICT,
    }
}

fn refusal_title(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownSection { .. } => "断面不存在",
        Refusal::UnknownCounty { .. } => "县（市、区）不存在",
        Refusal::UnknownNotice { .. } => "文书不存在",
        Refusal::UnknownMail { .. } => "邮件不存在",
        Refusal::UnknownInterview { .. } => "约谈不存在",
        Refusal::UnsoundPlan { .. } => "方案有误",
        Refusal::InvalidAmount { .. } => "金额有误",
        Refusal::ImpossibleDate { .. } => "日期有误",
        Refusal::InvalidText { .. } => "文字缺失或过长",
        Refusal::InvalidAttachment { .. } => "附件不能采用",
        Refusal::NoOpenInterview { .. } => "没有待进行的约谈",
        Refusal::RoundAlreadyPublished { .. } => "该期考核已公布",
        Refusal::RoundIncomplete { .. } => "该期考核不完整",
        Refusal::NoDraftedProposal { .. } => "没有待认定的问责建议",
        Refusal::NoPlanInForce => "没有有效的方案",
        Refusal::NotDeclared { .. } => "没有该项申报",
        Refusal::RoundNotPublished { .. } => "该期考核未公布",
        Refusal::NoticeNotReady { .. } => "文书当前状态不能办理",
        Refusal::MailNotReady { .. } => "邮件当前状态不能办理",
        Refusal::UnknownConsumer { .. } => "后台环节不存在",
        Refusal::NoOpenIncident { .. } => "该后台环节没有停滞",
        Refusal::NotTheFailingEvent { .. } => "不是停滞处的事件",
    }
}

impl Pending {
    /// The problem's answer, for the request `instance`.
    pub(super) fn into_answer(self, mut response: Response, instance: &str) -> Response {
        let problem = Problem {
            kind: format!("urn:bishui:problem:{}", self.code),
            title: self.title.to_owned(),
            status: response.status().as_u16(),
            code: self.code,
            detail: self.detail,
            instance: format!("urn:bishui:request:{instance}"),
        };
        let body = serde_json::to_vec(&problem).expect("a problem holds only texts and a number");
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        *response.body_mut() = body.into();
        response
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (status, code, title) = self.parts();
        let (code, detail) = (code.to_owned(), self.detail());
        if status.is_server_error() {
            tracing::error!(error = &self as &dyn std::error::Error, code = code.as_str(), "a request failed");
        }
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Pending { code, title, detail });
        response
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        Self::Office(refusal.into())
    }
}

impl From<JsonRejection> for HttpError {
    fn from(rejection: JsonRejection) -> Self {
        by_status(rejection.status(), rejection.body_text())
    }
}

impl From<BytesRejection> for HttpError {
    fn from(rejection: BytesRejection) -> Self {
        by_status(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for HttpError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

fn by_status(status: StatusCode, text: String) -> HttpError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => HttpError::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => HttpError::MediaType(text),
        StatusCode::UNPROCESSABLE_ENTITY => HttpError::Office(OfficeError::Input { what: text }),
        _ => HttpError::Malformed(text),
    }
}
