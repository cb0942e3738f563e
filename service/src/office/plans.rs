//! Acts on the plan: adopting, amending, correcting a target.

use std::collections::BTreeMap;

use bishui_domain::period::Month;
use bishui_domain::plan::Plan;
use bishui_domain::plan::book::{PlanBook, PlanCommand, TargetCorrection};
use bishui_domain::refusal::required_text;
use bishui_domain::round::Dossier;

use super::rounds::Corrections;
use super::{Decided, Office};
use crate::error::OfficeError;
use crate::records::{Draft, stream};

impl Office {
    pub(super) async fn adopt_plan(&self, plan: Plan) -> Result<Decided, OfficeError> {
        let (book, version) = self.records.plan_book().await?;
        let mut draft = Draft::default();
        draft.write(stream::plan(), version, book.decide(PlanCommand::Adopt { plan })?);
        Ok(draft.into())
    }

    pub(super) async fn amend_plan(&self, plan: Plan, from: Month, reason: &str) -> Result<Decided, OfficeError> {
        let (book, version) = self.records.plan_book().await?;
        let reason = required_text("reason", reason)?;
        let mut draft = Draft::default();
        draft.write(stream::plan(), version, book.decide(PlanCommand::Amend { plan, effective_from: from, reason })?);
        Ok(draft.into())
    }

    /// Corrects a target and judges the published rounds it holds for again (R8).
    pub(super) async fn correct_target(
        &self,
        correction: TargetCorrection,
        reason: &str,
    ) -> Result<Decided, OfficeError> {
        let (book, version) = self.records.plan_book().await?;
        let reason = required_text("reason", reason)?;
        let command = PlanCommand::CorrectTarget { correction: correction.clone(), reason: reason.clone() };
        let events = book.decide(command)?;
        let book = events.iter().fold(PlanBook::clone(&book), PlanBook::evolve);
        let mut draft = Draft::default();
        draft.write(stream::plan(), version, events);
        let id = &correction.section;
        let (file, version) = self.records.section(id).await?;
        let holds = |month| correction.from <= month && correction.until.is_none_or(|until| month <= until);
        let affected = file.rounds.keys().filter(|period| holds(period.last_month())).copied().collect();
        let dossier = Dossier { file, readings: BTreeMap::new() };
        let mut corrections = Corrections::default();
        self.judge_again(&book, id, (dossier, version), &affected, (&mut draft, &mut corrections)).await?;
        self.note_corrections(corrections, &reason, &mut draft).await?;
        Ok(draft.into())
    }
}
