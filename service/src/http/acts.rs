//! What can be done: each path is one act of the office.
//!
//! An `Idempotency-Key` makes a repetition harmless; on a single notice, mail or county an `If-Match` with its `ETag`
//! makes the act conditional. Neither is required.

mod bodies;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, header};
use bishui_domain::assessment::Reason;
use bishui_domain::ids::{CountyId, MailId, NoticeId};
use bishui_domain::plan::Plan;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::bodies::{
    Acknowledgement, Amendment, Declaration, Determination, ImportQuery, Meeting, Minutes, Payment, Publication,
    Report, Resolution, RevisionQuery, Schedule, SettlementOrder, TargetCorrection, Why,
};
use super::App;
use super::caller::{Ask, Body, Caller, Id, Raw};
use super::problem::HttpError;
use crate::act::Act;
use crate::office::Receipt;
use crate::records::stream;

/// Most bytes of a file of readings, a plan, or an act that carries one in base64.
pub(super) const FILE_BYTES_MAX: usize = 256 << 20;
/// Most bytes of an act in JSON: a file of the largest size grows by a third in base64.
pub(super) const ACT_BYTES_MAX: usize = 360 << 20;

type Answer = Result<Json<Receipt>, HttpError>;

pub(super) fn router() -> OpenApiRouter<App> {
    let files = OpenApiRouter::new()
        .routes(routes!(adopt_plan))
        .routes(routes!(amend_plan))
        .routes(routes!(import_readings))
        .routes(routes!(revise_readings))
        .layer(DefaultBodyLimit::max(FILE_BYTES_MAX));
    let acts = OpenApiRouter::new().routes(routes!(perform_act)).layer(DefaultBodyLimit::max(ACT_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(correct_target))
        .routes(routes!(declare_section))
        .routes(routes!(withdraw_declaration))
        .routes(routes!(publish_round))
        .routes(routes!(schedule_interview))
        .routes(routes!(hold_interview))
        .routes(routes!(record_minutes))
        .routes(routes!(determine_impact))
        .routes(routes!(book_payment))
        .routes(routes!(settle_year))
        .routes(routes!(approve_notice))
        .routes(routes!(deliver_notice))
        .routes(routes!(withdraw_notice))
        .routes(routes!(acknowledge_notice))
        .routes(routes!(answer_notice))
        .routes(routes!(close_notice))
        .routes(routes!(retry_mail))
        .routes(routes!(resolve_mail))
        .merge(files)
        .merge(acts)
}

/// Does any act, given in JSON with its name under `do`.
#[utoipa::path(post, path = "/api/v1/acts", tag = "acts", request_body = Object, responses((status = 200, body = Receipt)))]
async fn perform_act(caller: Caller, Body(act): Body<Act>) -> Answer {
    Ok(Json(caller.perform(act).await?))
}

/// Adopts a plan, given in TOML (`application/toml`) or JSON.
#[utoipa::path(post, path = "/api/v1/plans", tag = "acts", request_body(content = Object, description = "the plan"), responses((status = 200, body = Receipt)))]
async fn adopt_plan(caller: Caller, headers: HeaderMap, Raw(body): Raw) -> Answer {
    let input = |what: String| crate::error::OfficeError::Input { what };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let plan: Plan = match kind.split(';').next().unwrap_or_default().trim() {
        "application/toml" => {
            let text = std::str::from_utf8(&body).map_err(|error| input(error.to_string()))?;
            toml::from_str(text).map_err(|error| input(error.to_string()))?
        }
        "application/json" => serde_json::from_slice(&body).map_err(|error| input(error.to_string()))?,
        _ => return Err(HttpError::MediaType("a plan comes as application/toml or application/json".to_owned())),
    };
    Ok(Json(caller.perform(Act::AdoptPlan { plan: Box::new(plan) }).await?))
}

/// Amends the plan from a month on.
#[utoipa::path(post, path = "/api/v1/plans/amendments", tag = "acts", request_body = Amendment, responses((status = 200, body = Receipt)))]
async fn amend_plan(caller: Caller, Body(body): Body<Amendment>) -> Answer {
    let Amendment { plan, from, reason } = body;
    Ok(Json(caller.perform(Act::AmendPlan { plan, from, reason }).await?))
}

/// Corrects a target, for published rounds too.
#[utoipa::path(post, path = "/api/v1/plans/target-corrections", tag = "acts", request_body = TargetCorrection, responses((status = 200, body = Receipt)))]
async fn correct_target(caller: Caller, Body(body): Body<TargetCorrection>) -> Answer {
    let TargetCorrection { section, from, until, target, reason } = body;
    Ok(Json(caller.perform(Act::CorrectTarget { section, from, until, target, reason }).await?))
}

fn csv(headers: &HeaderMap) -> Result<(), HttpError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Ok(()),
        _ => Err(HttpError::MediaType("readings come as text/csv".to_owned())),
    }
}

/// Imports readings; rows that cannot be taken are listed in the answer, the others are taken.
#[utoipa::path(post, path = "/api/v1/readings/imports", tag = "acts", params(ImportQuery), request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Receipt)))]
async fn import_readings(caller: Caller, Ask(query): Ask<ImportQuery>, headers: HeaderMap, Raw(body): Raw) -> Answer {
    csv(&headers)?;
    let file = query.file.unwrap_or_else(|| "body".to_owned());
    Ok(Json(caller.perform(Act::Import { file, csv: body, mapping: query.mapping }).await?))
}

/// Revises readings, of published rounds too, which are judged again.
#[utoipa::path(post, path = "/api/v1/readings/revisions", tag = "acts", params(RevisionQuery), request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Receipt)))]
async fn revise_readings(caller: Caller, Ask(query): Ask<RevisionQuery>, headers: HeaderMap, Raw(body): Raw) -> Answer {
    csv(&headers)?;
    let RevisionQuery { file, reason, evidence } = query;
    let file = file.unwrap_or_else(|| "body".to_owned());
    Ok(Json(caller.perform(Act::Revise { file, csv: body, reason, evidence }).await?))
}

/// Declares a section unassessed in a period.
#[utoipa::path(post, path = "/api/v1/declarations", tag = "acts", request_body = Declaration<String>, responses((status = 200, body = Receipt)))]
async fn declare_section(caller: Caller, Body(body): Body<Declaration<Reason>>) -> Answer {
    let Declaration { section, period, reason } = body;
    Ok(Json(caller.perform(Act::Declare { section, period, reason }).await?))
}

/// Withdraws a declaration.
#[utoipa::path(post, path = "/api/v1/declarations/withdrawals", tag = "acts", request_body = Declaration<String>, responses((status = 200, body = Receipt)))]
async fn withdraw_declaration(caller: Caller, Body(body): Body<Declaration<String>>) -> Answer {
    let Declaration { section, period, reason } = body;
    Ok(Json(caller.perform(Act::WithdrawDeclaration { section, period, reason }).await?))
}

/// Publishes a round.
#[utoipa::path(post, path = "/api/v1/rounds", tag = "acts", request_body = Publication, responses((status = 200, body = Receipt)))]
async fn publish_round(caller: Caller, Body(body): Body<Publication>) -> Answer {
    let Publication { period, declare_rest } = body;
    Ok(Json(caller.perform(Act::Publish { period, declare_rest }).await?))
}

/// Sets a date for the county's open interview.
#[utoipa::path(post, path = "/api/v1/counties/{county}/interview/schedule", tag = "acts", params(("county" = String, Path)), request_body = Schedule, responses((status = 200, body = Receipt)))]
async fn schedule_interview(caller: Caller, Id(county): Id<CountyId>, Body(body): Body<Schedule>) -> Answer {
    let stream = stream::county(&county);
    let Schedule { on, place } = body;
    Ok(Json(caller.perform_on(stream, Act::ScheduleInterview { county, on, place }).await?))
}

/// Records that the county's open interview was held.
#[utoipa::path(post, path = "/api/v1/counties/{county}/interview/hold", tag = "acts", params(("county" = String, Path)), request_body = Meeting, responses((status = 200, body = Receipt)))]
async fn hold_interview(caller: Caller, Id(county): Id<CountyId>, Body(body): Body<Meeting>) -> Answer {
    let stream = stream::county(&county);
    let Meeting { on, attended } = body;
    Ok(Json(caller.perform_on(stream, Act::HoldInterview { county, on, attended }).await?))
}

/// Records the minutes of a held interview.
#[utoipa::path(post, path = "/api/v1/counties/{county}/interview/minutes", tag = "acts", params(("county" = String, Path)), request_body = Minutes, responses((status = 200, body = Receipt)))]
async fn record_minutes(caller: Caller, Id(county): Id<CountyId>, Body(body): Body<Minutes>) -> Answer {
    let stream = stream::county(&county);
    let Minutes { raised_by, minutes } = body;
    Ok(Json(caller.perform_on(stream, Act::RecordMinutes { county, raised_by, minutes }).await?))
}

/// Determines whether the city's result was seriously affected.
#[utoipa::path(post, path = "/api/v1/counties/{county}/impact", tag = "acts", params(("county" = String, Path)), request_body = Determination, responses((status = 200, body = Receipt)))]
async fn determine_impact(caller: Caller, Id(county): Id<CountyId>, Body(body): Body<Determination>) -> Answer {
    let stream = stream::county(&county);
    let Determination { year, serious, basis } = body;
    Ok(Json(caller.perform_on(stream, Act::DetermineImpact { county, year, serious, basis }).await?))
}

/// Books a payment onto the county's account.
#[utoipa::path(post, path = "/api/v1/counties/{county}/payments", tag = "acts", params(("county" = String, Path)), request_body = Payment, responses((status = 200, body = Receipt)))]
async fn book_payment(caller: Caller, Id(county): Id<CountyId>, Body(body): Body<Payment>) -> Answer {
    let stream = stream::county(&county);
    let Payment { fen, year } = body;
    Ok(Json(caller.perform_on(stream, Act::Pay { county, fen, year }).await?))
}

/// Settles a year; a later order replaces an earlier one.
#[utoipa::path(post, path = "/api/v1/settlements", tag = "acts", request_body = SettlementOrder, responses((status = 200, body = Receipt)))]
async fn settle_year(caller: Caller, Body(body): Body<SettlementOrder>) -> Answer {
    let SettlementOrder { year, provincial_payable_fen: provincial_payable } = body;
    Ok(Json(caller.perform(Act::Settle { year, provincial_payable }).await?))
}

/// Approves a notice, which gives it its number.
#[utoipa::path(post, path = "/api/v1/notices/{notice}/approve", tag = "acts", params(("notice" = String, Path)), responses((status = 200, body = Receipt)))]
async fn approve_notice(caller: Caller, Id(notice): Id<NoticeId>) -> Answer {
    Ok(Json(caller.perform_on(stream::notice(notice), Act::ApproveNotice { notice }).await?))
}

/// Records that an approved notice was delivered by hand.
#[utoipa::path(post, path = "/api/v1/notices/{notice}/deliver", tag = "acts", params(("notice" = String, Path)), responses((status = 200, body = Receipt)))]
async fn deliver_notice(caller: Caller, Id(notice): Id<NoticeId>) -> Answer {
    Ok(Json(caller.perform_on(stream::notice(notice), Act::DeliverNotice { notice }).await?))
}

/// Withdraws a notice.
#[utoipa::path(post, path = "/api/v1/notices/{notice}/withdraw", tag = "acts", params(("notice" = String, Path)), request_body = Why, responses((status = 200, body = Receipt)))]
async fn withdraw_notice(caller: Caller, Id(notice): Id<NoticeId>, Body(Why { reason }): Body<Why>) -> Answer {
    Ok(Json(caller.perform_on(stream::notice(notice), Act::WithdrawNotice { notice, reason }).await?))
}

/// Acknowledges a notice, for its county.
#[utoipa::path(post, path = "/api/v1/notices/{notice}/acknowledge", tag = "acts", params(("notice" = String, Path)), request_body = Acknowledgement, responses((status = 200, body = Receipt)))]
async fn acknowledge_notice(caller: Caller, Id(notice): Id<NoticeId>, Body(body): Body<Acknowledgement>) -> Answer {
    let act = Act::AcknowledgeNotice { notice, signed_by: body.signed_by };
    Ok(Json(caller.perform_on(stream::notice(notice), act).await?))
}

/// Answers a notice with a rectification report, for its county.
#[utoipa::path(post, path = "/api/v1/notices/{notice}/answer", tag = "acts", params(("notice" = String, Path)), request_body = Report, responses((status = 200, body = Receipt)))]
async fn answer_notice(caller: Caller, Id(notice): Id<NoticeId>, Body(body): Body<Report>) -> Answer {
    let Report { summary, attachments } = body;
    let act = Act::AnswerNotice { notice, summary, attachments };
    Ok(Json(caller.perform_on(stream::notice(notice), act).await?))
}

/// Closes a notice.
#[utoipa::path(post, path = "/api/v1/notices/{notice}/close", tag = "acts", params(("notice" = String, Path)), request_body = Why, responses((status = 200, body = Receipt)))]
async fn close_notice(caller: Caller, Id(notice): Id<NoticeId>, Body(Why { reason: note }): Body<Why>) -> Answer {
    Ok(Json(caller.perform_on(stream::notice(notice), Act::CloseNotice { notice, note }).await?))
}

/// Tries the failed and deferred recipients of a mail again now.
#[utoipa::path(post, path = "/api/v1/mails/{mail}/retry", tag = "acts", params(("mail" = String, Path)), responses((status = 200, body = Receipt)))]
async fn retry_mail(caller: Caller, Id(mail): Id<MailId>) -> Answer {
    Ok(Json(caller.perform_on(stream::mail(mail), Act::RetryMail { mail }).await?))
}

/// Says what became of a mail whose outcome is unknown.
#[utoipa::path(post, path = "/api/v1/mails/{mail}/resolve", tag = "acts", params(("mail" = String, Path)), request_body = Resolution, responses((status = 200, body = Receipt)))]
async fn resolve_mail(caller: Caller, Id(mail): Id<MailId>, Body(body): Body<Resolution>) -> Answer {
    let Resolution { arrived, basis } = body;
    Ok(Json(caller.perform_on(stream::mail(mail), Act::ResolveMail { mail, arrived, basis }).await?))
}
