//! Months, quarters and the two cadences of assessment, in Beijing time.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Years the service accepts; the standard dates from 2002.
pub const YEARS: std::ops::RangeInclusive<i16> = 2000..=2199;

/// The day in Beijing of an instant (UTC+8; no daylight saving since 1991).
pub fn beijing_date(at: jiff::Timestamp) -> Date {
    jiff::tz::TimeZone::fixed(jiff::tz::offset(8)).to_datetime(at).date()
}

/// A text that names no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a period: write 2020-01 for a month, 2020-Q1 for a quarter")]
pub struct InvalidPeriod {
    /// The refused text.
    pub text: String,
}

fn invalid(text: &str) -> InvalidPeriod {
    InvalidPeriod { text: text.chars().take(20).collect() }
}

fn parse_year(text: &str) -> Option<i16> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    text.parse().ok().filter(|year| YEARS.contains(year))
}

macro_rules! text_form {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidPeriod;
            fn try_from(text: String) -> Result<Self, InvalidPeriod> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(period: $name) -> String {
                period.to_string()
            }
        }
    };
}

/// A calendar month, `2020-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month of `year`, or `None` for a number outside 1–12 or a year outside [`YEARS`].
    pub fn new(year: i16, month: i8) -> Option<Self> {
        (YEARS.contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The month that `date` falls in, or `None` outside [`YEARS`].
    pub fn of(date: Date) -> Option<Self> {
        Self::new(date.year(), date.month())
    }

    /// Calendar year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// Number of the month, 1–12.
    pub fn number(self) -> i8 {
        self.month
    }

    /// The quarter this month belongs to.
    pub fn quarter(self) -> Quarter {
        Quarter { year: self.year, quarter: (self.month - 1) / 3 + 1 }
    }

    /// The last day of the month.
    pub fn last_day(self) -> Date {
        jiff::civil::date(self.year, self.month, 1).last_of_month()
    }
}

impl FromStr for Month {
    type Err = InvalidPeriod;
    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let parse = || {
            let (year, month) = text.split_once('-')?;
            (month.len() == 2 && month.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
            Self::new(parse_year(year)?, month.parse().ok()?)
        };
        parse().ok_or_else(|| invalid(text))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

text_form!(Month);

/// A quarter of a year, `2020-Q1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quarter {
    year: i16,
    quarter: i8,
}

impl Quarter {
    /// The quarter of `year`, or `None` for a number outside 1–4 or a year outside [`YEARS`].
    pub fn new(year: i16, quarter: i8) -> Option<Self> {
        (YEARS.contains(&year) && (1..=4).contains(&quarter)).then_some(Self { year, quarter })
    }

    /// Calendar year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// Number of the quarter, 1–4.
    pub fn number(self) -> i8 {
        self.quarter
    }

    /// Its three months in order.
    pub fn months(self) -> [Month; 3] {
        let first = (self.quarter - 1) * 3 + 1;
        [0, 1, 2].map(|offset| Month { year: self.year, month: first + offset })
    }
}

impl FromStr for Quarter {
    type Err = InvalidPeriod;
    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let parse = || {
            let (year, quarter) = text.split_once("-Q")?;
            (quarter.len() == 1).then_some(())?;
            Self::new(parse_year(year)?, quarter.parse().ok()?)
        };
        parse().ok_or_else(|| invalid(text))
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.quarter)
    }
}

text_form!(Quarter);

/// How often a round is held: months sort before quarters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Cadence {
    /// 月度考核.
    Month,
    /// 季度考核.
    Quarter,
}

/// One period of either cadence; months sort before quarters, then by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Period {
    /// A month.
    Month(Month),
    /// A quarter.
    Quarter(Quarter),
}

impl Period {
    /// The cadence this period belongs to.
    pub fn cadence(self) -> Cadence {
        match self {
            Self::Month(_) => Cadence::Month,
            Self::Quarter(_) => Cadence::Quarter,
        }
    }

    /// Calendar year.
    pub fn year(self) -> i16 {
        match self {
            Self::Month(month) => month.year(),
            Self::Quarter(quarter) => quarter.year(),
        }
    }

    /// The months whose readings the period is assessed on.
    pub fn months(self) -> Vec<Month> {
        match self {
            Self::Month(month) => vec![month],
            Self::Quarter(quarter) => quarter.months().to_vec(),
        }
    }

    /// The last month of the period, whose plan and rules judge it.
    pub fn last_month(self) -> Month {
        match self {
            Self::Month(month) => month,
            Self::Quarter(quarter) => quarter.months()[2],
        }
    }

    /// The period in Chinese, `2020年1月` or `2020年第1季度`.
    pub fn chinese(self) -> String {
        match self {
            Self::Month(month) => format!("{}年{}月", month.year(), month.number()),
            Self::Quarter(quarter) => format!("{}年第{}季度", quarter.year(), quarter.number()),
        }
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;
    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        text.parse().map(Self::Month).or_else(|_| text.parse().map(Self::Quarter))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(month) => month.fmt(f),
            Self::Quarter(quarter) => quarter.fmt(f),
        }
    }
}

text_form!(Period);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_read_as_they_print() {
        for text in ["2020-01", "2020-12", "2020-Q1", "2021-Q4"] {
            assert_eq!(text.parse::<Period>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_no_period_are_refused() {
        for text in [
            "",
            "2020",
            "2020-13",
            "2020-00",
            "2020-1",
            "20-01",
            "2020-Q5",
            "2020-Q0",
            "1899-01",
            "2020-01-01",
            "+020-01",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_quarter_has_its_three_months() {
        let quarter = Quarter::new(2020, 3).expect("valid");
        assert_eq!(quarter.months().map(super::Month::number), [7, 8, 9]);
        assert!(quarter.months().iter().all(|m| m.quarter() == quarter));
    }
}
