//! Settlement of a year (R7, 三(二)): the collected pool first pays what the city owes the province; of what remains a
//! share goes to municipal water work and the rest to the counties that met all their annual targets. In = out, to
//! the fen.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::assessment::{Verdict, assess};
use crate::ids::CountyId;
use crate::money::Fen;
use crate::monthly::{monthly_values, value_over};
use crate::parts::{InParts, Weigh, in_parts};
use crate::period::{Month, Period};
use crate::plan::Section;
use crate::plan::book::PlanBook;
use crate::plan::revision::PlanRevision;
use crate::plan::rules::Reward;
use crate::refusal::Refusal;
use crate::round::Dossier;
use crate::value::Value;

/// Events of a year's settlement stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementEvent {
    /// An officer ordered the settlement; a later order replaces an earlier one.
    SettlementOrdered {
        /// The year.
        year: i16,
        /// What the city owes the province.
        provincial_payable: Fen,
    },
    /// The settlement from the record as it stands.
    SettlementMade {
        /// The settlement, without the rewards of the parts that follow.
        #[serde(flatten)]
        settlement: Settlement,
        /// Parts that follow with the rest of its rewards.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Rewards of the settlement that was just made, after those it has.
    RewardsListed {
        /// The rewards.
        rewards: Vec<(CountyId, Fen)>,
    },
}

impl Weigh for (CountyId, Fen) {
    fn weight(&self) -> usize {
        self.0.weight() + 30
    }
}

impl InParts for SettlementEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::SettlementMade { parts, .. } => *parts,
            Self::RewardsListed { .. } | Self::SettlementOrdered { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (Self::SettlementMade { settlement, parts }, Self::RewardsListed { rewards }) if *parts > 0 => {
                settlement.rewards.extend(rewards);
                *parts -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}

/// The settlement of a year. `collected = provincial + municipal + Σ rewards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The year.
    pub year: i16,
    /// Every payment booked to the year, credit included.
    pub collected: Fen,
    /// Paid to the province.
    pub provincial: Fen,
    /// What the pool could not pay of the provincial bill.
    pub shortfall: Fen,
    /// For municipal water work.
    pub municipal: Fen,
    /// Rewards in order of county.
    pub rewards: Vec<(CountyId, Fen)>,
}

/// What is recorded of a year's settlement.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SettlementFile {
    /// The provincial bill of the newest order.
    pub provincial_payable: Option<Fen>,
    /// The settlement as it stands.
    pub made: Option<Settlement>,
}

impl SettlementFile {
    /// The state after an event.
    #[must_use]
    pub fn evolve(mut self, event: &SettlementEvent) -> Self {
        match event {
            SettlementEvent::SettlementOrdered { provincial_payable, .. } => {
                self.provincial_payable = Some(*provincial_payable);
            }
            SettlementEvent::SettlementMade { settlement, .. } => self.made = Some(settlement.clone()),
            SettlementEvent::RewardsListed { rewards } => {
                if let Some(made) = &mut self.made {
                    made.rewards.extend_from_slice(rewards);
                }
            }
        }
        self
    }

    /// Orders a settlement.
    ///
    /// # Errors
    /// The bill is negative.
    pub fn order(&self, year: i16, provincial_payable: Fen) -> Result<Vec<SettlementEvent>, Refusal> {
        if provincial_payable < Fen::ZERO {
            return Err(Refusal::InvalidAmount { max: i64::MAX });
        }
        Ok(vec![SettlementEvent::SettlementOrdered { year, provincial_payable }])
    }

    /// The settlement to record, when one was ordered and the record now gives another result.
    pub fn decide(&self, basis: &SettlementBasis) -> Vec<SettlementEvent> {
        let Some(payable) = self.provincial_payable else { return vec![] };
        let mut settlement = settle(payable, basis);
        if self.made.as_ref() == Some(&settlement) {
            return vec![];
        }
        let rewards = std::mem::take(&mut settlement.rewards);
        let made = |rewards, parts| {
            let settlement = Settlement { rewards, ..settlement };
            SettlementEvent::SettlementMade { settlement, parts }
        };
        in_parts(rewards, made, |rewards| SettlementEvent::RewardsListed { rewards })
    }
}

/// What a settlement is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementBasis {
    /// The year.
    pub year: i16,
    /// Every payment booked to the year.
    pub collected: Fen,
    /// Share of the rest for municipal water work.
    pub municipal_share: Decimal,
    /// How the remainder is divided.
    pub reward: Reward,
    /// Counties that met all their annual targets, with the number of their river and lake sections.
    pub rewarded: BTreeMap<CountyId, u32>,
}

/// Divides a year's pool.
pub fn settle(provincial_payable: Fen, basis: &SettlementBasis) -> Settlement {
    let provincial = basis.collected.min(provincial_payable);
    let rest = basis.collected.0 - provincial.0;
    let share = Value::from(basis.municipal_share).floor_of(rest).unwrap_or(rest);
    let rewards = divide(rest - share, basis);
    let rewarded: Fen = rewards.iter().map(|(_, fen)| *fen).sum();
    Settlement {
        year: basis.year,
        collected: basis.collected,
        provincial,
        shortfall: Fen(provincial_payable.0 - provincial.0),
        municipal: Fen(rest - rewarded.0),
        rewards,
    }
}

/// Shares `amount`: the floor of each county's weight, then the remaining fen one each, largest remainder first and
/// ties by id (with equal weights: in order of id).
fn divide(amount: i64, basis: &SettlementBasis) -> Vec<(CountyId, Fen)> {
    let weight = |sections: u32| match basis.reward {
        Reward::Equal => 1,
        Reward::BySections => i128::from(sections),
    };
    let total: i128 = basis.rewarded.values().map(|sections| weight(*sections)).sum();
    if total == 0 {
        return vec![];
    }
    let mut shares: Vec<_> = basis
        .rewarded
        .iter()
        .map(|(county, sections)| {
            let exact = i128::from(amount) * weight(*sections);
            (county.clone(), exact / total, exact % total)
        })
        .collect();
    let given: i128 = shares.iter().map(|(_, floor, _)| floor).sum();
    let mut left = i128::from(amount) - given;
    shares.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    for share in &mut shares {
        if left > 0 {
            share.1 += 1;
            left -= 1;
        }
    }
    shares.sort_by(|a, b| a.0.cmp(&b.0));
    shares.into_iter().map(|(county, fen, _)| (county, Fen(i64::try_from(fen).unwrap_or(i64::MAX)))).collect()
}

/// The twelve months of a year.
pub fn months_of(year: i16) -> Vec<Month> {
    (1..=12).filter_map(|number| Month::new(year, number)).collect()
}

/// Whether a section met its annual target: the mean of its monthly values, judged like a month (R2).
pub fn meets_annual_target(
    book: &PlanBook,
    revision: &PlanRevision,
    section: &Section,
    year: i16,
    dossier: &Dossier,
) -> bool {
    let rules = &revision.plan.rules;
    let counts =
        |month: &Month| section.is_active(*month) && !dossier.file.declarations.contains_key(&Period::Month(*month));
    let months: BTreeMap<_, _> = dossier
        .readings
        .iter()
        .filter(|(month, _)| month.year() == year && counts(month))
        .map(|(month, (readings, _))| (*month, monthly_values(&readings.to_vec(), rules)))
        .collect();
    let values = value_over(&months, rules.annual_months_min);
    let last = months_of(year).into_iter().rev().find(|month| section.is_active(*month));
    let target = last.map_or(section.target, |month| book.target(section, month));
    assess(&values, section.body(), target, None, rules).verdict == Verdict::Met
}

/// The counties whose river and lake sections active in the year all met their annual target, with their number.
/// `meets` answers for one section.
pub fn rewarded_counties(
    revision: &PlanRevision,
    year: i16,
    mut meets: impl FnMut(&Section) -> bool,
) -> BTreeMap<CountyId, u32> {
    let mut counties: BTreeMap<CountyId, Option<u32>> = BTreeMap::new();
    for section in revision.plan.active_sections(&months_of(year)).into_iter().filter(|s| s.kind.is_charged()) {
        let met = meets(section);
        let standing = counties.entry(section.county.clone()).or_insert(Some(0));
        *standing = standing.filter(|_| met).map(|sections| sections + 1);
    }
    counties.into_iter().filter_map(|(county, sections)| Some((county, sections?))).collect()
}

#[cfg(test)]
mod tests;
