//! Ecological compensation (生态赔偿金), R7, 三(二): what a county owes for each published month, what it paid, and a
//! double entry of every movement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::county::{County, JudgedRound};
use crate::ids::SectionId;
use crate::money::Fen;
use crate::parts::{InParts, in_parts};
use crate::period::{Month, Period};
use crate::plan::rules::BandBasis;
use crate::refusal::Refusal;

/// Largest payment accepted: ten thousand million yuan.
pub const PAYMENT_MAX: Fen = Fen(1_000_000_000_000);

/// Events of a county's compensation stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationEvent {
    /// A month's unmet river and lake sections were charged.
    Charged {
        /// The charge, without the sections of the parts that follow.
        #[serde(flatten)]
        charge: Charge,
        /// Parts that follow with the rest of its sections.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// A charge was reversed (冲正), because a correction changed it (R8).
    ChargeReversed {
        /// The charge, without the sections of the parts that follow.
        #[serde(flatten)]
        charge: Charge,
        /// Parts that follow with the rest of its sections.
        #[serde(default, skip_serializing_if = "crate::parts::none")]
        parts: u32,
    },
    /// Sections of the month that was just charged or reversed, after those it has.
    SectionsListed {
        /// The month.
        month: Month,
        /// The sections.
        sections: Vec<SectionId>,
    },
    /// A payment was booked onto the county's account.
    PaymentReceived {
        /// The year of the charges it is for.
        year: i16,
        /// The amount.
        fen: Fen,
    },
}

/// One month's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The month.
    pub month: Month,
    /// The sections charged, in order of id.
    pub sections: Vec<SectionId>,
    /// The number of sections that chose the band.
    pub band_sections: u32,
    /// The rate a section.
    pub rate: Fen,
    /// Sections × rate.
    pub fen: Fen,
}

impl Charge {
    fn events(mut self, first: impl FnOnce(Self, u32) -> CompensationEvent) -> Vec<CompensationEvent> {
        let (month, sections) = (self.month, std::mem::take(&mut self.sections));
        let more = |sections| CompensationEvent::SectionsListed { month, sections };
        in_parts(sections, |sections, parts| first(Self { sections, ..self }, parts), more)
    }
}

impl InParts for CompensationEvent {
    fn parts(&self) -> u32 {
        match self {
            Self::Charged { parts, .. } | Self::ChargeReversed { parts, .. } => *parts,
            Self::SectionsListed { .. } | Self::PaymentReceived { .. } => 0,
        }
    }

    fn join(&mut self, part: Self) -> Result<(), Self> {
        match (self, part) {
            (
                Self::Charged { charge, parts } | Self::ChargeReversed { charge, parts },
                Self::SectionsListed { sections, .. },
            ) if *parts > 0 => {
                charge.sections.extend(sections);
                *parts -= 1;
                Ok(())
            }
            (_, other) => Err(other),
        }
    }
}

/// A county's compensation account.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Compensation {
    /// Charges as they stand, by month.
    pub charges: BTreeMap<Month, Charge>,
    /// Payments by the year of the charges.
    pub payments: BTreeMap<i16, Vec<Fen>>,
}

impl Compensation {
    /// The state after an event.
    #[must_use]
    pub fn evolve(mut self, event: &CompensationEvent) -> Self {
        match event {
            CompensationEvent::Charged { charge, .. } => {
                self.charges.insert(charge.month, charge.clone());
            }
            CompensationEvent::ChargeReversed { charge, .. } => {
                self.charges.remove(&charge.month);
            }
            // What a reversed charge was for goes with it.
            CompensationEvent::SectionsListed { month, sections } => {
                if let Some(charge) = self.charges.get_mut(month) {
                    charge.sections.extend_from_slice(sections);
                }
            }
            CompensationEvent::PaymentReceived { year, fen } => self.payments.entry(*year).or_default().push(*fen),
        }
        self
    }

    /// What was charged for a year, net of reversals.
    pub fn charged(&self, year: i16) -> Fen {
        self.charges.values().filter(|charge| charge.month.year() == year).map(|charge| charge.fen).sum()
    }

    /// What was paid for a year, credit included.
    pub fn paid(&self, year: i16) -> Fen {
        self.payments.get(&year).into_iter().flatten().copied().sum()
    }

    /// What is owed for a year; negative for a credit.
    pub fn balance(&self, year: i16) -> Fen {
        self.charged(year).checked_sub(self.paid(year)).unwrap_or(Fen(i64::MIN))
    }

    /// Books a payment.
    ///
    /// # Errors
    /// The amount is not positive or too large.
    pub fn pay(&self, year: i16, fen: Fen) -> Result<Vec<CompensationEvent>, Refusal> {
        if fen <= Fen::ZERO || fen > PAYMENT_MAX {
            return Err(Refusal::InvalidAmount { max: PAYMENT_MAX.0 });
        }
        Ok(vec![CompensationEvent::PaymentReceived { year, fen }])
    }
}

/// Differences between the charges that the county's published months demand and those recorded.
pub fn decide(county: &County, compensation: &Compensation) -> Vec<CompensationEvent> {
    let mut events = Vec::new();
    for round in county.rounds.iter().filter(|round| round.complete) {
        let Period::Month(month) = round.period else { continue };
        let (due, standing) = (charge(round, month), compensation.charges.get(&month));
        if due.as_ref() == standing {
            continue;
        }
        let reversed = |charge, parts| CompensationEvent::ChargeReversed { charge, parts };
        events.extend(standing.cloned().into_iter().flat_map(|charge| charge.events(reversed)));
        let charged = |charge, parts| CompensationEvent::Charged { charge, parts };
        events.extend(due.into_iter().flat_map(|charge| charge.events(charged)));
    }
    events
}

/// The charge of one published month; none without an unmet river or lake section.
fn charge(round: &JudgedRound, month: Month) -> Option<Charge> {
    let assigned = round.verdicts.values().filter(|verdict| verdict.kind.is_charged()).count();
    let sections: Vec<_> =
        round.unmet().filter(|verdict| verdict.kind.is_charged()).map(|verdict| verdict.section.clone()).collect();
    let unmet = u32::try_from(sections.len()).ok().filter(|count| *count > 0)?;
    let band_sections = match round.rules.band_basis {
        BandBasis::Assigned => u32::try_from(assigned).unwrap_or(u32::MAX),
        BandBasis::Unmet => unmet,
    };
    let rate = round.rules.rate(band_sections);
    let fen = rate.checked_mul(unmet).unwrap_or(Fen(i64::MAX));
    (fen > Fen::ZERO).then_some(Charge { month, sections, band_sections, rate, fen })
}

/// One side of a double entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Account {
    /// What the county owes (应收生态赔偿金).
    Receivable,
    /// Compensation charged (生态赔偿金收入).
    Charges,
    /// Money received by the municipal treasury (市级财政专户).
    Treasury,
}

/// One movement: `debit` and `credit` always carry the same amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The account debited.
    pub debit: Account,
    /// The account credited.
    pub credit: Account,
    /// The amount, positive.
    pub fen: Fen,
    /// The year it belongs to.
    pub year: i16,
    /// What it is for: the month of a charge or reversal.
    pub month: Option<Month>,
}

/// The double entry of an event; none of a part, which moves nothing.
pub fn entry(event: &CompensationEvent) -> Option<Entry> {
    let (debit, credit, fen, year, month) = match event {
        CompensationEvent::Charged { charge: c, .. } => {
            (Account::Receivable, Account::Charges, c.fen, c.month.year(), Some(c.month))
        }
        CompensationEvent::ChargeReversed { charge: c, .. } => {
            (Account::Charges, Account::Receivable, c.fen, c.month.year(), Some(c.month))
        }
        CompensationEvent::PaymentReceived { year, fen } => (Account::Treasury, Account::Receivable, *fen, *year, None),
        CompensationEvent::SectionsListed { .. } => return None,
    };
    Some(Entry { debit, credit, fen, year, month })
}

#[cfg(test)]
mod tests;
