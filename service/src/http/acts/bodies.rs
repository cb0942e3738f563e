//! Bodies and queries of acts, where the path says the rest.

use bishui_domain::assessment::Reason;
use bishui_domain::attachment::Attachment;
use bishui_domain::ids::SectionId;
use bishui_domain::money::Fen;
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::Plan;
use bishui_domain::standard::Target;
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::view::notices::AttachmentView;

/// An amendment of the plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Amendment {
    /// The whole amended plan.
    #[schema(value_type = Object)]
    pub(in crate::http) plan: Box<Plan>,
    /// First month it holds for.
    #[schema(value_type = String)]
    pub(in crate::http) from: Month,
    /// Why.
    pub(in crate::http) reason: String,
}

/// A corrected target.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TargetCorrection {
    /// The section.
    #[schema(value_type = String)]
    pub(in crate::http) section: SectionId,
    /// First month.
    #[schema(value_type = String)]
    pub(in crate::http) from: Month,
    /// Last month.
    #[schema(value_type = Option<String>)]
    pub(in crate::http) until: Option<Month>,
    /// The right target.
    #[schema(value_type = String)]
    pub(in crate::http) target: Target,
    /// Why.
    pub(in crate::http) reason: String,
}

/// About a file of readings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ImportQuery {
    /// The file's name, for the report.
    pub(in crate::http) file: Option<String>,
    /// The text of a column mapping.
    pub(in crate::http) mapping: Option<String>,
}

/// About a file of revised readings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RevisionQuery {
    /// The file's name, for the report.
    pub(in crate::http) file: Option<String>,
    /// Why.
    pub(in crate::http) reason: String,
    /// Where the evidence is.
    pub(in crate::http) evidence: Option<String>,
}

/// A declaration, or the withdrawal of one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Declaration<R> {
    /// The section.
    #[schema(value_type = String)]
    pub(in crate::http) section: SectionId,
    /// The period.
    #[schema(value_type = String)]
    pub(in crate::http) period: Period,
    /// Why: for a declaration `dry`, `frozen`, `maintenance`, `construction` or `no_data`; for a withdrawal a text.
    #[schema(value_type = String)]
    pub(in crate::http) reason: R,
}

/// A round to be published.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Publication {
    /// The round.
    #[schema(value_type = String)]
    pub(in crate::http) period: Period,
    /// The reason for every section without a complete assessment.
    #[schema(value_type = Option<String>)]
    pub(in crate::http) declare_rest: Option<Reason>,
}

/// Date and place of an interview.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Schedule {
    /// The day.
    #[schema(value_type = String)]
    pub(in crate::http) on: Date,
    /// Where.
    pub(in crate::http) place: String,
}

/// An interview that was held.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Meeting {
    /// The day; today when absent.
    #[schema(value_type = Option<String>)]
    pub(in crate::http) on: Option<Date>,
    /// Who attended.
    #[serde(default)]
    pub(in crate::http) attended: Vec<String>,
}

/// Minutes of an interview.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Minutes {
    /// The round that raised it.
    #[schema(value_type = String)]
    pub(in crate::http) raised_by: Period,
    /// The text.
    pub(in crate::http) minutes: String,
}

/// A determination of serious effect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Determination {
    /// The year of the proposal.
    pub(in crate::http) year: i16,
    /// Whether the city's result was seriously affected.
    pub(in crate::http) serious: bool,
    /// On what grounds.
    pub(in crate::http) basis: String,
}

/// A payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Payment {
    /// The amount.
    #[schema(value_type = i64)]
    pub(in crate::http) fen: Fen,
    /// The year of the charges; the plan's when absent.
    pub(in crate::http) year: Option<i16>,
}

/// An order to settle a year.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettlementOrder {
    /// The year.
    pub(in crate::http) year: i16,
    /// What the city owes the province.
    #[schema(value_type = i64)]
    pub(in crate::http) provincial_payable_fen: Fen,
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Why {
    /// Why.
    pub(in crate::http) reason: String,
}

/// An acknowledgement.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Acknowledgement {
    /// Who signs.
    pub(in crate::http) signed_by: String,
}

/// A rectification report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Report {
    /// Its summary.
    pub(in crate::http) summary: String,
    /// The files that come with it; put each to `/api/v1/attachments` before.
    #[serde(default)]
    #[schema(value_type = Vec<AttachmentView>)]
    pub(in crate::http) attachments: Vec<Attachment>,
}

/// What became of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Resolution {
    /// Whether it arrived; if not it is sent again.
    pub(in crate::http) arrived: bool,
    /// How that is known.
    pub(in crate::http) basis: String,
}
