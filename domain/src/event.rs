//! All events by the family of stream they belong to, with stable type names.

use strum::IntoStaticStr;

use crate::compensation::CompensationEvent;
use crate::consumer::ConsumerEvent;
use crate::county::CountyEvent;
use crate::delivery::MailEvent;
use crate::notice::{NoticeEvent, NumberingEvent};
use crate::parts::InParts;
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

/// The families whose events may go on in parts; every other event is whole.
macro_rules! parts_of {
    ($($variant:ident),*; $($whole:ident),*) => {
        impl InParts for Event {
            fn parts(&self) -> u32 {
                match self {
                    $(Self::$variant(event) => event.parts(),)*
                    $(Self::$whole(_))|* => 0,
                }
            }

            fn join(&mut self, part: Self) -> Result<(), Self> {
                match (self, part) {
                    $((Self::$variant(event), Self::$variant(part)) => event.join(part).map_err(Self::$variant),)*
                    (_, other) => Err(other),
                }
            }
        }
    };
}

parts_of! {
    Plan, County, Compensation, Settlement, Notice, Mail; Readings, Section, Round, Numbering, Consumer
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
