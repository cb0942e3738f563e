//! Rounds and verdicts as people see them.

use bishui_domain::assessment::Verdict;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::indicator::Indicator;
use bishui_domain::period::{Cadence, Period};
use bishui_domain::plan::SectionKind;
use bishui_domain::standard::{Target, WaterClass};
use bishui_domain::value::Value;
use bishui_domain::verdict::SectionVerdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Scope, county_name, section_name};
use crate::register::Register;

/// A published round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundView {
    /// The round.
    #[schema(value_type = String)]
    pub period: Period,
    /// Its cadence.
    #[schema(value_type = String)]
    pub cadence: Cadence,
    /// When it was published.
    #[schema(value_type = String)]
    pub published_at: Timestamp,
    /// By whom.
    pub published_by: String,
    /// Sections met, of those the asker sees.
    pub met: u32,
    /// Sections unmet.
    pub unmet: u32,
    /// Sections unassessed.
    pub unassessed: u32,
    /// Corrections recorded since; shown to the city only, as they may concern any county.
    pub corrections: Option<u32>,
}

/// One section's verdict in a published round, as corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictView {
    /// The round.
    #[schema(value_type = String)]
    pub period: Period,
    /// The section.
    #[schema(value_type = String)]
    pub section: SectionId,
    /// Its name.
    pub name: String,
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: SectionKind,
    /// The county that answered for it.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// `met`, `unmet` or `unassessed`.
    pub verdict: String,
    /// The verdict in Chinese.
    pub verdict_chinese: String,
    /// The class; none when unassessed.
    #[schema(value_type = Option<String>)]
    pub class: Option<WaterClass>,
    /// The target.
    #[schema(value_type = String)]
    pub target: Target,
    /// Indicators evaluated, of 21.
    pub evaluated: u8,
    /// Unmet indicators.
    pub unmet: Vec<UnmetView>,
    /// Indicators that cannot be judged.
    #[schema(value_type = Vec<String>)]
    pub undecidable: Vec<Indicator>,
    /// Why it is unassessed.
    pub reason: Option<String>,
}

/// One unmet indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnmetView {
    /// The indicator.
    #[schema(value_type = String)]
    pub indicator: Indicator,
    /// Its name in Chinese.
    pub name: String,
    /// Its value in full.
    #[schema(value_type = String)]
    pub value: Value,
    /// The target's limit.
    pub limit: String,
    /// The exceedance multiple against the target.
    pub multiple: Option<String>,
}

/// Published rounds in order, months before quarters, counted over the sections the asker sees.
pub fn rounds(register: &Register, scope: &Scope) -> Vec<RoundView> {
    let mut views = Vec::new();
    for (period, line) in &register.rounds {
        let mut view = RoundView {
            period: *period,
            cadence: period.cadence(),
            published_at: line.published_at,
            published_by: line.published_by.clone(),
            met: 0,
            unmet: 0,
            unassessed: 0,
            corrections: (*scope == Scope::City).then_some(line.corrections),
        };
        for (_, verdict) in verdicts_of(register, scope, *period) {
            match verdict.verdict {
                Verdict::Met => view.met += 1,
                Verdict::Unmet => view.unmet += 1,
                Verdict::Unassessed(_) => view.unassessed += 1,
            }
        }
        views.push(view);
    }
    views
}

/// The verdicts of a published round in order of section; none for a round that was not published.
pub fn verdicts(register: &Register, scope: &Scope, period: Period) -> Vec<VerdictView> {
    let mut views: Vec<_> =
        verdicts_of(register, scope, period).map(|(county, verdict)| view(register, period, county, verdict)).collect();
    views.sort_by(|a, b| a.section.cmp(&b.section));
    views
}

fn verdicts_of<'a>(
    register: &'a Register,
    scope: &'a Scope,
    period: Period,
) -> impl Iterator<Item = (&'a CountyId, &'a SectionVerdict)> {
    let seen = register.counties.iter().filter(|(id, _)| scope.sees(id));
    seen.flat_map(move |(id, county)| {
        let rounds = county.rounds.iter().filter(move |round| round.period == period);
        rounds.flat_map(move |round| round.verdicts.values().map(move |verdict| (id, verdict)))
    })
}

fn view(register: &Register, period: Period, county: &CountyId, verdict: &SectionVerdict) -> VerdictView {
    let unmet = verdict.unmet.iter().map(|unmet| UnmetView {
        indicator: unmet.indicator,
        name: unmet.indicator.chinese().to_owned(),
        value: unmet.value.clone(),
        limit: unmet.limit.clone(),
        multiple: unmet.multiple.clone(),
    });
    VerdictView {
        period,
        section: verdict.section.clone(),
        name: section_name(&register.plans, &verdict.section),
        kind: verdict.kind,
        county: county.clone(),
        county_name: county_name(&register.plans, county),
        verdict: verdict.verdict.word().to_owned(),
        verdict_chinese: verdict.verdict.chinese().to_owned(),
        class: verdict.class,
        target: verdict.target,
        evaluated: verdict.evaluated,
        unmet: unmet.collect(),
        undecidable: verdict.undecidable.clone(),
        reason: verdict.verdict.reason().map(|reason| reason.to_string()),
    }
}
