//! Settlement process: an ordered settlement follows the record; a late payment or a correction makes it anew (R7).

use std::collections::BTreeSet;

use bishui_domain::compensation::CompensationEvent;
use bishui_domain::event::Event;
use bishui_domain::money::Fen;
use bishui_domain::period::Month;
use bishui_domain::plan::book::PlanEvent;
use bishui_domain::refusal::Refusal;
use bishui_domain::round::SectionEvent;
use bishui_domain::settlement::{SettlementBasis, SettlementEvent, meets_annual_target, months_of, rewarded_counties};
use bishui_infra::codec;
use bishui_infra::event_log::Recorded;

use crate::error::OfficeError;
use crate::office::Office;
use crate::records::{Draft, stream};

pub(super) async fn step(office: &Office, causes: &[&Recorded], draft: &mut Draft) -> Result<(), OfficeError> {
    let mut affected = BTreeSet::new();
    for cause in causes {
        affected.extend(years(office, cause).await?);
    }
    for year in affected {
        let (file, version) = office.records.settlement(year).await?;
        if file.provincial_payable.is_some() {
            let basis = basis(office, year, draft).await?;
            draft.write(stream::settlement(year), version, file.decide(&basis));
        }
    }
    Ok(())
}

/// The years whose settlement may depend on an event.
async fn years(office: &Office, cause: &Recorded) -> Result<Vec<i16>, OfficeError> {
    if cause.stream.family() == "readings" {
        let month = cause.stream.key().rsplit('/').next().unwrap_or_default();
        return Ok(month.parse::<Month>().map(Month::year).into_iter().collect());
    }
    Ok(match codec::decode(cause)? {
        Event::Settlement(SettlementEvent::SettlementOrdered { year, .. })
        | Event::Compensation(CompensationEvent::PaymentReceived { year, .. }) => vec![year],
        Event::Section(
            SectionEvent::SectionDeclared { period, .. } | SectionEvent::DeclarationWithdrawn { period, .. },
        ) => {
            vec![period.year()]
        }
        Event::Plan(
            PlanEvent::PlanAdopted { .. } | PlanEvent::PlanAmended { .. } | PlanEvent::TargetCorrected { .. },
        ) => {
            let (book, _) = office.records.plan_book().await?;
            let first = book.revisions().iter().map(|revision| revision.effective_from.year()).min();
            first.map_or_else(Vec::new, |first| (first..=office.today().year()).collect())
        }
        // The parts of a plan stand in one batch with the event that adopts it.
        Event::Plan(PlanEvent::EntriesListed(_))
        | Event::Settlement(_)
        | Event::Compensation(_)
        | Event::Section(_)
        | Event::Readings(_)
        | Event::Round(_)
        | Event::County(_)
        | Event::Notice(_)
        | Event::Numbering(_)
        | Event::Mail(_)
        | Event::Consumer(_) => vec![],
    })
}

/// What a year's settlement is computed from, read now; every stream read becomes a condition of `draft`.
pub(crate) async fn basis(office: &Office, year: i16, draft: &mut Draft) -> Result<SettlementBasis, OfficeError> {
    let (book, plan_version) = office.records.plan_book().await?;
    draft.require(stream::plan(), plan_version);
    let revision = Month::new(year, 12).and_then(|last| book.in_force(last)).ok_or(Refusal::NoPlanInForce)?;
    let months = months_of(year);
    let mut met = BTreeSet::new();
    for section in revision.plan.active_sections(&months).into_iter().filter(|section| section.kind.is_charged()) {
        let dossier = office.records.dossier(&section.id, &months, draft).await?;
        if meets_annual_target(&book, revision, section, year, &dossier) {
            met.insert(section.id.clone());
        }
    }
    let mut collected = Fen::ZERO;
    let mut counties: Vec<_> = book.revisions().iter().flat_map(|r| &r.plan.county).map(|county| &county.id).collect();
    counties.sort();
    counties.dedup();
    for county in counties {
        let (account, version) = office.records.compensation(county).await?;
        draft.require(stream::compensation(county), version);
        collected = collected.checked_add(account.paid(year)).unwrap_or(Fen(i64::MAX));
    }
    Ok(SettlementBasis {
        year,
        collected,
        municipal_share: revision.plan.rules.municipal_share,
        reward: revision.plan.rules.reward,
        rewarded: rewarded_counties(revision, year, |section| met.contains(&section.id)),
    })
}
