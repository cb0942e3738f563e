//! What a simulated year consists of: plan, acts and readings as plain rows, shared by the writer of the scenario and
//! by the naive model.

use jiff::civil::{Date, DateTime};
use num_rational::BigRational;

/// A round: months sort before quarters, then by time. The number counts months or quarters since year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Round {
    /// One month.
    Month(i32),
    /// One quarter.
    Quarter(i32),
}

impl Round {
    /// The calendar year it lies in.
    pub(crate) fn year(self) -> i32 {
        match self {
            Self::Month(number) => number.div_euclid(12),
            Self::Quarter(number) => number.div_euclid(4),
        }
    }

    /// Its months, first to last.
    pub(crate) fn months(self) -> std::ops::RangeInclusive<i32> {
        match self {
            Self::Month(number) => number..=number,
            Self::Quarter(number) => number * 3..=number * 3 + 2,
        }
    }

    /// The word of its cadence.
    pub(crate) fn cadence(self) -> &'static str {
        match self {
            Self::Month(_) => "month",
            Self::Quarter(_) => "quarter",
        }
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Month(number) => write!(f, "{}-{:02}", number.div_euclid(12), number.rem_euclid(12) + 1),
            Self::Quarter(number) => write!(f, "{}-Q{}", number.div_euclid(4), number.rem_euclid(4) + 1),
        }
    }
}

/// The month a day lies in.
pub(crate) fn month_of(day: Date) -> i32 {
    i32::from(day.year()) * 12 + i32::from(day.month()) - 1
}

/// The settings that are varied; named as in the plan file.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one two-valued setting of the plan file")]
pub(crate) struct Rules {
    pub(crate) rounded: bool,
    pub(crate) required: Vec<&'static str>,
    pub(crate) automatic_days_min: usize,
    pub(crate) manual_precedence: Vec<&'static str>,
    pub(crate) gap_breaks: bool,
    pub(crate) year_restarts: bool,
    pub(crate) continues_after_interview: bool,
    pub(crate) consecutive_unmet: u32,
    pub(crate) interviews_per_year: usize,
    pub(crate) always_issued: bool,
    pub(crate) band_by_unmet: bool,
    /// Upper bounds and rates; the last has no bound.
    pub(crate) bands: Vec<(Option<usize>, i64)>,
    /// In hundredths.
    pub(crate) municipal_percent: i64,
    pub(crate) reward_by_sections: bool,
    pub(crate) annual_months_min: usize,
}

/// A section of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) id: String,
    pub(crate) county: String,
    pub(crate) kind: &'static str,
    /// Whether it says a body itself; by default a lake is a lake, all else a river.
    pub(crate) body: Option<&'static str>,
    /// 0 for class I to 4 for class V.
    pub(crate) target: usize,
    pub(crate) from: Option<i32>,
    pub(crate) until: Option<i32>,
}

impl Section {
    /// Whether it is assessed in a month.
    pub(crate) fn active_in(&self, month: i32) -> bool {
        self.from.is_none_or(|from| from <= month) && self.until.is_none_or(|until| month <= until)
    }

    /// Whether it belongs to a round.
    pub(crate) fn active(&self, round: Round) -> bool {
        round.months().any(|month| self.active_in(month))
    }

    /// Whether the lake's phosphorus limits apply.
    pub(crate) fn is_lake_water(&self) -> bool {
        self.body.map_or(self.kind == "lake", |body| body == "lake")
    }

    /// Whether it is charged for.
    pub(crate) fn is_charged(&self) -> bool {
        self.kind != "drinking_water"
    }
}

/// A number as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) text: String,
    /// The number; the detection limit where `below`.
    pub(crate) number: BigRational,
    pub(crate) below: bool,
}

/// One row of a file of readings.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) section: String,
    /// Beijing time.
    pub(crate) time: DateTime,
    /// As spelled in the file.
    pub(crate) time_text: String,
    pub(crate) source: &'static str,
    pub(crate) indicator: &'static str,
    pub(crate) figure: Option<Figure>,
    pub(crate) status: &'static str,
}

/// What an act does.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Import { rows: Vec<Row> },
    Declare { section: String, round: Round, reason: &'static str },
    Publish { round: Round, rest: Option<&'static str> },
    Hold { county: String },
    Determine { county: String, year: i32, serious: bool },
    Revise { rows: Vec<Row> },
    Pay { county: String, fen: i64, year: Option<i32> },
    Settle { year: i32, payable: i64 },
}

/// An act and its time in Beijing.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) at: DateTime,
    pub(crate) deed: Deed,
}

/// A simulated scenario.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) year: i32,
    pub(crate) rules: Rules,
    pub(crate) counties: Vec<String>,
    pub(crate) sections: Vec<Section>,
    pub(crate) acts: Vec<Act>,
}

impl Book {
    /// A section by its id.
    pub(crate) fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }
}
