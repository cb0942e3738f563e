//! The whole explanation of a verdict: every reading with its use, every value with its limit, and what was in force.

use std::collections::BTreeMap;

use bishui_domain::assessment::{Assessment, IndicatorResult};
use bishui_domain::event::Event;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::indicator::Indicator;
use bishui_domain::monthly::{Basis, LeftOut, uses};
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::Section;
use bishui_domain::plan::book::RevisionNumber;
use bishui_domain::plan::revision::PlanRevision;
use bishui_domain::plan::rules::RuleSet;
use bishui_domain::reading::{Amount, Reading, Source};
use bishui_domain::readings::MonthReadings;
use bishui_domain::round::{Judged, judge};
use bishui_domain::standard::{self, Target, WaterClass};
use bishui_domain::value::Value;
use bishui_infra::codec;
use bishui_infra::event_log::StreamVersion;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Scope, active_section, county_name, not_found};
use crate::error::OfficeError;
use crate::office::Office;
use crate::records::{Draft, stream};

/// Why a section has its verdict in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The section.
    #[schema(value_type = String)]
    pub section: SectionId,
    /// Its name.
    pub name: String,
    /// The county that answers for it.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// The period.
    #[schema(value_type = String)]
    pub period: Period,
    /// Whether the round is not published yet: an evaluation of what is recorded now.
    pub provisional: bool,
    /// `met`, `unmet` or `unassessed`.
    pub verdict: String,
    /// The verdict in Chinese.
    pub verdict_chinese: String,
    /// Why it is unassessed.
    pub reason: Option<String>,
    /// The class; none when unassessed.
    #[schema(value_type = Option<String>)]
    pub class: Option<WaterClass>,
    /// The target it was judged by.
    #[schema(value_type = String)]
    pub target: Target,
    /// Indicators evaluated, of 21.
    pub evaluated: u8,
    /// Required indicators that are missing or undecidable.
    #[schema(value_type = Vec<String>)]
    pub missing: Vec<Indicator>,
    /// Every indicator with a value.
    pub indicators: Vec<IndicatorView>,
    /// The months whose readings count, with the version of their stream.
    pub months: Vec<MonthView>,
    /// The plan revision that judged it.
    #[schema(value_type = u32)]
    pub revision: RevisionNumber,
    /// The settings in force.
    #[schema(value_type = Object)]
    pub rules: RuleSet,
    /// The rules applied and the clauses they come from.
    pub sources: Vec<RuleSource>,
}

/// One indicator of the assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndicatorView {
    /// The indicator.
    #[schema(value_type = String)]
    pub indicator: Indicator,
    /// Its name in Chinese.
    pub name: String,
    /// Its unit; empty for pH.
    pub unit: String,
    /// Its value in full, as compared.
    #[schema(value_type = String)]
    pub value: Value,
    /// Its value as printed.
    pub printed: String,
    /// Whether every member lies below its detection limit.
    pub below_detection: bool,
    /// Its class; none when undecidable or not assessed.
    #[schema(value_type = Option<String>)]
    pub class: Option<WaterClass>,
    /// The target's limit.
    pub limit: String,
    /// Whether the limit is missed.
    pub unmet: bool,
    /// The exceedance multiple against the target.
    pub multiple: Option<String>,
    /// Whether its detection limit lies above the target's limit.
    pub undecidable: bool,
    /// What the value was made from, in Chinese.
    pub basis: String,
    /// Readings left out, by reason in Chinese.
    pub left_out: BTreeMap<String, u32>,
}

/// The readings of one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MonthView {
    /// The month.
    #[schema(value_type = String)]
    pub month: Month,
    /// Version of the stream of readings the assessment rests on.
    #[schema(value_type = u64)]
    pub version: StreamVersion,
    /// Whether the month counts; one in which the section is declared or not active does not count for a quarter.
    pub counts: bool,
    /// Every reading, in order of time, source and indicator.
    pub readings: Vec<ReadingView>,
}

/// One reading and whether it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadingView {
    /// When, in Beijing time.
    #[schema(value_type = String)]
    pub at: DateTime,
    /// Who measured.
    #[schema(value_type = String)]
    pub source: Source,
    /// What.
    #[schema(value_type = String)]
    pub indicator: Indicator,
    /// The value as written.
    #[schema(value_type = String)]
    pub value: Amount,
    /// Its status.
    pub status: String,
    /// Whether it was used.
    pub used: bool,
    /// Why not.
    #[schema(value_type = Option<String>)]
    pub left_out: Option<LeftOut>,
    /// Why not, in Chinese.
    pub why: Option<String>,
}

/// A rule applied, with its clause of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleSource {
    /// Number of the rule.
    pub rule: String,
    /// Clause of the plan or standard.
    pub clause: String,
    /// What it says.
    pub says: String,
}

/// Explains the verdict of a section in a period: as published, or as it would be now.
///
/// # Errors
/// The section is not assessed in the period or is not for the asker, or the store fails.
pub async fn explain(
    office: &Office,
    scope: &Scope,
    section: &SectionId,
    period: Period,
) -> Result<Explanation, OfficeError> {
    let missing = || not_found("an assessment of this section in this period");
    let (book, _) = office.records().plan_book().await?;
    let (file, _) = office.records().section(section).await?;
    let published = file.rounds.get(&period).map(|round| &round.judged);
    let (revision, entry) = match published {
        Some(judged) => {
            let revision = book.revision(judged.revision).ok_or_else(missing)?;
            (revision, revision.section(section).ok_or_else(missing)?)
        }
        None => active_section(&book, section, period).ok_or_else(missing)?,
    };
    if !scope.sees(&entry.county) {
        return Err(missing());
    }
    let judged = if let Some(judged) = published {
        judged.clone()
    } else {
        let dossier = office.records().dossier(section, &period.months(), &mut Draft::default()).await?;
        judge(&book, revision, entry, period, &dossier)
    };
    let mut months = Vec::new();
    for (month, version) in &judged.readings {
        let declared = file.declarations.contains_key(&Period::Month(*month));
        let counts = match period {
            Period::Month(_) => true,
            Period::Quarter(_) => entry.is_active(*month) && !declared,
        };
        let readings = readings_at(office, section, *month, StreamVersion(*version)).await?;
        let readings = readings_used(&readings.to_vec(), &revision.plan.rules);
        months.push(MonthView { month: *month, version: StreamVersion(*version), counts, readings });
    }
    let county = county_name(&book, &entry.county);
    Ok(explanation(&judged, revision, entry, county, months, published.is_none()))
}

/// A section's readings of a month as they were at a version.
async fn readings_at(
    office: &Office,
    section: &SectionId,
    month: Month,
    version: StreamVersion,
) -> Result<MonthReadings, OfficeError> {
    let mut readings = MonthReadings::default();
    let events = office.records().events(&stream::readings(section, month), StreamVersion(0)).await?;
    for recorded in events.iter().filter(|recorded| recorded.version <= version) {
        if let Event::Readings(event) = codec::decode(recorded)? {
            readings = readings.evolve(&event);
        }
    }
    Ok(readings)
}

fn readings_used(readings: &[Reading], rules: &RuleSet) -> Vec<ReadingView> {
    let mut by_indicator: BTreeMap<Indicator, Vec<&Reading>> = BTreeMap::new();
    for reading in readings {
        by_indicator.entry(reading.key.indicator).or_default().push(reading);
    }
    let mut views = Vec::new();
    for (indicator, readings) in by_indicator {
        for (reading, used) in readings.iter().zip(uses(&readings, indicator, rules)) {
            let left_out = used.err();
            views.push(ReadingView {
                at: reading.key.at,
                source: reading.key.source,
                indicator,
                value: reading.value,
                status: reading.status.clone().into(),
                used: left_out.is_none(),
                left_out,
                why: left_out.map(|why| why.chinese().to_owned()),
            });
        }
    }
    views.sort_by_key(|view| (view.at, view.source, view.indicator));
    views
}

fn explanation(
    judged: &Judged,
    revision: &PlanRevision,
    section: &Section,
    county_name: String,
    months: Vec<MonthView>,
    provisional: bool,
) -> Explanation {
    let assessment = &judged.assessment;
    let rules = &revision.plan.rules;
    let indicators = assessment.indicators.iter().map(|result| indicator_view(result, assessment, section, rules));
    Explanation {
        section: section.id.clone(),
        name: section.name.clone(),
        county: section.county.clone(),
        county_name,
        period: judged.period,
        provisional,
        verdict: assessment.verdict.word().to_owned(),
        verdict_chinese: assessment.verdict.chinese().to_owned(),
        reason: assessment.verdict.reason().map(|reason| reason.to_string()),
        class: assessment.class,
        target: assessment.target,
        evaluated: assessment.evaluated,
        missing: assessment.missing.clone(),
        indicators: indicators.collect(),
        months,
        revision: revision.number,
        rules: rules.clone(),
        sources: sources(judged.period),
    }
}

fn indicator_view(
    result: &IndicatorResult,
    assessment: &Assessment,
    section: &Section,
    rules: &RuleSet,
) -> IndicatorView {
    let indicator = result.indicator;
    let over = result.class.is_some_and(|class| class > WaterClass::from(assessment.target));
    let unmet = assessment.unmet.iter().find(|unmet| unmet.indicator == indicator);
    IndicatorView {
        indicator,
        name: indicator.chinese().to_owned(),
        unit: indicator.unit().to_owned(),
        value: result.value.clone(),
        printed: result.value.to_fixed(rules.decimals(indicator)),
        below_detection: result.below.is_some(),
        class: result.class,
        limit: standard::limit_text(indicator, section.body(), assessment.target),
        unmet: over,
        multiple: unmet.and_then(|unmet| unmet.multiple.clone()),
        undecidable: result.undecidable,
        basis: basis_chinese(&result.basis),
        left_out: result.left_out.iter().map(|(why, count)| (why.chinese().to_owned(), *count)).collect(),
    }
}

fn basis_chinese(basis: &Basis) -> String {
    match basis {
        Basis::Automatic { days, readings } => format!("自动监测有效{days}天、{readings}个数据，日均值的平均"),
        Basis::Manual { source, samples } => {
            let source = match source {
                Source::Automatic => "自动监测",
                Source::National => "国家人工监测",
                Source::Provincial => "省人工监测",
                Source::Municipal => "市人工监测",
            };
            format!("{source}{samples}次采样的平均")
        }
        Basis::Months { months } => {
            let months: Vec<_> = months.iter().map(ToString::to_string).collect();
            format!("{}各月值的平均", months.join("、"))
        }
    }
}

fn sources(period: Period) -> Vec<RuleSource> {
    let source = |rule: &str, clause: &str, says: &str| RuleSource {
        rule: rule.to_owned(),
        clause: clause.to_owned(),
        says: says.to_owned(),
    };
    let span = match period {
        Period::Month(_) => "自动监测和国家、省、市监测数据共同使用，逐项取月均值",
        Period::Quarter(_) => "至少两个月值的逐项平均",
    };
    vec![
        source("R1", "三(二)、GB 3838-2002 表1", "单因子评价，类别取各参评指标中最差者，限值含端点"),
        source("R2", "三(二)", span),
        source("R3", "三(二)", "按该期有效的目标和规则评价，公布后固定"),
        source("R4", "三(六)", "未达标断面列入所在县（市、区）的预警通报"),
        source("R5", "三(六)", "连续未达标且无改善趋势的约谈"),
    ]
}
