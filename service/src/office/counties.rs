//! Acts on a county: its interviews, the determination, payments; and the settlement of a year.

use bishui_domain::escalation::accountability_proposal::determine;
use bishui_domain::escalation::interview::{InterviewCommand, act as act_on_interview};
use bishui_domain::ids::CountyId;
use bishui_domain::money::Fen;
use bishui_domain::period::Month;
use bishui_domain::refusal::{Refusal, required_text};

use super::{Decided, Office};
use crate::act::Act;
use crate::error::OfficeError;
use crate::records::{Draft, stream};

impl Office {
    pub(super) async fn decide_county(&self, act: &Act) -> Result<Decided, OfficeError> {
        match act.clone() {
            Act::ScheduleInterview { county, on, place } => {
                let place = required_text("place", &place)?;
                self.interview(&county, InterviewCommand::Schedule { on, place }).await
            }
            Act::HoldInterview { county, on, attended } => {
                let (today, held_on) = (self.today(), on.unwrap_or(self.today()));
                let (book, _) = self.records.plan_book().await?;
                let revision =
                    Month::of(held_on).and_then(|month| book.in_force(month)).ok_or(Refusal::NoPlanInForce)?;
                let rules = &revision.plan.rules;
                let (interviews_per_year, impact) = (rules.interviews_per_year, rules.impact);
                let hold = InterviewCommand::Hold { held_on, today, attended, interviews_per_year, impact };
                self.interview(&county, hold).await
            }
            Act::RecordMinutes { county, raised_by, minutes } => {
                let minutes = required_text("minutes", &minutes)?;
                self.interview(&county, InterviewCommand::Minutes { raised_by, minutes }).await
            }
            Act::DetermineImpact { county, year, serious, basis } => {
                let (book, _) = self.records.plan_book().await?;
                Self::known_county(&book, &county)?;
                let (state, version) = self.records.county(&county).await?;
                let events = determine(&state, county.as_str(), year, serious, required_text("basis", &basis)?)?;
                let mut draft = Draft::default();
                draft.write(stream::county(&county), version, events);
                Ok(draft.into())
            }
            Act::Pay { county, fen, year } => self.payment(&county, fen, year).await,
            Act::Settle { year, provincial_payable } => {
                let (book, _) = self.records.plan_book().await?;
                Month::new(year, 12).and_then(|month| book.in_force(month)).ok_or(Refusal::NoPlanInForce)?;
                let (file, version) = self.records.settlement(year).await?;
                let mut draft = Draft::default();
                draft.write(stream::settlement(year), version, file.order(year, provincial_payable)?);
                Ok(draft.into())
            }
            other => unreachable!("{other:?} is not an act on a county"),
        }
    }

    async fn interview(&self, county: &CountyId, command: InterviewCommand) -> Result<Decided, OfficeError> {
        let (book, _) = self.records.plan_book().await?;
        Self::known_county(&book, county)?;
        let (state, version) = self.records.county(county).await?;
        let events = act_on_interview(&state, county.as_str(), command)?;
        let mut draft = Draft::default();
        draft.write(stream::county(county), version, events);
        Ok(draft.into())
    }

    async fn payment(&self, county: &CountyId, fen: Fen, year: Option<i16>) -> Result<Decided, OfficeError> {
        let (book, _) = self.records.plan_book().await?;
        Self::known_county(&book, county)?;
        let year = match year {
            Some(year) => year,
            None => self.current_revision(&book)?.plan.plan.year,
        };
        let (account, version) = self.records.compensation(county).await?;
        let mut draft = Draft::default();
        draft.write(stream::compensation(county), version, account.pay(year, fen)?);
        Ok(draft.into())
    }
}
