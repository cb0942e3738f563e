//! A reading (监测值): one indicator, one time, one source, and whether it may be used.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::indicator::Indicator;

/// Where a reading comes from (三(二): automatic, national, provincial and municipal data are used together).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::EnumString, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// 自动监测.
    Automatic,
    /// 国家人工监测.
    National,
    /// 省人工监测.
    Provincial,
    /// 市人工监测.
    Municipal,
}

/// What was measured: a number, or "below this detection limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Amount {
    /// A measured number.
    Measured(Decimal),
    /// Below the detection limit given (`0.05L`): counts as half of it.
    Below(Decimal),
}

/// A text or number that cannot be a reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// Not a decimal number.
    #[error("`{text}` is not a decimal number; write 0.05, 6.3E-06, 0.05L or <0.05, or leave it empty")]
    NotANumber {
        /// The text, cut short.
        text: String,
    },
    /// More digits than are kept exactly.
    #[error("`{text}` has more digits than the 28 that are kept exactly")]
    TooManyDigits {
        /// The text, cut short.
        text: String,
    },
    /// pH outside 0–14, or a negative concentration.
    #[error("{value} is not possible for {indicator}: {range}")]
    OutOfRange {
        /// The indicator.
        indicator: Indicator,
        /// The number.
        value: Decimal,
        /// What is possible.
        range: &'static str,
    },
}

impl Amount {
    /// Reads a cell: `None` for a missing value (empty, `--`, `*`, `-`, `/`), otherwise a number or a detection limit.
    ///
    /// # Errors
    /// A text that is no decimal, or has more digits than are kept.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidAmount> {
        let text = text.trim();
        if matches!(text, "" | "--" | "*" | "-" | "/") {
            return Ok(None);
        }
        let lower = text.strip_prefix(['<', '＜']).or_else(|| text.strip_suffix(['L', 'l']));
        match lower {
            Some(limit) => Ok(Some(Self::Below(parse_decimal(limit.trim())?))),
            None => Ok(Some(Self::Measured(parse_decimal(text)?))),
        }
    }

    /// The amount divided by 1,000, for a column in μg/L; `None` when that needs more digits than are kept.
    pub fn from_micrograms(self) -> Option<Self> {
        let thousandth = |value: Decimal| {
            let mut scaled = value;
            scaled.set_scale(value.scale() + 3).ok()?;
            Some(scaled)
        };
        match self {
            Self::Measured(value) => thousandth(value).map(Self::Measured),
            Self::Below(limit) => thousandth(limit).map(Self::Below),
        }
    }

    /// The number written: the measured value or the detection limit.
    pub fn number(self) -> Decimal {
        match self {
            Self::Measured(value) | Self::Below(value) => value,
        }
    }

    /// Checks the range accepted for `indicator` (R1: pH 0–14, concentrations not negative; it also holds for
    /// readings out of use).
    ///
    /// # Errors
    /// The number is impossible for the indicator.
    pub fn check(self, indicator: Indicator) -> Result<Self, InvalidAmount> {
        let value = self.number();
        let (possible, range) = match indicator {
            Indicator::Ph => (value >= Decimal::ZERO && value <= Decimal::from(14), "pH lies in 0–14"),
            Indicator::WaterTemp => {
                (value >= Decimal::from(-20) && value <= Decimal::from(100), "water temperature lies in -20–100 ℃")
            }
            Indicator::Do
            | Indicator::Codmn
            | Indicator::Cod
            | Indicator::Bod5
            | Indicator::Nh3n
            | Indicator::Tp
            | Indicator::Cu
            | Indicator::Zn
            | Indicator::F
            | Indicator::Se
            | Indicator::As
            | Indicator::Hg
            | Indicator::Cd
            | Indicator::Cr6
            | Indicator::Pb
            | Indicator::Cn
            | Indicator::Phenol
            | Indicator::Oil
            | Indicator::Las
            | Indicator::Sulfide
            | Indicator::Tn
            | Indicator::Coliform => (value >= Decimal::ZERO, "a concentration is not negative"),
        };
        if possible { Ok(self) } else { Err(InvalidAmount::OutOfRange { indicator, value, range }) }
    }
}

/// Reads a plain or scientific decimal without passing through a float and without losing a digit.
fn parse_decimal(text: &str) -> Result<Decimal, InvalidAmount> {
    let cut = || text.chars().take(40).collect::<String>();
    let shape = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if text.is_empty() || text.len() > 64 || !shape || !text.bytes().any(|b| b.is_ascii_digit()) {
        return Err(InvalidAmount::NotANumber { text: cut() });
    }
    let parsed = if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    parsed.map_err(|error| match error {
        rust_decimal::Error::ErrorString(_) | rust_decimal::Error::ConversionTo(_) if digits <= 28 => {
            InvalidAmount::NotANumber { text: cut() }
        }
        rust_decimal::Error::ErrorString(_)
        | rust_decimal::Error::ConversionTo(_)
        | rust_decimal::Error::Underflow
        | rust_decimal::Error::ExceedsMaximumPossibleValue
        | rust_decimal::Error::LessThanMinimumPossibleValue
        | rust_decimal::Error::ScaleExceedsMaximumPrecision(_) => InvalidAmount::TooManyDigits { text: cut() },
    })
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(value) => value.fmt(f),
            Self::Below(limit) => write!(f, "{limit}L"),
        }
    }
}

impl TryFrom<String> for Amount {
    type Error = InvalidAmount;
    fn try_from(text: String) -> Result<Self, InvalidAmount> {
        Self::parse(&text)?.ok_or(InvalidAmount::NotANumber { text })
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> String {
        amount.to_string()
    }
}

/// Whether a reading may be used. Anything but normal keeps it, shows it, and never uses it (R2).
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// 正常.
    #[default]
    Normal,
    /// Any other word, kept as written.
    OutOfUse(String),
}

impl Status {
    /// True for normal.
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }
}

impl From<String> for Status {
    fn from(text: String) -> Self {
        match text.trim() {
            "" | "normal" | "正常" => Self::Normal,
            other => Self::OutOfUse(other.chars().take(40).collect()),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> String {
        match status {
            Status::Normal => "normal".to_owned(),
            Status::OutOfUse(word) => word,
        }
    }
}

/// What makes a reading of one section unique: time (Beijing), source and indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadingKey {
    /// When the water was measured or sampled, in Beijing time.
    pub at: DateTime,
    /// Who measured.
    pub source: Source,
    /// What was measured.
    pub indicator: Indicator,
}

/// A reading of one section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its key within the section.
    #[serde(flatten)]
    pub key: ReadingKey,
    /// What was measured, as written.
    pub value: Amount,
    /// Whether it may be used.
    #[serde(default, skip_serializing_if = "Status::is_normal")]
    pub status: Status,
}

impl FromStr for Amount {
    type Err = InvalidAmount;
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        Self::try_from(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn cells_are_read_as_the_contract_says() {
        let read = |text| Amount::parse(text);
        assert_eq!(read("0.05"), Ok(Some(Amount::Measured(dec!(0.05)))));
        assert_eq!(read(" 6.3E-06 "), Ok(Some(Amount::Measured(dec!(0.0000063)))));
        assert_eq!(read("0.05L"), Ok(Some(Amount::Below(dec!(0.05)))));
        assert_eq!(read("<0.05"), Ok(Some(Amount::Below(dec!(0.05)))));
        for missing in ["", "  ", "--", "*"] {
            assert_eq!(read(missing), Ok(None));
        }
    }

    #[test]
    fn texts_that_are_no_number_are_refused() {
        for text in ["abc", "=1+1", "1,5", "1.2.3", "NaN", "inf", "0x10", "1e", "e5", "L", "<", "1_000", "٣", ".", "-"]
        {
            assert!(!matches!(Amount::parse(text), Ok(Some(_))), "{text:?} was accepted");
        }
        assert!(Amount::parse("1e999").is_err());
        assert!(matches!(Amount::parse(&"9".repeat(40)), Err(InvalidAmount::TooManyDigits { .. })));
        assert!(matches!(Amount::parse("0.00000000000000000000000000001"), Err(InvalidAmount::TooManyDigits { .. })));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let check = |text: &str, indicator| Amount::parse(text).expect("number").expect("present").check(indicator);
        assert!(check("14", Indicator::Ph).is_ok());
        assert!(check("14.01", Indicator::Ph).is_err());
        assert!(check("-0.01", Indicator::Ph).is_err());
        assert!(check("-0.001", Indicator::Nh3n).is_err());
        assert!(check("0", Indicator::Nh3n).is_ok());
    }

    #[test]
    fn micrograms_become_milligrams_without_a_lost_digit() {
        let amount = Amount::Measured(dec!(0.05)).from_micrograms();
        assert_eq!(amount, Some(Amount::Measured(dec!(0.00005))));
    }
}
