//! The columns: one for each of the 21 indicators, and a second one for the phosphorus of lakes.

use crate::indicator::Indicator;
use crate::standard::Body;

/// Number of columns.
pub(super) const LANES: usize = COLUMNS.len();

/// The indicator of each column, and the decimal places that its values keep: as many as leave the largest limit half of
/// the 16 bits at least. A row has its phosphorus in the column of its water and none in the other, so that a column has
/// one set of limits.
#[rustfmt::skip]
const COLUMNS: [(Indicator, u8); 22] = [
    (Indicator::Ph, 4),
    (Indicator::Do, 3),
    (Indicator::Codmn, 3),
    (Indicator::Cod, 2),
    (Indicator::Bod5, 3),
    (Indicator::Nh3n, 3),
    (Indicator::Tp, 4),
    (Indicator::Cu, 4),
    (Indicator::Zn, 3),
    (Indicator::F, 4),
    (Indicator::Se, 5),
    (Indicator::As, 5),
    (Indicator::Hg, 7),
    (Indicator::Cd, 6),
    (Indicator::Cr6, 5),
    (Indicator::Pb, 5),
    (Indicator::Cn, 4),
    (Indicator::Phenol, 5),
    (Indicator::Oil, 4),
    (Indicator::Las, 4),
    (Indicator::Sulfide, 4),
    (Indicator::Tp, 4),
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
            (indicator, Body::Lake | Body::River) => {
                COLUMNS.iter().position(|(other, _)| *other == indicator).map(Self)
            }
        }
    }

    /// All columns.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..LANES).map(Self)
    }

    /// Its indicator.
    pub(super) fn indicator(self) -> Indicator {
        COLUMNS[self.0].0
    }

    /// The decimal places of its values that are kept as they are.
    pub(super) fn places(self) -> u8 {
        COLUMNS[self.0].1
    }

    /// The kind of water whose limits it is compared with.
    pub(super) fn body(self) -> Body {
        if self.0 == LAKE_PHOSPHORUS { Body::Lake } else { Body::River }
    }
}
