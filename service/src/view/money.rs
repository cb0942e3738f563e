//! The compensation ledger and the settlement as people see them; debits and credits always add up to the same.

use bishui_domain::compensation::{Account, CompensationEvent};
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::money::Fen;
use bishui_domain::period::Month;
use bishui_infra::event_log::Position;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Scope, county_name, not_found};
use crate::error::OfficeError;
use crate::register::Register;

/// A year's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ledger {
    /// The year.
    pub year: i16,
    /// Every movement, in the order of the log.
    pub lines: Vec<LedgerView>,
    /// Sum of all debits.
    #[schema(value_type = i64)]
    pub debit_fen: Fen,
    /// Sum of all credits.
    #[schema(value_type = i64)]
    pub credit_fen: Fen,
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerView {
    /// Where in the log.
    #[schema(value_type = u64)]
    pub position: Position,
    /// When it was recorded.
    #[schema(value_type = String)]
    pub recorded_at: Timestamp,
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// `charge`, `reversal` or `payment`.
    pub what: String,
    /// The month of a charge or reversal.
    #[schema(value_type = Option<String>)]
    pub month: Option<Month>,
    /// The sections of a charge or reversal.
    #[schema(value_type = Vec<String>)]
    pub sections: Vec<SectionId>,
    /// The account debited.
    #[schema(value_type = String)]
    pub debit: Account,
    /// The account credited.
    #[schema(value_type = String)]
    pub credit: Account,
    /// The amount.
    #[schema(value_type = i64)]
    pub fen: Fen,
    /// What the county owes for the year after this movement; negative for a credit.
    #[schema(value_type = i64)]
    pub balance_fen: Fen,
}

/// The settlement of a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementView {
    /// The year.
    pub year: i16,
    /// The pool and how it was divided; shown to the city only.
    pub pool: Option<PoolView>,
    /// Rewards in order of county.
    pub rewards: Vec<RewardView>,
}

/// The pool of a settlement: `collected = provincial + municipal + rewards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// Every payment booked to the year.
    #[schema(value_type = i64)]
    pub collected_fen: Fen,
    /// Paid to the province.
    #[schema(value_type = i64)]
    pub provincial_fen: Fen,
    /// What the pool could not pay of the provincial bill.
    #[schema(value_type = i64)]
    pub shortfall_fen: Fen,
    /// For municipal water work.
    #[schema(value_type = i64)]
    pub municipal_fen: Fen,
}

/// A county's reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RewardView {
    /// The county.
    #[schema(value_type = String)]
    pub county: CountyId,
    /// The county's name.
    pub county_name: String,
    /// The amount.
    #[schema(value_type = i64)]
    pub fen: Fen,
}

/// A year's ledger of the counties the asker sees.
pub fn ledger(register: &Register, scope: &Scope, year: i16) -> Ledger {
    let mut balances = std::collections::BTreeMap::new();
    let (mut lines, mut debits, mut credits) = (Vec::new(), Vec::new(), Vec::new());
    for line in register.ledger.iter().filter(|line| line.entry.year == year && scope.sees(&line.county)) {
        let (what, sections) = match &line.event {
            CompensationEvent::Charged { charge, .. } => ("charge", charge.sections.clone()),
            CompensationEvent::ChargeReversed { charge, .. } => ("reversal", charge.sections.clone()),
            CompensationEvent::PaymentReceived { .. } => ("payment", vec![]),
            // No movement: it is joined to the line before.
            CompensationEvent::SectionsListed { .. } => continue,
        };
        let balance: &mut i64 = balances.entry(&line.county).or_default();
        for (account, sign) in [(line.entry.debit, 1), (line.entry.credit, -1)] {
            if account == Account::Receivable {
                *balance = balance.saturating_add(line.entry.fen.0.saturating_mul(sign));
            }
        }
        debits.push(line.entry.fen);
        credits.push(line.entry.fen);
        lines.push(LedgerView {
            position: line.position,
            recorded_at: line.recorded_at,
            county: line.county.clone(),
            county_name: county_name(&register.plans, &line.county),
            what: what.to_owned(),
            month: line.entry.month,
            sections,
            debit: line.entry.debit,
            credit: line.entry.credit,
            fen: line.entry.fen,
            balance_fen: Fen(*balance),
        });
    }
    Ledger { year, lines, debit_fen: debits.into_iter().sum(), credit_fen: credits.into_iter().sum() }
}

/// The settlement of a year; a county sees its own reward.
///
/// # Errors
/// The year was not settled.
pub fn settlement(register: &Register, scope: &Scope, year: i16) -> Result<SettlementView, OfficeError> {
    let made = register.settlements.get(&year).and_then(|file| file.made.as_ref());
    let made = made.ok_or_else(|| not_found("a settlement of this year"))?;
    let rewards = made.rewards.iter().filter(|(county, _)| scope.sees(county)).map(|(county, fen)| RewardView {
        county: county.clone(),
        county_name: county_name(&register.plans, county),
        fen: *fen,
    });
    let pool = PoolView {
        collected_fen: made.collected,
        provincial_fen: made.provincial,
        shortfall_fen: made.shortfall,
        municipal_fen: made.municipal,
    };
    Ok(SettlementView { year, rewards: rewards.collect(), pool: (*scope == Scope::City).then_some(pool) })
}
