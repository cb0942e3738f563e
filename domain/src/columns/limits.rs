//! The limits that columns are compared with: those of the standard, or others in a what-if question.

use rust_decimal::Decimal;

use super::cell::{code_of_limit, half_range, largest_limit};
use super::lane::{LANES, Lane};
use crate::indicator::{Direction, Indicator};
use crate::standard::{self, Body, Target};

/// Limits of classes Ⅰ to Ⅴ for every column, as codes, best class first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub(super) lanes: [[i16; 5]; LANES],
}

/// Limits that columns cannot be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitLimit {
    /// Negative, or more digits than the indicator's columns keep.
    #[error(
        "the limit {limit} of {indicator} does not fit: write it with at most {places} decimal places, from 0 to {most}"
    )]
    OutOfRange {
        /// The indicator.
        indicator: Indicator,
        /// The limit.
        limit: Decimal,
        /// Decimal places that are kept.
        places: u8,
        /// The largest limit that can be compared, mg/L.
        most: Decimal,
    },
    /// A better class with a looser limit than a worse one.
    #[error("the limits of {indicator} must not get stricter from class I to class V")]
    Unordered {
        /// The indicator.
        indicator: Indicator,
    },
    /// pH has one range, and others are not assessed.
    #[error("{indicator} has no limits by class that could be replaced")]
    Fixed {
        /// The indicator.
        indicator: Indicator,
    },
}

impl Limits {
    /// The limits of GB 3838-2002 table 1.
    pub fn standard() -> Self {
        const TARGETS: [Target; 5] = [Target::I, Target::II, Target::III, Target::IV, Target::V];
        let mut lanes = [[0; 5]; LANES];
        for lane in Lane::all() {
            let limit = |target| standard::limit(lane.indicator(), lane.body(), target).unwrap_or_else(half_range);
            lanes[lane.0] = TARGETS
                .map(|target| code_of_limit(lane, limit(target)).expect("every limit of the standard has a code"));
        }
        Self { lanes }
    }

    /// The same limits with others for `indicator` in water of kind `body`, classes Ⅰ to Ⅴ, mg/L.
    ///
    /// # Errors
    /// A limit that has no exact code, limits out of order, or an indicator without limits by class.
    pub fn with(mut self, indicator: Indicator, body: Body, limits: [Decimal; 5]) -> Result<Self, UnfitLimit> {
        let lane = Lane::of(indicator, body).filter(|_| indicator.direction() != Direction::Range);
        let lane = lane.ok_or(UnfitLimit::Fixed { indicator })?;
        let (places, most) = (lane.places(), largest_limit(lane));
        for (code, limit) in self.lanes[lane.0].iter_mut().zip(limits) {
            let fits = code_of_limit(lane, limit).filter(|_| !limit.is_sign_negative());
            *code = fits.ok_or(UnfitLimit::OutOfRange { indicator, limit, places, most })?;
        }
        if self.lanes[lane.0].is_sorted() { Ok(self) } else { Err(UnfitLimit::Unordered { indicator }) }
    }
}
