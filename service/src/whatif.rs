//! What if: the verdicts of recorded periods under another target, or with other values, counted beside those that
//! hold. It records nothing and decides nothing.
//!
//! Values come about as in every assessment; only the comparison with the limits is done column by column, for all
//! sections at once and as often as is asked.

use std::collections::{BTreeMap, BTreeSet};

use bishui_domain::assessment::Verdict;
use bishui_domain::columns::{Cell, Columns, IndicatorSet, Limits, Row, Tally, assess, cells, longest_unmet_run};
use bishui_domain::ids::SectionId;
use bishui_domain::indicator::Indicator;
use bishui_domain::monthly::{Derived, PeriodValue};
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::PlanBook;
use bishui_domain::plan::revision::PlanRevision;
use bishui_domain::refusal::Refusal;
use bishui_domain::round::values_of;
use bishui_domain::settlement::months_of;
use bishui_domain::standard::{Target, WaterClass};
use bishui_domain::value::Value;
use serde::{Deserialize, Serialize};

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::Draft;

/// Most changed verdicts that are listed; all are counted.
const LISTED_MAX: usize = 10_000;
/// Largest share of a value that can be supposed, in percent.
const PERCENT_MAX: u32 = 100_000;

/// The periods that are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// One month or quarter.
    Period(Period),
    /// Every month of a year that is over.
    Year(i16),
}

/// What is supposed.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supposed {
    /// This target for every section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Measured values of these indicators at so many percent of what they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub percent: BTreeMap<Indicator, u32>,
}

/// Sections by class and verdict, over all periods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By class, best first; those not assessed have none.
    pub classes: Vec<(WaterClass, u64)>,
    /// That met their target.
    pub met: u64,
    /// That missed it.
    pub unmet: u64,
    /// That were not assessed.
    pub unassessed: u64,
    /// Most unmet periods in a row of any section; periods that were not assessed do not end a run.
    pub longest_unmet_run: u32,
}

/// A verdict with its class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// `met`, `unmet` or `unassessed`.
    pub verdict: &'static str,
    /// The class; none when unassessed.
    pub class: Option<WaterClass>,
    /// The indicators that miss the target.
    pub unmet: Vec<Indicator>,
}

/// A section whose verdict or class would be another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The period.
    pub period: Period,
    /// The section.
    pub section: SectionId,
    /// Its name.
    pub name: String,
    /// As it is on the record.
    pub before: Outcome,
    /// As it would be.
    pub after: Outcome,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// The periods.
    pub periods: Vec<Period>,
    /// Counts on the record.
    pub before: Counts,
    /// Counts as supposed.
    pub after: Counts,
    /// Verdicts or classes that would be others.
    pub changed: u64,
    /// The first of them, by period and section.
    pub changes: Vec<Changed>,
}

/// Compares the verdicts on today's record with those that would follow from what is supposed.
///
/// # Errors
/// No plan is in force for any of the periods, a share that is out of range, or a failure of the store.
pub async fn what_if(office: &Office, span: Span, supposed: &Supposed) -> Result<WhatIf, OfficeError> {
    if supposed.percent.values().any(|percent| *percent > PERCENT_MAX) {
        return Err(OfficeError::Input { what: format!("a share lies in 0–{PERCENT_MAX} percent") });
    }
    let (book, _) = office.records().plan_book().await?;
    let mut sides = [Side::default(), Side::default()];
    let (mut periods, mut changed, mut changes) = (Vec::new(), 0, Vec::new());
    for period in periods_of(office, span) {
        let Some(revision) = book.in_force(period.last_month()) else { continue };
        let rows = Rows::read(office, &book, revision, period, supposed).await?;
        let required: IndicatorSet = revision.plan.rules.required_indicators.iter().copied().collect();
        let [before, after] = &mut sides;
        let (before, after) = (before.take(&rows, &rows.before, required), after.take(&rows, &rows.after, required));
        for ((section, before), after) in rows.sections.iter().zip(before).zip(after) {
            if (before.verdict, before.class) != (after.verdict, after.class) {
                changed += 1;
                if changes.len() < LISTED_MAX {
                    let name = revision.section(section).map(|entry| entry.name.clone()).unwrap_or_default();
                    let (before, after) = (outcome(&before), outcome(&after));
                    changes.push(Changed { period, section: section.clone(), name, before, after });
                }
            }
        }
        periods.push(period);
    }
    if periods.is_empty() {
        return Err(Refusal::NoPlanInForce.into());
    }
    let [before, after] = sides.map(Side::counts);
    Ok(WhatIf { periods, before, after, changed, changes })
}

fn periods_of(office: &Office, span: Span) -> Vec<Period> {
    match span {
        Span::Period(period) => vec![period],
        Span::Year(year) => {
            let over = |month: &Month| month.last_day() < office.today();
            months_of(year).into_iter().filter(over).map(Period::Month).collect()
        }
    }
}

/// The active sections of a period as columns, as recorded and as supposed.
struct Rows {
    sections: Vec<SectionId>,
    before: Columns,
    after: Columns,
}

impl Rows {
    async fn read(
        office: &Office,
        book: &PlanBook,
        revision: &PlanRevision,
        period: Period,
        supposed: &Supposed,
    ) -> Result<Self, OfficeError> {
        let (months, rules) = (period.months(), &revision.plan.rules);
        let active = revision.plan.active_sections(&months);
        let mut rows = Self {
            sections: Vec::with_capacity(active.len()),
            before: Columns::with_capacity(active.len()),
            after: Columns::default(),
        };
        let mut altered: Vec<(usize, Indicator, Option<Cell>)> = Vec::new();
        for section in active {
            let dossier = office.records().dossier(&section.id, &months, &mut Draft::default()).await?;
            let values = values_of(revision, section, period, &dossier);
            let declared = dossier.file.declarations.get(&period).copied();
            let target = book.target(section, period.last_month());
            let row = rows.before.push(cells(&values, rules), section.body(), target, declared);
            for (indicator, percent) in &supposed.percent {
                if let Some(value) = values.get(indicator).and_then(|derived| at_percent(derived, *percent)) {
                    altered.push((row, *indicator, Cell::of(*indicator, &value, rules)));
                }
            }
            rows.sections.push(section.id.clone());
        }
        rows.after = rows.before.clone();
        for (row, indicator, cell) in altered {
            rows.after.set(row, indicator, cell);
        }
        if let Some(target) = supposed.target {
            rows.after.retarget(|_, _| target);
        }
        Ok(rows)
    }
}

/// The share of a measured value; none of a value that is not there or lies below its detection limit.
fn at_percent(derived: &Derived, percent: u32) -> Option<PeriodValue> {
    let measured = derived.value.as_ref().filter(|value| value.below.is_none())?;
    let share = Value::hundredths(percent);
    Some(PeriodValue { value: measured.value.times(&share), below: None })
}

/// What is counted on one side.
#[derive(Default)]
struct Side {
    tally: Tally,
    verdicts: BTreeMap<SectionId, Vec<Verdict>>,
}

impl Side {
    fn take(&mut self, rows: &Rows, columns: &Columns, required: IndicatorSet) -> Vec<Row> {
        let mut results = Vec::with_capacity(columns.rows());
        assess(columns, &Limits::standard(), required, |block| {
            self.tally.add(block);
            results.extend(block.rows());
        });
        for (section, row) in rows.sections.iter().zip(&results) {
            self.verdicts.entry(section.clone()).or_default().push(row.verdict);
        }
        results
    }

    fn counts(self) -> Counts {
        const CLASSES: [WaterClass; 6] =
            [WaterClass::I, WaterClass::II, WaterClass::III, WaterClass::IV, WaterClass::V, WaterClass::InferiorV];
        let Tally { classes, met, unmet, unassessed } = self.tally;
        let longest_unmet_run = self.verdicts.into_values().map(longest_unmet_run).max().unwrap_or(0);
        Counts { classes: CLASSES.into_iter().zip(classes).collect(), met, unmet, unassessed, longest_unmet_run }
    }
}

fn outcome(row: &Row) -> Outcome {
    Outcome { verdict: row.verdict.word(), class: row.class, unmet: row.unmet.iter().collect() }
}

/// Reads `nh3n=80` as 80 percent of ammonia.
///
/// # Errors
/// No indicator, or no whole number of percent.
pub fn parse_percent(text: &str) -> Result<(Indicator, u32), String> {
    let (indicator, percent) = text.split_once('=').ok_or("write INDICATOR=PERCENT, for example nh3n=80")?;
    let indicator: Indicator = indicator.parse().map_err(|_| format!("`{indicator}` is not an indicator"))?;
    if !indicator.is_assessed() {
        let known: BTreeSet<_> = Indicator::assessed().map(|indicator| indicator.to_string()).collect();
        return Err(format!("{indicator} is not assessed; one of {}", known.into_iter().collect::<Vec<_>>().join(" ")));
    }
    let percent = percent.strip_suffix('%').unwrap_or(percent);
    let percent: u32 = percent.parse().map_err(|_| format!("`{percent}` is not a whole number of percent"))?;
    if percent > PERCENT_MAX {
        return Err(format!("a share lies in 0–{PERCENT_MAX} percent"));
    }
    Ok((indicator, percent))
}

/// Reads `2020`, `2020-01` or `2020-Q1`.
///
/// # Errors
/// None of these.
pub fn parse_span(text: &str) -> Result<Span, String> {
    if let Ok(year) = text.parse::<i16>()
        && bishui_domain::period::YEARS.contains(&year)
    {
        return Ok(Span::Year(year));
    }
    text.parse().map(Span::Period).map_err(|error: bishui_domain::period::InvalidPeriod| error.to_string())
}
