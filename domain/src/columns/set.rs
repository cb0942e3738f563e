//! A set of indicators as the bits of one integer.

use strum::IntoEnumIterator as _;

use crate::indicator::Indicator;

/// A set of indicators.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndicatorSet(pub(super) u32);

impl IndicatorSet {
    /// The bit of `indicator`.
    pub(super) const fn bit(indicator: Indicator) -> u32 {
        1 << (indicator as u32)
    }

    /// Whether `indicator` is in the set.
    pub fn contains(self, indicator: Indicator) -> bool {
        self.0 & Self::bit(indicator) != 0
    }

    /// Number of indicators in the set.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// True for the empty set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The indicators in the order of the standard.
    pub fn iter(self) -> impl Iterator<Item = Indicator> {
        Indicator::iter().filter(move |indicator| self.contains(*indicator))
    }
}

impl FromIterator<Indicator> for IndicatorSet {
    fn from_iter<I: IntoIterator<Item = Indicator>>(indicators: I) -> Self {
        Self(indicators.into_iter().map(Self::bit).fold(0, |set, bit| set | bit))
    }
}
