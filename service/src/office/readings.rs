//! Acts on readings: importing a file, and revising with a file.
//!
//! A row that cannot be taken is rejected with line, column, reason and remedy; the others are taken, in one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;

use bishui_domain::ids::SectionId;
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::PlanBook;
use bishui_domain::readings::{Content, Offered, ReadingsEvent, Taken};
use bishui_domain::refusal::{Refusal, required_text};
use bishui_domain::round::{Dossier, affected_rounds};
use bishui_infra::event_log::StreamVersion;
use bishui_infra::table::Rejection;
use bishui_infra::table::mapping::Mapping;
use bishui_infra::table::readings::{Readings, Resolved};
use jiff::civil::DateTime;
use serde::Serialize;

use super::rounds::Corrections;
use super::{Decided, Office};
use crate::error::OfficeError;
use crate::records::{Draft, stream};

/// Most bytes in one file.
pub(crate) const FILE_BYTES_MAX: usize = 256 << 20;
/// Readings in one event, so that a payload stays well below the log's bound.
const READINGS_PER_EVENT: usize = 2_000;

/// What became of the rows of a file.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ImportReport {
    /// Lines below the header that hold anything.
    pub rows: u64,
    /// Readings taken.
    pub accepted: u64,
    /// Readings taken that are out of use by their status.
    pub out_of_use: u64,
    /// Readings that stand already with the same value.
    pub duplicates: u64,
    /// Cells without a value.
    pub missing: u64,
    /// Rows of sections that the mapping leaves out, or of stations that show nothing.
    pub skipped: u64,
    /// Cells and rows that were not taken, in the order of the file.
    #[schema(value_type = Vec<Object>)]
    pub rejected: Vec<Rejection>,
}

/// Rows of one section and month with their places in the file.
type Group = Vec<(Offered, u64, u32)>;
/// The rows of a file by section and month.
type Groups = BTreeMap<(SectionId, Month), Group>;

impl Office {
    pub(super) async fn decide_import(&self, csv: &[u8], mapping: Option<&str>) -> Result<Decided, OfficeError> {
        let (book, plan_version) = self.records.plan_book().await?;
        let mapping = mapping.map(Mapping::parse).transpose().map_err(|error| {
            let place = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            OfficeError::Input { what: format!("{error}{place}").trim_end().to_owned() }
        })?;
        let (groups, mut report) = self.read(csv, mapping.as_ref(), &book)?;
        let mut draft = Draft::default();
        draft.require(stream::plan(), plan_version);
        let mut rounds: BTreeMap<Month, StreamVersion> = BTreeMap::new();
        for ((section, month), group) in groups {
            let round = stream::round(Period::Month(month));
            let published = match rounds.get(&month) {
                Some(known) => *known,
                None => *rounds.entry(month).or_insert(self.records.version(&round).await?),
            };
            draft.require(round, published);
            if published.0 > 0 {
                report.rejected.extend(group.iter().map(|(_, line, column)| published_round(month, *line, *column)));
                continue;
            }
            let (readings, version) = self.records.readings(&section, month).await?;
            let offered: Vec<_> = group.iter().map(|(row, ..)| row.clone()).collect();
            let (outcomes, accepted) = readings.import(&offered);
            report.count(&group, &outcomes);
            let events = accepted.chunks(READINGS_PER_EVENT);
            let events = events.map(|readings| ReadingsEvent::ReadingsRecorded { readings: readings.to_vec() });
            draft.write(stream::readings(&section, month), version, events);
        }
        report.rejected.sort_by_key(|rejection| (rejection.line, rejection.column));
        Ok(Decided { draft, import: Some(report) })
    }

    pub(super) async fn decide_revision(
        &self,
        csv: &[u8],
        reason: &str,
        evidence: Option<String>,
    ) -> Result<Decided, OfficeError> {
        let reason = required_text("reason", reason)?;
        let (book, plan_version) = self.records.plan_book().await?;
        let (groups, mut report) = self.read(csv, None, &book)?;
        let mut draft = Draft::default();
        draft.require(stream::plan(), plan_version);
        let mut sections: BTreeMap<SectionId, BTreeMap<Month, Group>> = BTreeMap::new();
        for ((section, month), group) in groups {
            sections.entry(section).or_default().insert(month, group);
        }
        let mut corrections = Corrections::default();
        for (section, months) in sections {
            let mut dossier = Dossier::default();
            for (month, group) in months {
                let (readings, version) = self.records.readings(&section, month).await?;
                let offered: Vec<_> = group.iter().map(|(row, ..)| row.clone()).collect();
                let (outcomes, changes) = readings.revise(&offered);
                report.count(&group, &outcomes);
                let events: Vec<_> = changes
                    .chunks(READINGS_PER_EVENT)
                    .map(|changes| ReadingsEvent::ReadingsRevised {
                        changes: changes.to_vec(),
                        reason: reason.clone(),
                        evidence: evidence.clone(),
                    })
                    .collect();
                let after = version.0 + events.len() as u64;
                let state = events.iter().fold(readings, bishui_domain::readings::MonthReadings::evolve);
                if !events.is_empty() {
                    dossier.readings.insert(month, (state, after));
                }
                draft.write(stream::readings(&section, month), version, events);
            }
            let (file, version) = self.records.section(&section).await?;
            draft.require(stream::section(&section), version);
            let months: BTreeSet<_> = dossier.readings.keys().copied().collect();
            let affected = affected_rounds(&file, &months).into_iter().collect();
            dossier.file = file;
            self.judge_again(&book, &section, (dossier, version), &affected, (&mut draft, &mut corrections)).await?;
        }
        self.note_corrections(corrections, &reason, &mut draft).await?;
        report.rejected.sort_by_key(|rejection| (rejection.line, rejection.column));
        Ok(Decided { draft, import: Some(report) })
    }

    /// Reads a file into rows by section and month, and what was rejected on the way.
    fn read(
        &self,
        csv: &[u8],
        mapping: Option<&Mapping>,
        book: &PlanBook,
    ) -> Result<(Groups, ImportReport), OfficeError> {
        let input = |what: String| OfficeError::Input { what };
        if csv.len() > FILE_BYTES_MAX {
            return Err(input(format!("the file is larger than {FILE_BYTES_MAX} bytes; split it")));
        }
        let find = section_finder(book)?;
        let mut readings = match mapping {
            Some(mapping) => Readings::open_mapped(csv, mapping),
            None => Readings::open(csv),
        }
        .map_err(|error| input(error.to_string()))?;
        let latest = self.settings.refuse_future.then(|| self.latest_reading());
        let (mut groups, mut report): (BTreeMap<_, Group>, _) = (BTreeMap::new(), ImportReport::default());
        for row in readings.by_ref() {
            for cell in row.resolve(&find) {
                match cell.and_then(|cell| placed(cell, latest)) {
                    Ok((cell, month)) => {
                        let Resolved { key, value, status, repeatable, .. } = cell;
                        let offered = Offered { key, value, status, repeatable };
                        groups.entry((cell.section, month)).or_default().push((offered, cell.line, cell.column));
                    }
                    Err(rejection) => report.rejected.push(rejection),
                }
            }
        }
        let counts = readings.counts();
        (report.rows, report.skipped) = (counts.rows, counts.skipped + counts.silent);
        Ok((groups, report))
    }

    /// The last instant, in Beijing time, that a reading can be of.
    fn latest_reading(&self) -> DateTime {
        jiff::tz::TimeZone::fixed(jiff::tz::offset(8)).to_datetime(self.now())
    }
}

impl ImportReport {
    fn count(&mut self, group: &Group, outcomes: &[Taken]) {
        for ((row, line, column), outcome) in group.iter().zip(outcomes) {
            match outcome {
                Taken::Accepted => {
                    self.accepted += 1;
                    self.out_of_use += u64::from(!row.status.is_normal());
                }
                Taken::Duplicate => self.duplicates += 1,
                Taken::Missing => self.missing += 1,
                Taken::Conflict { standing } => self.rejected.push(conflict(standing, *line, *column)),
            }
        }
    }
}

/// Finds a section by id, or by a name that is unique in the newest revision.
fn section_finder(book: &PlanBook) -> Result<impl Fn(&str) -> Result<SectionId, String>, OfficeError> {
    let revision = book.latest().ok_or(Refusal::NoPlanInForce)?;
    let ids: BTreeSet<SectionId> =
        book.revisions().iter().flat_map(|revision| &revision.plan.section).map(|section| section.id.clone()).collect();
    let mut names: BTreeMap<String, Vec<SectionId>> = BTreeMap::new();
    for section in &revision.plan.section {
        names.entry(section.name.clone()).or_default().push(section.id.clone());
    }
    Ok(move |text: &str| {
        if let Some(id) = text.parse::<SectionId>().ok().filter(|id| ids.contains(id)) {
            return Ok(id);
        }
        match names.get(text).map(Vec::as_slice) {
            Some([only]) => Ok(only.clone()),
            Some(_) => Err(format!("{} sections of the plan are named `{text}`", names[text].len())),
            None => Err(format!("section `{text}` is not in the plan")),
        }
    })
}

/// The month of a reading; one that lies in the future, or outside the years that are kept, is rejected.
fn placed(cell: Resolved, latest: Option<DateTime>) -> Result<(Resolved, Month), Rejection> {
    let reject = |reason: String, remedy: &'static str| Rejection {
        line: cell.line,
        column: Some(cell.column),
        column_name: None,
        reason,
        remedy: remedy.into(),
        code: "time",
    };
    if latest.is_some_and(|latest| cell.key.at > latest) {
        return Err(reject(format!("{} lies in the future", cell.key.at), "correct the date, or the machine's clock"));
    }
    match Month::of(cell.key.at.date()) {
        Some(month) => Ok((cell, month)),
        None => Err(reject(format!("the year of {} is not kept", cell.key.at), "write a year from 2000 to 2199")),
    }
}

fn published_round(month: Month, line: u64, column: u32) -> Rejection {
    Rejection {
        line,
        column: Some(column),
        column_name: None,
        reason: format!("the round {month} is published"),
        remedy: "use `bishui revise` with a reason".into(),
        code: "round_published",
    }
}

fn conflict(standing: &Content, line: u64, column: u32) -> Rejection {
    let status = String::from(standing.status.clone());
    Rejection {
        line,
        column: Some(column),
        column_name: None,
        reason: format!(
            "another value stands for this section, time, source and indicator: {} ({status})",
            standing.value
        ),
        remedy: "if this value is the right one, use `bishui revise` with a reason".into(),
        code: "conflict",
    }
}
