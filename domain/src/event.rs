//! All events by the family of stream they belong to, with stable type names.

use strum::IntoStaticStr;

use crate::compensation::CompensationEvent;
use crate::consumer::ConsumerEvent;
use crate::county::CountyEvent;
use crate::delivery::MailEvent;
use crate::notice::{NoticeEvent, NumberingEvent};
use crate::plan::book::PlanEvent;
use crate::readings::ReadingsEvent;
use crate::round::{RoundEvent, SectionEvent};
use crate::settlement::SettlementEvent;

/// An event of any stream. The variant names the family; the name in lower case is part of the stored type.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a plan is large and rare; boxing it would show in every match")]
pub enum Event {
    /// The plan stream.
    Plan(PlanEvent),
    /// A section-month's readings.
    Readings(ReadingsEvent),
    /// A section.
    Section(SectionEvent),
    /// A round.
    Round(RoundEvent),
    /// A county.
    County(CountyEvent),
    /// A county's compensation.
    Compensation(CompensationEvent),
    /// A year's settlement.
    Settlement(SettlementEvent),
    /// A notice.
    Notice(NoticeEvent),
    /// A series of document numbers.
    Numbering(NumberingEvent),
    /// A mail message.
    Mail(MailEvent),
    /// A consumer of the log.
    Consumer(ConsumerEvent),
}

impl Event {
    /// The family's name: the first part of the stored type and of the stream's name.
    pub fn family(&self) -> &'static str {
        self.into()
    }
}

macro_rules! from_family {
    ($($variant:ident($event:ty)),* $(,)?) => {$(
        impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        }
    )*};
}

from_family! {
    Plan(PlanEvent), Readings(ReadingsEvent), Section(SectionEvent), Round(RoundEvent), County(CountyEvent),
    Compensation(CompensationEvent), Settlement(SettlementEvent), Notice(NoticeEvent), Numbering(NumberingEvent),
    Mail(MailEvent), Consumer(ConsumerEvent),
}
