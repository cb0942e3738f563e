//! The columns: one for each of the 21 indicators, and a second one for the phosphorus of lakes.

use crate::indicator::Indicator;
use crate::standard::Body;

/// Number of columns.
pub(super) const LANES: usize = INDICATORS.len();

/// The indicator of each column. A row has its phosphorus in the column of its water and none in the other, so that a
/// column has one set of limits.
pub(super) const INDICATORS: [Indicator; 22] = [
    Indicator::Ph,
    Indicator::Do,
    Indicator::Codmn,
    Indicator::Cod,
    Indicator::Bod5,
    Indicator::Nh3n,
    Indicator::Tp,
    Indicator::Cu,
    Indicator::Zn,
    Indicator::F,
    Indicator::Se,
    Indicator::As,
    Indicator::Hg,
    Indicator::Cd,
    Indicator::Cr6,
    Indicator::Pb,
    Indicator::Cn,
    Indicator::Phenol,
    Indicator::Oil,
    Indicator::Las,
    Indicator::Sulfide,
    Indicator::Tp,
];

/// The column of the phosphorus of lakes.
const LAKE_PHOSPHORUS: usize = LANES - 1;

/// A column's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane(pub(super) usize);

impl Lane {
    /// The column of `indicator` in water of kind `body`; none for an indicator that is not assessed.
    pub(super) fn of(indicator: Indicator, body: Body) -> Option<Self> {
        match (indicator, body) {
            (Indicator::Tp, Body::Lake) => Some(Self(LAKE_PHOSPHORUS)),
            (indicator, Body::Lake | Body::River) => INDICATORS.iter().position(|other| *other == indicator).map(Self),
        }
    }

    /// All columns.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..LANES).map(Self)
    }

    /// Its indicator.
    pub(super) fn indicator(self) -> Indicator {
        INDICATORS[self.0]
    }

    /// The kind of water whose limits it is compared with.
    pub(super) fn body(self) -> Body {
        if self.0 == LAKE_PHOSPHORUS { Body::Lake } else { Body::River }
    }
}
