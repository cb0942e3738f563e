//! Exact numbers: a mean of readings is kept as a fraction, so that no comparison with a limit depends on rounding.
//!
//! Nearly every value is a decimal of a few digits and is kept as one; a mean that is none, a third for instance, or one
//! of very many digits, is kept as a fraction. Each number has one form only, so that equal values are equal.

mod decimal;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use decimal::Short;

/// Significant digits of a value that is printed "in full".
pub const FULL_DIGITS: u32 = 28;
/// Longest text read as a value.
const TEXT_BYTES_MAX: usize = 128;

/// An exact number. Its text form has up to [`FULL_DIGITS`] significant digits, without trailing zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Value(Form);

/// A number that is a short decimal never is a fraction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    Short(Short),
    Fraction(Box<BigRational>),
}

/// A text that is no plain decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a plain decimal number")]
pub struct InvalidValue(String);

impl Value {
    /// The mean of `values`; `None` for no value.
    pub fn mean<'a>(values: impl IntoIterator<Item = &'a Value>) -> Option<Self> {
        let values: Vec<_> = values.into_iter().collect();
        let count = i64::try_from(values.len()).ok().filter(|count| *count > 0)?;
        let short = |value: &&Value| match value.0 {
            Form::Short(short) => Some(short),
            Form::Fraction(_) => None,
        };
        if let Some(members) = values.iter().map(short).collect::<Option<Vec<_>>>()
            && let Some(mean) = Short::mean(&members, count)
        {
            return Some(Self(Form::Short(mean)));
        }
        let sum = values.iter().fold(BigRational::zero(), |sum, value| sum + value.fraction());
        Some(Self::from(sum / BigRational::from_integer(BigInt::from(count))))
    }

    /// Half of the value.
    #[must_use]
    pub fn half(&self) -> Self {
        let short = match self.0 {
            Form::Short(short) => short.half(),
            Form::Fraction(_) => None,
        };
        let exact = || Self::from(self.fraction() / BigRational::from_integer(BigInt::from(2)));
        short.map_or_else(exact, |half| Self(Form::Short(half)))
    }

    /// So many hundredths: a share in percent.
    pub fn hundredths(percent: u32) -> Self {
        Self::from(BigRational::new(BigInt::from(percent), BigInt::from(100)))
    }

    /// The product of two values.
    #[must_use]
    pub fn times(&self, factor: &Self) -> Self {
        Self::from(self.fraction() * factor.fraction())
    }

    /// The difference `self − other`, without its sign.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Self {
        if let (Form::Short(one), Form::Short(other)) = (&self.0, &other.0)
            && let Some(distance) = one.distance(*other)
        {
            return Self(Form::Short(distance));
        }
        Self::from((self.fraction() - other.fraction()).abs())
    }

    /// Zero.
    pub fn zero() -> Self {
        Self(Form::Short(Short::default()))
    }

    /// Rounded to `decimals` places, half to even (GB/T 8170), once.
    #[must_use]
    pub fn rounded(&self, decimals: u8) -> Self {
        match self.0 {
            Form::Short(short) if short.places() <= decimals => self.clone(),
            Form::Short(_) | Form::Fraction(_) => {
                let scale = power_of_ten(u32::from(decimals));
                Self::from(BigRational::new(round_half_even(&(self.fraction() * &scale)), scale))
            }
        }
    }

    /// The largest whole number of units of the last of `decimals` places that is not above the value, and whether the
    /// value lies above it; outside 64 bits it is the nearest end, and counts as not exact.
    pub fn floor_at(&self, decimals: u8) -> (i64, bool) {
        if let Form::Short(short) = self.0
            && let Some(floor) = short.floor_at(decimals)
        {
            return floor;
        }
        let scaled = self.fraction() * power_of_ten(u32::from(decimals));
        match scaled.floor().to_integer().to_i64() {
            Some(units) => (units, !scaled.is_integer()),
            None if scaled.is_negative() => (i64::MIN, true),
            None => (i64::MAX, true),
        }
    }

    /// Text with exactly `decimals` places, half to even.
    pub fn to_fixed(&self, decimals: u8) -> String {
        let digits = round_half_even(&(self.fraction() * power_of_ten(u32::from(decimals))));
        place_point(&digits, u32::from(decimals))
    }

    /// The value with the [`FULL_DIGITS`] significant digits that are printed and kept: what is read back is equal.
    #[must_use]
    pub fn full(&self) -> Self {
        match self.0 {
            Form::Short(_) => self.clone(),
            Form::Fraction(_) => self.to_string().parse().expect("a value prints as a plain decimal"),
        }
    }

    /// The exceedance multiple `(value − limit) / limit`; `None` for a limit of zero.
    pub fn multiple_over(&self, limit: &Self) -> Option<Self> {
        let base = limit.fraction();
        (!base.is_zero()).then(|| Self::from((self.fraction() - &base) / &base))
    }

    /// The share `self` of the whole number `amount`, rounded down; `None` outside 64 bits.
    pub fn floor_of(&self, amount: i64) -> Option<i64> {
        (self.fraction() * BigInt::from(amount)).floor().to_integer().to_i64()
    }

    fn fraction(&self) -> BigRational {
        match &self.0 {
            Form::Short(short) => {
                BigRational::new(BigInt::from(short.units()), power_of_ten(u32::from(short.places())))
            }
            Form::Fraction(fraction) => BigRational::clone(fraction),
        }
    }
}

impl From<BigRational> for Value {
    fn from(fraction: BigRational) -> Self {
        Self(match Short::of(&fraction) {
            Some(short) => Form::Short(short),
            None => Form::Fraction(Box::new(fraction)),
        })
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Short(one), Form::Short(other)) => one.cmp(other),
            (Form::Short(_) | Form::Fraction(_), Form::Short(_) | Form::Fraction(_)) => {
                self.fraction().cmp(&other.fraction())
            }
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn power_of_ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

fn round_half_even(number: &BigRational) -> BigInt {
    let floor = number.floor().to_integer();
    let rest = number - BigRational::from_integer(floor.clone());
    let half = BigRational::new(BigInt::from(1), BigInt::from(2));
    let odd = (&floor % BigInt::from(2)) != BigInt::zero();
    if rest > half || (rest == half && odd) { floor + 1 } else { floor }
}

/// Writes `digits` with the decimal point `scale` places from the right.
fn place_point(digits: &BigInt, scale: u32) -> String {
    let sign = if digits.sign() == Sign::Minus { "-" } else { "" };
    let width = scale as usize + 1;
    let text = format!("{:0>width$}", digits.abs().to_string());
    if scale == 0 {
        return format!("{sign}{text}");
    }
    let (whole, fraction) = text.split_at(text.len() - scale as usize);
    format!("{sign}{whole}.{fraction}")
}

impl From<Decimal> for Value {
    fn from(decimal: Decimal) -> Self {
        match Short::of_units(decimal.mantissa(), decimal.scale()) {
            Some(short) => Self(Form::Short(short)),
            None => Self::from(BigRational::new(BigInt::from(decimal.mantissa()), power_of_ten(decimal.scale()))),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match &self.0 {
            Form::Short(short) => return short.fmt(f),
            Form::Fraction(fraction) => fraction,
        };
        let whole_digits = |n: &BigInt| u32::try_from(n.abs().to_string().len()).unwrap_or(u32::MAX);
        // Places after the point that leave the wanted number of significant digits; a quotient has the difference of
        // the digit counts, or one more, as its exponent, so one place is spare and goes with the trailing zeros.
        let exponent = i64::from(whole_digits(number.numer())) - i64::from(whole_digits(number.denom()));
        let mut places = u32::try_from((i64::from(FULL_DIGITS) - exponent).max(0)).unwrap_or(0);
        let mut digits = round_half_even(&(number.as_ref() * power_of_ten(places)));
        while whole_digits(&digits) > FULL_DIGITS && places > 0 {
            places -= 1;
            digits = round_half_even(&(number.as_ref() * power_of_ten(places)));
        }
        let text = place_point(&digits, places);
        f.write_str(if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text })
    }
}

impl FromStr for Value {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let unsigned = digits.strip_prefix('-').unwrap_or(&digits);
        if text.len() > TEXT_BYTES_MAX || unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let scale = u32::try_from(fraction.len()).map_err(|_| invalid())?;
        // More digits than 128 bits hold are no short decimal, and read below.
        if let Some(short) = digits.parse().ok().and_then(|units| Short::of_units(units, scale)) {
            return Ok(Self(Form::Short(short)));
        }
        Ok(Self::from(BigRational::new(digits.parse().map_err(|_| invalid())?, power_of_ten(scale))))
    }
}

impl TryFrom<String> for Value {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Value> for String {
    fn from(value: Value) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Value {
        text.parse().expect(text)
    }

    #[test]
    fn a_mean_that_equals_the_limit_is_not_above_it() {
        let thirds = [value("1"), value("1"), value("2")];
        let mean = Value::mean(&thirds).expect("three values");
        let again = Value::mean([&mean, &mean, &mean]).expect("three values");
        assert_eq!(again, mean);
        assert_eq!(Value::mean([&value("0.1"), &value("0.2"), &value("0.3")]), Some(value("0.2")));
    }

    #[test]
    fn rounding_is_half_to_even() {
        for (text, decimals, expected) in [
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("2.5", 0, "2"),
            ("3.5", 0, "4"),
            ("8.53459", 2, "8.53"),
            ("1", 2, "1.00"),
        ] {
            assert_eq!(value(text).to_fixed(decimals), expected);
        }
    }

    #[test]
    fn a_floor_tells_whether_it_is_exact() {
        for (text, decimals, expected) in [
            ("0.05", 2, (5, false)),
            ("0.059", 2, (5, true)),
            ("-0.051", 2, (-6, true)),
            ("3", 0, (3, false)),
            ("100000000000000000000", 0, (i64::MAX, true)),
            ("-100000000000000000000", 0, (i64::MIN, true)),
        ] {
            assert_eq!(value(text).floor_at(decimals), expected, "{text}");
        }
    }

    #[test]
    fn values_print_with_28_significant_digits() {
        let third = Value::mean([&value("1"), &value("0"), &value("0")]).expect("three values");
        assert_eq!(third.to_string(), "0.3333333333333333333333333333");
        let small = Value::mean([&value("0.00001"), &value("0"), &value("0")]).expect("three values");
        assert_eq!(small.to_string(), "0.000003333333333333333333333333333");
        let two_thirds = Value::mean([&value("200"), &value("0"), &value("0")]).expect("three values");
        assert_eq!(two_thirds.to_string(), "66.66666666666666666666666667");
        for text in ["0", "1.12", "100", "0.05", "-3.5"] {
            assert_eq!(value(text).to_string(), text);
        }
        assert_eq!(value("1.120").to_string(), "1.12");
    }

    /// A number near the ends of what a short decimal holds, or with few digits, or a quotient that is none.
    fn fractions() -> impl Strategy<Value = BigRational> {
        let units = prop_oneof![-2_000i64..2_000, any::<i64>(), Just(i64::MAX), Just(i64::MIN), Just(0)];
        let places = prop_oneof![0u32..6, 16u32..22];
        (units, places, prop::sample::select(vec![1i64, 2, 3, 4, 5, 7, 8, 10, 31])).prop_map(
            |(units, places, divisor)| {
                BigRational::new(BigInt::from(units), power_of_ten(places) * BigInt::from(divisor))
            },
        )
    }

    proptest! {
        #[test]
        fn the_short_form_computes_what_fractions_compute(
            numbers in prop::collection::vec(fractions(), 1..5), decimals in 0u8..12
        ) {
            let values: Vec<_> = numbers.iter().cloned().map(Value::from).collect();
            let sum = numbers.iter().fold(BigRational::zero(), |sum, number| sum + number);
            let mean = sum / BigRational::from_integer(BigInt::from(numbers.len()));
            prop_assert_eq!(Value::mean(&values), Some(Value::from(mean)));
            let (one, other) = (&numbers[0], numbers.last().expect("one at least"));
            let (short, last) = (&values[0], values.last().expect("one at least"));
            prop_assert_eq!(short.cmp(last), one.cmp(other));
            prop_assert_eq!(short == last, one == other);
            prop_assert_eq!(short.distance(last), Value::from((one - other).abs()));
            prop_assert_eq!(&short.fraction(), one);
            prop_assert_eq!(short.half(), Value::from(one / BigRational::from_integer(BigInt::from(2))));
            let scaled = one * power_of_ten(u32::from(decimals));
            let units = scaled.floor().to_integer().to_i64();
            let outside = if one.is_negative() { i64::MIN } else { i64::MAX };
            prop_assert_eq!(
                short.floor_at(decimals),
                units.map_or((outside, true), |units| (units, !scaled.is_integer()))
            );
            let rounded = BigRational::new(round_half_even(&scaled), power_of_ten(u32::from(decimals)));
            prop_assert_eq!(short.rounded(decimals), Value::from(rounded));
            let long = Value(Form::Fraction(Box::new(one.clone())));
            prop_assert_eq!(short.to_string(), long.to_string());
            prop_assert_eq!(short.full(), long.full());
        }

        #[test]
        fn a_decimal_reads_as_it_prints(mantissa in -1_000_000_000_000i64..1_000_000_000_000, scale in 0u32..12) {
            let exact = Value::from(Decimal::new(mantissa, scale));
            prop_assert_eq!(exact.to_string().parse::<Value>(), Ok(exact));
        }
    }
}
