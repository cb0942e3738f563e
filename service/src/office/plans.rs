//! Acts on the plan: adopting, amending, correcting a target.

use std::collections::BTreeMap;

use bishui_domain::plan::book::{PlanBook, PlanCommand, TargetCorrection};
use bishui_domain::refusal::required_text;
use bishui_domain::round::Dossier;

use super::rounds::Corrections;
use super::{Decided, Office};
use crate::act::Act;
use crate::error::OfficeError;
use crate::records::{Draft, stream};

impl Office {
    pub(super) async fn decide_plan(&self, act: &Act) -> Result<Decided, OfficeError> {
        let (book, version) = self.records.plan_book().await?;
        let command = match act.clone() {
            Act::AdoptPlan { plan } => PlanCommand::Adopt { plan: *plan },
            Act::AmendPlan { plan, from, reason } => {
                PlanCommand::Amend { plan: *plan, effective_from: from, reason: required_text("reason", &reason)? }
            }
            Act::CorrectTarget { section, from, until, target, reason } => PlanCommand::CorrectTarget {
                correction: TargetCorrection { section, from, until, target },
                reason: required_text("reason", &reason)?,
            },
            other => unreachable!("{other:?} is not an act on the plan"),
        };
        let events = book.decide(command.clone())?;
        let mut draft = Draft::default();
        draft.write(stream::plan(), version, events.clone());
        if let PlanCommand::CorrectTarget { correction, reason } = command {
            let book = events.iter().fold(PlanBook::clone(&book), PlanBook::evolve);
            let id = &correction.section;
            let (file, version) = self.records.section(id).await?;
            let holds = |month| correction.from <= month && correction.until.is_none_or(|until| month <= until);
            let affected = file.judged.keys().filter(|period| holds(period.last_month())).copied().collect();
            let dossier = Dossier { file, readings: BTreeMap::new() };
            let mut corrections = Corrections::default();
            self.judge_again(&book, id, (dossier, version), &affected, (&mut draft, &mut corrections)).await?;
            self.note_corrections(corrections, &reason, &mut draft).await?;
        }
        Ok(draft.into())
    }
}
