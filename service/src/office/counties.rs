//! Acts on a county: its interviews, the determination, payments; and the settlement of a year.

use bishui_domain::escalation::accountability_proposal::determine;
use bishui_domain::escalation::interview::{InterviewCommand, act as act_on_interview};
use bishui_domain::ids::CountyId;
use bishui_domain::money::Fen;
use bishui_domain::period::{Month, Period};
use bishui_domain::refusal::{Refusal, required_text};
use jiff::civil::Date;

use super::{Decided, Office};
use crate::error::OfficeError;
use crate::records::{Draft, stream};

impl Office {
    pub(super) async fn schedule_interview(
        &self,
        county: &CountyId,
        on: Date,
        place: &str,
    ) -> Result<Decided, OfficeError> {
        let place = required_text("place", place)?;
        self.interview(county, InterviewCommand::Schedule { on, place }).await
    }

    /// Records a held interview with the settings in force on its day.
    pub(super) async fn hold_interview(
        &self,
        county: &CountyId,
        on: Option<Date>,
        attended: Vec<String>,
    ) -> Result<Decided, OfficeError> {
        let today = self.today();
        let held_on = on.unwrap_or(today);
        let (book, _) = self.records.plan_book().await?;
        let revision = Month::of(held_on).and_then(|month| book.in_force(month)).ok_or(Refusal::NoPlanInForce)?;
        let (interviews_per_year, impact) = (revision.plan.rules.interviews_per_year, revision.plan.rules.impact);
        let hold = InterviewCommand::Hold { held_on, today, attended, interviews_per_year, impact };
        self.interview(county, hold).await
    }

    pub(super) async fn record_minutes(
        &self,
        county: &CountyId,
        raised_by: Period,
        minutes: &str,
    ) -> Result<Decided, OfficeError> {
        let minutes = required_text("minutes", minutes)?;
        self.interview(county, InterviewCommand::Minutes { raised_by, minutes }).await
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

    pub(super) async fn determine_impact(
        &self,
        county: &CountyId,
        year: i16,
        serious: bool,
        basis: &str,
    ) -> Result<Decided, OfficeError> {
        let (book, _) = self.records.plan_book().await?;
        Self::known_county(&book, county)?;
        let (state, version) = self.records.county(county).await?;
        let events = determine(&state, county.as_str(), year, serious, required_text("basis", basis)?)?;
        let mut draft = Draft::default();
        draft.write(stream::county(county), version, events);
        Ok(draft.into())
    }

    pub(super) async fn book_payment(
        &self,
        county: &CountyId,
        fen: Fen,
        year: Option<i16>,
    ) -> Result<Decided, OfficeError> {
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

    pub(super) async fn order_settlement(&self, year: i16, provincial_payable: Fen) -> Result<Decided, OfficeError> {
        let (book, _) = self.records.plan_book().await?;
        Month::new(year, 12).and_then(|month| book.in_force(month)).ok_or(Refusal::NoPlanInForce)?;
        let (file, version) = self.records.settlement(year).await?;
        let mut draft = Draft::default();
        draft.write(stream::settlement(year), version, file.order(year, provincial_payable)?);
        Ok(draft.into())
    }
}
