//! The rule settings of a plan: where the plan document is silent, a named and versioned choice (rules.md).

use std::collections::BTreeMap;

use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};

use crate::indicator::Indicator;
use crate::money::Fen;
use crate::reading::Source;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }
    };
}

choice! {
    /// Which value is compared with a limit (R1).
    Comparison {
        /// The mean as it is.
        #[default]
        Raw,
        /// The mean rounded by GB/T 8170 to the indicator's decimals.
        Rounded,
    }
}
choice! {
    /// What an unassessed period of a published round does to a streak (R5).
    Gap {
        /// Neither adds nor resets.
        #[default]
        Bridge,
        /// Resets.
        Break,
    }
}
choice! {
    /// Whether a streak runs over 31 December (R5).
    YearBoundary {
        /// It does.
        #[default]
        Continue,
        /// It starts again.
        Restart,
    }
}
choice! {
    /// What a qualification does to the streak (R5).
    AfterInterview {
        /// The streak starts again at 0.
        #[default]
        Restart,
        /// The streak runs on; every further unmet period without improvement qualifies again.
        Continue,
    }
}
choice! {
    /// Whether a proposal needs a person's determination of serious effect (R6).
    Impact {
        /// A recorded determination decides.
        #[default]
        Determination,
        /// The proposal is issued without one.
        Always,
    }
}
choice! {
    /// Whether an officer approves each notice (R9).
    Approval {
        /// An officer approves.
        #[default]
        Required,
        /// Notices are approved as they are drafted.
        Automatic,
    }
}
choice! {
    /// What the charge band counts (R7).
    BandBasis {
        /// River and lake sections assigned to the county in the month.
        #[default]
        Assigned,
        /// The sections charged.
        Unmet,
    }
}
choice! {
    /// How the rest of the pool is divided (R7).
    Reward {
        /// The same for every county.
        #[default]
        Equal,
        /// By the number of its sections.
        BySections,
    }
}

/// One charge band (三(二)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Up to this number of sections; open for the last band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sections_max: Option<u32>,
    /// Rate a section and month.
    pub fen: Fen,
}

/// All settings, each with its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSet {
    /// Which value is compared with a limit.
    pub comparison: Comparison,
    /// Indicators without which a section is unassessed.
    pub required_indicators: Vec<Indicator>,
    /// Valid days an automatic monthly value needs.
    pub automatic_days_min: u32,
    /// Which manual samples are used first.
    pub manual_precedence: Vec<Source>,
    /// What an unassessed period does to a streak.
    pub gap: Gap,
    /// Whether a streak runs over the year's end.
    pub year_boundary: YearBoundary,
    /// What a qualification does to the streak.
    pub after_interview: AfterInterview,
    /// Unmet periods in a row that qualify for an interview.
    pub consecutive_unmet: u32,
    /// Interviews in a calendar year that lead to a proposal.
    pub interviews_per_year: u32,
    /// Whether a proposal needs a determination.
    pub impact: Impact,
    /// Whether an officer approves notices.
    pub approval: Approval,
    /// What the charge band counts.
    pub band_basis: BandBasis,
    /// Charge bands in ascending order, the last one open.
    pub bands: Vec<Band>,
    /// Share of the rest of the pool that goes to municipal water work, 0 to 1.
    pub municipal_share: Decimal,
    /// How the remainder is divided.
    pub reward: Reward,
    /// Monthly values a yearly value needs.
    pub annual_months_min: u32,
    /// Working days for the acknowledgement of a notice.
    pub acknowledge_working_days: u32,
    /// Working days for the rectification report on a warning notice.
    pub warning_report_working_days: u32,
    /// Calendar days for the report after an interview.
    pub interview_report_days: u32,
    /// Working days around a deadline on which to remind.
    pub reminder_working_days: Vec<i32>,
    /// Decimals that differ from the default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decimals: BTreeMap<Indicator, u8>,
}

impl Default for RuleSet {
    fn default() -> Self {
        Self {
            comparison: Comparison::default(),
            required_indicators: vec![Indicator::Ph, Indicator::Do, Indicator::Codmn, Indicator::Nh3n],
            automatic_days_min: 15,
            manual_precedence: vec![Source::National, Source::Provincial, Source::Municipal],
            gap: Gap::default(),
            year_boundary: YearBoundary::default(),
            after_interview: AfterInterview::default(),
            consecutive_unmet: 2,
            interviews_per_year: 2,
            impact: Impact::default(),
            approval: Approval::default(),
            band_basis: BandBasis::default(),
            bands: vec![
                Band { sections_max: Some(3), fen: Fen(50_000_000) },
                Band { sections_max: None, fen: Fen(40_000_000) },
            ],
            municipal_share: dec!(0.3),
            reward: Reward::default(),
            annual_months_min: 8,
            acknowledge_working_days: 3,
            warning_report_working_days: 15,
            interview_report_days: 30,
            reminder_working_days: vec![-1, 1],
            decimals: BTreeMap::new(),
        }
    }
}

impl RuleSet {
    /// Decimals of `indicator` for printing and rounding.
    pub fn decimals(&self, indicator: Indicator) -> u8 {
        self.decimals.get(&indicator).copied().unwrap_or_else(|| indicator.decimals())
    }

    /// What keeps the settings from being adopted.
    pub fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, problem: &'static str| {
            if !holds {
                faults.push(problem);
            }
        };
        require(
            self.required_indicators.iter().all(|indicator| indicator.is_assessed()),
            "`required_indicators`: only the 21 assessed indicators can be required",
        );
        require((1..=31).contains(&self.automatic_days_min), "`automatic_days_min`: 1 to 31 days");
        require(
            !self.manual_precedence.contains(&Source::Automatic) && !has_repeats(&self.manual_precedence),
            "`manual_precedence`: national, provincial and municipal, each at most once",
        );
        require((1..=120).contains(&self.consecutive_unmet), "`consecutive_unmet`: 1 to 120 periods");
        require((1..=100).contains(&self.interviews_per_year), "`interviews_per_year`: 1 to 100 interviews");
        require((1..=12).contains(&self.annual_months_min), "`annual_months_min`: 1 to 12 months");
        require(
            self.municipal_share >= Decimal::ZERO && self.municipal_share <= Decimal::ONE,
            "`municipal_share`: a share from \"0\" to \"1\"",
        );
        require(
            [self.acknowledge_working_days, self.warning_report_working_days, self.interview_report_days]
                .iter()
                .all(|days| (1..=366).contains(days)),
            "deadlines: 1 to 366 days",
        );
        require(
            self.reminder_working_days.len() <= 10
                && self.reminder_working_days.iter().all(|days| (-60..=60).contains(days)),
            "`reminder_working_days`: at most ten, from -60 to 60",
        );
        require(self.decimals.values().all(|places| *places <= 10), "`decimals`: 0 to 10 places");
        require(
            bands_are_sound(&self.bands),
            "`bands`: ascending `sections_max`, the last band without one, rates not negative",
        );
        faults
    }
}

fn has_repeats(sources: &[Source]) -> bool {
    sources.iter().enumerate().any(|(at, source)| sources[..at].contains(source))
}

fn bands_are_sound(bands: &[Band]) -> bool {
    /// Highest rate accepted: ten thousand million yuan, so that no sum leaves 64 bits.
    const RATE_MAX: Fen = Fen(1_000_000_000_000);
    let Some((last, others)) = bands.split_last() else { return false };
    let limits: Vec<_> = others.iter().filter_map(|band| band.sections_max).collect();
    last.sections_max.is_none()
        && limits.len() == others.len()
        && limits.windows(2).all(|pair| pair[0] < pair[1])
        && bands.iter().all(|band| band.fen >= Fen::ZERO && band.fen <= RATE_MAX)
}
