//! Decimals of up to 18 places whose units fit 64 bits: what readings, limits and most means are.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};

/// Most places; two numbers brought to the same place fit 128 bits then.
const PLACES_MAX: u8 = 18;

/// `units` of the last of `places` decimal places, without a trailing zero behind the point.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Short {
    units: i64,
    places: u8,
}

impl Short {
    /// The number of its last place's units.
    pub(super) fn units(self) -> i64 {
        self.units
    }

    /// Its decimal places.
    pub(super) fn places(self) -> u8 {
        self.places
    }

    /// `units` of the last of `places` places; none when it has too many digits.
    pub(super) fn of_units(mut units: i128, mut places: u32) -> Option<Self> {
        while places > 0 && units % 10 == 0 {
            units /= 10;
            places -= 1;
        }
        let places = u8::try_from(places).ok().filter(|places| *places <= PLACES_MAX)?;
        Some(Self { units: i64::try_from(units).ok()?, places })
    }

    /// The number, if it is a short decimal.
    pub(super) fn of(fraction: &BigRational) -> Option<Self> {
        let mut denominator = fraction.denom().to_u128()?;
        let mut places = [0u32; 2];
        for (places, prime) in places.iter_mut().zip([2, 5]) {
            while denominator % prime == 0 {
                denominator /= prime;
                *places += 1;
            }
        }
        let places = places[0].max(places[1]);
        if !denominator.is_one() || places > u32::from(PLACES_MAX) {
            return None;
        }
        let units = fraction * BigInt::from(10).pow(places);
        Self::of_units(units.to_integer().to_i128()?, places)
    }

    /// The units when it is written with `places` places, which are as many as it has or more.
    fn at(self, places: u8) -> i128 {
        i128::from(self.units) * 10i128.pow(u32::from(places - self.places))
    }

    /// The mean of `count` members; none when it is not a short decimal, or not easily found to be one.
    pub(super) fn mean(members: &[Self], count: i64) -> Option<Self> {
        /// Places that a division by the powers of two and five up to 1,000 may add.
        const MORE_PLACES_MAX: u32 = 9;
        let places = members.iter().map(|member| member.places).max()?;
        let sum = members.iter().try_fold(0i128, |sum, member| sum.checked_add(member.at(places)))?;
        for more in 0..=MORE_PLACES_MAX {
            let units = sum.checked_mul(10i128.pow(more))?;
            if units % i128::from(count) == 0 {
                return Self::of_units(units / i128::from(count), u32::from(places) + more);
            }
        }
        None
    }

    /// The difference without its sign; none when it has too many digits.
    pub(super) fn distance(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        Self::of_units((self.at(places) - other.at(places)).abs(), u32::from(places))
    }

    /// Half of the number; none when it has too many digits.
    pub(super) fn half(self) -> Option<Self> {
        Self::of_units(i128::from(self.units) * 5, u32::from(self.places) + 1)
    }

    /// Its units of the last of `decimals` places, rounded down, and whether anything was cut off; none outside 64 bits.
    pub(super) fn floor_at(self, decimals: u8) -> Option<(i64, bool)> {
        if decimals >= self.places {
            let factor = 10i128.checked_pow(u32::from(decimals - self.places))?;
            return Some((i64::try_from(i128::from(self.units).checked_mul(factor)?).ok()?, false));
        }
        let unit = 10i64.checked_pow(u32::from(self.places - decimals))?;
        Some((self.units.div_euclid(unit), !self.units.rem_euclid(unit).is_zero()))
    }
}

impl Ord for Short {
    fn cmp(&self, other: &Self) -> Ordering {
        let places = self.places.max(other.places);
        self.at(places).cmp(&other.at(places))
    }
}

impl PartialOrd for Short {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let unit = 10u64.pow(u32::from(self.places));
        let (whole, rest) = (self.units.unsigned_abs() / unit, self.units.unsigned_abs() % unit);
        if self.places == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{rest:0>width$}", width = usize::from(self.places))
    }
}
