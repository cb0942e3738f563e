//! What can be read: every view, in the caller's scope.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bishui_domain::ids::{CountyId, MailId, NoticeId, SectionId};
use bishui_domain::notice::{NoticeKind, NoticeState};
use bishui_domain::period::Period;
use bishui_infra::event_log::{Position, StreamVersion};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::caller::{Ask, Caller, Id};
use super::page::{self, PageQuery};
use super::problem::HttpError;
use crate::records::stream;
use crate::view::escalation::{InterviewView, ProposalView};
use crate::view::events::EventPage;
use crate::view::explanation::Explanation;
use crate::view::mails::{MailLine, MailView};
use crate::view::money::{Ledger, SettlementView};
use crate::view::notices::{NoticeFilter, NoticeLine, NoticeView};
use crate::view::plan::PlanView;
use crate::view::rounds::{RoundView, VerdictView};
use crate::view::status::CountyStatus;
use crate::view::{self, not_found};

type Answer = Result<Response, HttpError>;

/// Which notices are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NoticeQuery {
    /// Only this county's.
    #[param(value_type = Option<String>)]
    county: Option<CountyId>,
    /// Only in this state.
    #[param(value_type = Option<String>)]
    state: Option<NoticeState>,
    /// Only of this kind.
    #[param(value_type = Option<String>)]
    kind: Option<NoticeKind>,
}

/// Which mails are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MailQuery {
    /// Only those with a recipient in this state.
    state: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_counties))
        .routes(routes!(read_county))
        .routes(routes!(read_plan))
        .routes(routes!(list_rounds))
        .routes(routes!(list_verdicts))
        .routes(routes!(explain_verdict))
        .routes(routes!(list_notices))
        .routes(routes!(read_notice))
        .routes(routes!(list_mails))
        .routes(routes!(read_mail))
        .routes(routes!(list_interviews))
        .routes(routes!(list_proposals))
        .routes(routes!(read_ledger))
        .routes(routes!(read_settlement))
        .routes(routes!(list_events))
}

/// A single resource with its version as `ETag`.
fn tagged(version: StreamVersion, body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("a number in quotes is a header value");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// Where every county stands.
#[utoipa::path(get, path = "/api/v1/counties", tag = "views", params(PageQuery), responses((status = 200, body = Vec<CountyStatus>)))]
async fn list_counties(caller: Caller, Ask(page): Ask<PageQuery>) -> Answer {
    let office = &caller.app.office;
    let items = view::status::status(&office.register(), &caller.scope, office.today());
    page.cut(items, "/api/v1/counties", &[], |status| status.county.to_string())
}

/// Where one county stands.
#[utoipa::path(get, path = "/api/v1/counties/{county}", tag = "views", params(("county" = String, Path)), responses((status = 200, body = CountyStatus)))]
async fn read_county(caller: Caller, Id(county): Id<CountyId>) -> Answer {
    let office = &caller.app.office;
    let version = office.records().version(&stream::county(&county)).await?;
    let all = view::status::status(&office.register(), &caller.scope, office.today());
    let status = all.into_iter().find(|status| status.county == county).ok_or_else(|| not_found("this county"))?;
    Ok(tagged(version, status))
}

/// The plan in force.
#[utoipa::path(get, path = "/api/v1/plan", tag = "views", responses((status = 200, body = PlanView)))]
async fn read_plan(caller: Caller) -> Answer {
    let office = &caller.app.office;
    Ok(Json(view::plan::plan(&office.register(), &caller.scope, office.today())?).into_response())
}

/// Published rounds.
#[utoipa::path(get, path = "/api/v1/rounds", tag = "views", params(PageQuery), responses((status = 200, body = Vec<RoundView>)))]
async fn list_rounds(caller: Caller, Ask(page): Ask<PageQuery>) -> Answer {
    let items = view::rounds::rounds(&caller.app.office.register(), &caller.scope);
    page.cut(items, "/api/v1/rounds", &[], |round| round.period)
}

/// The verdicts of a published round, as corrected.
#[utoipa::path(get, path = "/api/v1/rounds/{period}/verdicts", tag = "views", params(("period" = String, Path), PageQuery), responses((status = 200, body = Vec<VerdictView>)))]
async fn list_verdicts(caller: Caller, Id(period): Id<Period>, Ask(page): Ask<PageQuery>) -> Answer {
    let items = {
        let register = caller.app.office.register();
        if !register.rounds.contains_key(&period) {
            return Err(not_found("a published round of this period").into());
        }
        view::rounds::verdicts(&register, &caller.scope, period)
    };
    page.cut(items, &format!("/api/v1/rounds/{period}/verdicts"), &[], |verdict| verdict.section.to_string())
}

/// The whole explanation of a verdict; of an unpublished round, of what it would be now.
#[utoipa::path(get, path = "/api/v1/sections/{section}/assessments/{period}", tag = "views", params(("section" = String, Path), ("period" = String, Path)), responses((status = 200, body = Explanation)))]
async fn explain_verdict(caller: Caller, Id((section, period)): Id<(SectionId, Period)>) -> Answer {
    let office = &caller.app.office;
    Ok(Json(view::explanation::explain(office, &caller.scope, &section, period).await?).into_response())
}

/// Notices in the order they were drafted.
#[utoipa::path(get, path = "/api/v1/notices", tag = "views", params(NoticeQuery, PageQuery), responses((status = 200, body = Vec<NoticeLine>)))]
async fn list_notices(caller: Caller, Ask(query): Ask<NoticeQuery>, Ask(page): Ask<PageQuery>) -> Answer {
    let office = &caller.app.office;
    let rest = [
        ("county", query.county.as_ref().map(ToString::to_string)),
        ("state", query.state.map(|state| state.to_string())),
        ("kind", query.kind.map(|kind| kind.to_string())),
    ];
    let filter = NoticeFilter { county: query.county, state: query.state, kind: query.kind };
    let items = view::notices::notices(&office.register(), &caller.scope, &filter, office.today());
    page.cut(items, "/api/v1/notices", &rest, |notice| notice.position.0)
}

/// One notice with its letter, deadlines and history.
#[utoipa::path(get, path = "/api/v1/notices/{notice}", tag = "views", params(("notice" = String, Path)), responses((status = 200, body = NoticeView)))]
async fn read_notice(caller: Caller, Id(notice): Id<NoticeId>) -> Answer {
    let notice = view::notices::notice(&caller.app.office, &caller.scope, notice).await?;
    Ok(tagged(notice.version, notice))
}

/// Mails in the order they were queued.
#[utoipa::path(get, path = "/api/v1/mails", tag = "views", params(MailQuery, PageQuery), responses((status = 200, body = Vec<MailLine>)))]
async fn list_mails(caller: Caller, Ask(query): Ask<MailQuery>, Ask(page): Ask<PageQuery>) -> Answer {
    let items = view::mails::mails(&caller.app.office.register(), &caller.scope, query.state.as_deref());
    page.cut(items, "/api/v1/mails", &[("state", query.state)], |mail| mail.position.0)
}

/// One mail, recipient by recipient.
#[utoipa::path(get, path = "/api/v1/mails/{mail}", tag = "views", params(("mail" = String, Path)), responses((status = 200, body = MailView)))]
async fn read_mail(caller: Caller, Id(mail): Id<MailId>) -> Answer {
    let mail = view::mails::mail(&caller.app.office, &caller.scope, mail).await?;
    Ok(tagged(mail.version, mail))
}

/// Interviews by county and round.
#[utoipa::path(get, path = "/api/v1/interviews", tag = "views", params(PageQuery), responses((status = 200, body = Vec<InterviewView>)))]
async fn list_interviews(caller: Caller, Ask(page): Ask<PageQuery>) -> Answer {
    let items = view::escalation::interviews(&caller.app.office.register(), &caller.scope);
    let mut keyed: Vec<_> =
        (0u32..).zip(items).map(|(n, i)| (format!("{}/{}/{n:06}", i.county, i.period), i)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    page.cut_keyed(keyed, "/api/v1/interviews", &[])
}

/// Accountability proposals by county and year.
#[utoipa::path(get, path = "/api/v1/proposals", tag = "views", params(PageQuery), responses((status = 200, body = Vec<ProposalView>)))]
async fn list_proposals(caller: Caller, Ask(page): Ask<PageQuery>) -> Answer {
    let items = view::escalation::proposals(&caller.app.office.register(), &caller.scope);
    let mut keyed: Vec<_> = items.into_iter().map(|item| (format!("{}/{}", item.county, item.year), item)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    page.cut_keyed(keyed, "/api/v1/proposals", &[])
}

/// A year's ledger, double entry with running balances.
#[utoipa::path(get, path = "/api/v1/ledgers/{year}", tag = "views", params(("year" = i16, Path)), responses((status = 200, body = Ledger)))]
async fn read_ledger(caller: Caller, Id(year): Id<i16>) -> Answer {
    Ok(Json(view::money::ledger(&caller.app.office.register(), &caller.scope, year)).into_response())
}

/// The settlement of a year.
#[utoipa::path(get, path = "/api/v1/settlements/{year}", tag = "views", params(("year" = i16, Path)), responses((status = 200, body = SettlementView)))]
async fn read_settlement(caller: Caller, Id(year): Id<i16>) -> Answer {
    Ok(Json(view::money::settlement(&caller.app.office.register(), &caller.scope, year)?).into_response())
}

/// Recorded events with their envelopes, for auditors; the cursor is a position.
#[utoipa::path(get, path = "/api/v1/events", tag = "views", params(PageQuery), responses((status = 200, body = EventPage)))]
async fn list_events(caller: Caller, Ask(page): Ask<PageQuery>) -> Answer {
    caller.check_events()?;
    let (limit, after) = (page.limit()?, page.cursor::<u64>()?.unwrap_or(0));
    let events = view::events::events(&**caller.app.office.log(), Position(after), limit).await?;
    let last = events.events.last().map(|last| last.position);
    let next = last.filter(|last| *last < events.head).map(|last| last.to_string());
    Ok(page::answer(events, limit, next, "/api/v1/events", &[]))
}
