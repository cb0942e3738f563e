//! Acts on rounds: declaring, publishing, withdrawing a declaration, and judging published rounds again.

use std::collections::{BTreeMap, BTreeSet};

use bishui_domain::assessment::Reason;
use bishui_domain::county::CountyEvent;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::parts::divide;
use bishui_domain::period::{Month, Period};
use bishui_domain::plan::book::PlanBook;
use bishui_domain::refusal::required_text;
use bishui_domain::round::{Conclusion, Dossier, Publishing, RoundEvent, SectionEvent, affected_rounds, rejudge};
use bishui_domain::verdict::SectionVerdict;
use bishui_infra::event_log::StreamVersion;

use super::{Decided, Office};
use crate::error::OfficeError;
use crate::records::{Draft, stream};

/// Corrected assessments, by the rounds and counties they belong to.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    rounds: BTreeMap<Period, Vec<SectionId>>,
    counties: BTreeMap<CountyId, BTreeMap<Period, Vec<SectionVerdict>>>,
}

impl Office {
    pub(super) async fn decide_declaration(
        &self,
        section: &SectionId,
        period: Period,
        reason: Reason,
    ) -> Result<Decided, OfficeError> {
        let (book, plan_version) = self.records.plan_book().await?;
        Self::known_section(&book, section)?;
        if reason == Reason::InsufficientData {
            return Err(OfficeError::Input { what: "`insufficient_data` is found, never declared".to_owned() });
        }
        let published = self.records.version(&stream::round(period)).await?;
        let (file, version) = self.records.section(section).await?;
        let mut draft = Draft::default();
        draft.require(stream::plan(), plan_version);
        draft.require(stream::round(period), published);
        draft.write(stream::section(section), version, file.declare(period, reason, published.0 > 0)?);
        Ok(draft.into())
    }

    pub(super) async fn decide_withdrawn_declaration(
        &self,
        section: &SectionId,
        period: Period,
        reason: &str,
    ) -> Result<Decided, OfficeError> {
        let (book, _) = self.records.plan_book().await?;
        Self::known_section(&book, section)?;
        let reason = required_text("reason", reason)?;
        let (file, version) = self.records.section(section).await?;
        let event = file.withdraw(section, period, reason.clone())?;
        let mut draft = Draft::default();
        draft.write(stream::section(section), version, [event.clone()]);
        let affected = match period {
            Period::Month(month) => affected_rounds(&file, &BTreeSet::from([month])).into_iter().collect(),
            Period::Quarter(_) => BTreeSet::from([period]),
        };
        let dossier = Dossier { file: file.evolve(&event), readings: BTreeMap::new() };
        let mut corrections = Corrections::default();
        self.judge_again(&book, section, (dossier, version), &affected, (&mut draft, &mut corrections)).await?;
        self.note_corrections(corrections, &reason, &mut draft).await?;
        Ok(draft.into())
    }

    pub(super) async fn decide_publication(
        &self,
        period: Period,
        declare_rest: Option<Reason>,
    ) -> Result<Decided, OfficeError> {
        if self.settings.refuse_future && period.last_month().last_day() >= self.today() {
            return Err(OfficeError::Input { what: format!("the period {period} is not over yet") });
        }
        let mut draft = Draft::default();
        let (book, plan_version) = self.records.plan_book().await?;
        draft.require(stream::plan(), plan_version);
        let published = self.records.version(&stream::round(period)).await?;
        let mut publishing = Publishing::begin(&book, period, declare_rest, published.0 > 0)?;
        let months = period.months();
        for section in publishing.sections() {
            let dossier = self.records.dossier(&section.id, &months, &mut draft).await?;
            // The version it was read at is a condition of the draft already.
            draft.write(stream::section(&section.id), StreamVersion(0), publishing.judge(section, &dossier));
        }
        let Conclusion { counties, round } = publishing.conclude()?;
        for (county, events) in counties {
            let version = self.records.version(&stream::county(&county)).await?;
            draft.write(stream::county(&county), version, events);
        }
        draft.write(stream::round(period), published, [round]);
        Ok(draft.into())
    }

    /// Judges `affected` published rounds of a section again; what changes is added to `draft` and `corrections`. The
    /// dossier holds the corrected file and readings with the versions after this act; what is missing is read.
    pub(super) async fn judge_again(
        &self,
        book: &PlanBook,
        section: &SectionId,
        (mut dossier, version): (Dossier, StreamVersion),
        affected: &BTreeSet<Period>,
        (draft, corrections): (&mut Draft, &mut Corrections),
    ) -> Result<(), OfficeError> {
        let corrected = std::mem::take(&mut dossier.readings);
        for period in affected {
            dossier.readings = self.readings_with(section, &period.months(), &corrected, draft).await?;
            let Some(again) = rejudge(book, section, *period, &dossier) else { continue };
            draft.write(stream::section(section), version, [SectionEvent::AssessmentCorrected(again.judged)]);
            corrections.rounds.entry(*period).or_default().push(section.clone());
            if let Some(verdict) = again.verdict {
                corrections.counties.entry(again.county).or_default().entry(*period).or_default().push(verdict);
            }
        }
        Ok(())
    }

    /// Adds what the corrected assessments mean for rounds and counties, after all of them in the batch.
    pub(super) async fn note_corrections(
        &self,
        corrections: Corrections,
        reason: &str,
        draft: &mut Draft,
    ) -> Result<(), OfficeError> {
        for (period, sections) in corrections.rounds {
            let version = self.records.version(&stream::round(period)).await?;
            let event = |sections| RoundEvent::RoundCorrected { period, reason: reason.to_owned(), sections };
            draft.write(stream::round(period), version, divide(sections).into_iter().map(event));
        }
        for (county, rounds) in corrections.counties {
            let version = self.records.version(&stream::county(&county)).await?;
            let mut events = Vec::new();
            for (period, verdicts) in rounds {
                let event = |verdicts| CountyEvent::RoundRejudged { period, reason: reason.to_owned(), verdicts };
                events.extend(divide(verdicts).into_iter().map(event));
            }
            draft.write(stream::county(&county), version, events);
        }
        Ok(())
    }

    async fn readings_with(
        &self,
        section: &SectionId,
        months: &[Month],
        corrected: &bishui_domain::round::SectionReadings,
        draft: &mut Draft,
    ) -> Result<bishui_domain::round::SectionReadings, OfficeError> {
        let mut readings = BTreeMap::new();
        for month in months {
            if let Some(known) = corrected.get(month) {
                readings.insert(*month, known.clone());
            } else {
                let (state, version) = self.records.readings(section, *month).await?;
                draft.require(stream::readings(section, *month), version);
                readings.insert(*month, (state, version.0));
            }
        }
        Ok(readings)
    }
}
