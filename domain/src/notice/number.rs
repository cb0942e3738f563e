//! Document numbers (R9): gap-free per series and year; a void number stays visible and is never given again.

use serde::{Deserialize, Serialize};

use crate::ids::NoticeId;

/// The series a document number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Series {
    /// 预警.
    Warning,
    /// 约谈.
    Interview,
    /// 问责.
    Proposal,
}

impl Series {
    /// The word in a document number.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Warning => "预警",
            Self::Interview => "约谈",
            Self::Proposal => "问责",
        }
    }
}

/// A number without gaps per series and year, 聊环预警〔2020〕3号.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentNumber {
    /// The word before the series: 聊环.
    pub prefix: String,
    /// The series.
    pub series: Series,
    /// The year.
    pub year: i16,
    /// The number, from 1.
    pub number: u32,
}

impl std::fmt::Display for DocumentNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}〔{}〕{}号", self.prefix, self.series.chinese(), self.year, self.number)
    }
}

/// Events of a year's numbering stream of one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberingEvent {
    /// The next number was given.
    NumberAssigned {
        /// The number.
        number: u32,
        /// To which notice.
        notice: NoticeId,
    },
    /// A number is void and stays visible: its notice was withdrawn before it was sent.
    NumberVoided {
        /// The number.
        number: u32,
        /// Of which notice.
        notice: NoticeId,
        /// Why.
        reason: String,
    },
}

/// The numbers given in one series and year.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Numbering {
    last: u32,
}

impl Numbering {
    /// The state after an event.
    #[must_use]
    pub fn evolve(self, event: &NumberingEvent) -> Self {
        match event {
            NumberingEvent::NumberAssigned { number, .. } => Self { last: *number },
            NumberingEvent::NumberVoided { .. } => self,
        }
    }

    /// The number that comes next.
    pub fn next(&self) -> u32 {
        self.last + 1
    }
}
