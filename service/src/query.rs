//! Questions: one list for the command line on the store and for the command line through the running service.

use bishui_domain::ids::{CountyId, NoticeId, SectionId};
use bishui_domain::notice::NoticeState;
use bishui_domain::period::Period;
use bishui_domain::refusal::Refusal;
use bishui_domain::round::judge;
use bishui_domain::verdict::SectionVerdict;
use bishui_infra::backup;
use bishui_infra::event_log::{EventRef, Position};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::end_state::{EndState, VerdictLine, verdict_line};
use crate::error::OfficeError;
use crate::office::Office;
use crate::projection::REGISTER;
use crate::records::Draft;
use crate::register::Register;
use crate::replay::replay;
use crate::view::notices::NoticeFilter;
use crate::view::{self, Scope};
use crate::whatif::{Span, Supposed, what_if};

/// A question about what is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Query {
    /// Per county: streaks, interviews, charges, deadlines, next steps.
    Status {
        /// Only this county.
        county: Option<CountyId>,
    },
    /// The verdicts a round would have if it were published now.
    Evaluate {
        /// The round.
        period: Period,
    },
    /// The verdicts of recorded periods beside those under another target, or with other values.
    WhatIf {
        /// Which periods.
        span: Span,
        /// What is supposed.
        supposed: Supposed,
    },
    /// The explanation of a verdict.
    Explain {
        /// The section.
        section: SectionId,
        /// The round.
        period: Period,
    },
    /// Notices.
    Notices {
        /// Only this county.
        county: Option<CountyId>,
        /// Only in this state.
        state: Option<NoticeState>,
    },
    /// One notice.
    Notice {
        /// Which.
        notice: NoticeId,
    },
    /// Mails.
    Mails,
    /// The plan in force.
    Plan,
    /// Movements of money.
    Ledger {
        /// Only this year; the plan's when absent.
        year: Option<i16>,
        /// Only this county.
        county: Option<CountyId>,
    },
    /// Recorded events.
    Events {
        /// Start after this position.
        after: Position,
        /// At most this many.
        limit: usize,
    },
    /// Every decision derived again.
    Replay,
    /// The state as it was known at a position or an instant.
    Until {
        /// The last position to know, or the last instant.
        until: Until,
    },
    /// Consumers of the log that cannot get past an event.
    Incidents,
    /// Projections, with how far they are behind.
    Projections,
}

/// A place in the log or in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Up to this position.
    Position(Position),
    /// Up to this instant.
    Time(Timestamp),
}

impl Until {
    /// The same place, for the restoring of a backup.
    pub(crate) fn of_backup(self) -> backup::Until {
        match self {
            Self::Position(position) => backup::Until::Position(position),
            Self::Time(time) => backup::Until::Time(time),
        }
    }
}

/// Answers a question for someone who sees `scope`.
///
/// # Errors
/// What is asked for does not exist, or the store cannot be read.
pub async fn answer(office: &Office, scope: &Scope, query: &Query) -> Result<Value, OfficeError> {
    let today = office.today();
    Ok(match query.clone() {
        Query::Status { county } => {
            let register = office.register();
            if let Some(only) = &county
                && !view::all_counties(&register.plans).contains(only)
            {
                return Err(Refusal::UnknownCounty { county: only.to_string() }.into());
            }
            let mut counties = view::status::status(&register, scope, today);
            counties.retain(|status| county.as_ref().is_none_or(|only| *only == status.county));
            json(&counties)
        }
        Query::Evaluate { period } => json(&evaluate(office, period).await?),
        Query::WhatIf { span, supposed } => json(&what_if(office, span, &supposed).await?),
        Query::Explain { section, period } => {
            if office.register().plans.find_section(&section).is_none() {
                return Err(Refusal::UnknownSection { section: section.to_string() }.into());
            }
            json(&view::explanation::explain(office, scope, &section, period).await?)
        }
        Query::Notices { county, state } => {
            let filter = NoticeFilter { county, state, kind: None };
            json(&view::notices::notices(&office.register(), scope, &filter, today))
        }
        Query::Notice { notice } => json(&view::notices::notice(office, scope, notice).await?),
        Query::Mails => json(&view::mails::mails(&office.register(), scope, None)),
        Query::Plan => json(&view::plan::plan(&office.register(), scope, today)?),
        Query::Ledger { year, county } => {
            let register = office.register();
            let year = match year {
                Some(year) => year,
                None => office.current_revision(&register.plans)?.plan.plan.year,
            };
            let scope = match (scope, county) {
                (Scope::City, Some(county)) => Scope::County(county),
                (Scope::City | Scope::County(_), _) => scope.clone(),
            };
            json(&view::money::ledger(&register, &scope, year))
        }
        Query::Events { after, limit } => json(&view::events::events(office.log().as_ref(), after, limit).await?),
        Query::Replay => json(&replay(office.log().as_ref(), |_| ()).await?),
        Query::Until { until } => json(&until_state(office, until).await?),
        Query::Incidents => json(&office.incidents().await?),
        Query::Projections => json(&office.projections().await?),
    })
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("views hold only strings, numbers and lists")
}

async fn evaluate(office: &Office, period: Period) -> Result<Vec<VerdictLine>, OfficeError> {
    let (book, _) = office.records().plan_book().await?;
    let revision = book.in_force(period.last_month()).ok_or(Refusal::NoPlanInForce)?;
    let months = period.months();
    let mut lines = Vec::new();
    for section in revision.plan.active_sections(&months) {
        let dossier = office.records().dossier(&section.id, &months, &mut Draft::default()).await?;
        let judged = judge(&book, revision, section, period, &dossier);
        lines.push(verdict_line(period, &SectionVerdict::of(section.id.clone(), section.kind, &judged.assessment)));
    }
    Ok(lines)
}

/// What stood, as it was known then. A batch counts from its last event on: it was recorded as one.
async fn until_state(office: &Office, until: Until) -> Result<EndState, OfficeError> {
    let (file, _) = office.records().consumer(REGISTER).await?;
    let until = match until {
        Until::Position(position) => {
            let next = office.log().read_all(position, 1).await?;
            let begun = next.first().map_or(0, |event| u64::from(event.place));
            Until::Position(Position(position.0.saturating_sub(begun)))
        }
        Until::Time(_) => until,
    };
    let known = |event: &EventRef<'_>| match until {
        Until::Position(last) => event.position <= last,
        Until::Time(last) => event.recorded_at <= last,
    };
    let register = Register::read(&**office.log(), known, |position| file.skips(position.0)).await?;
    Ok(EndState::of(&register, vec![]))
}
