//! A scenario file (contract: Scenario): acts with their times, played by the drill and the demonstration.

mod written;

use std::path::{Path, PathBuf};

use bishui_domain::assessment::Reason;
use bishui_domain::ids::{CountyId, SectionId};
use bishui_domain::money::Fen;
use bishui_domain::period::{Cadence, Period};
use bishui_domain::plan::Plan;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::act::Act;
use crate::error::OfficeError;

/// Most bytes of a scenario or plan file.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// Most acts of a scenario.
const ACTS_MAX: usize = 100_000;

/// A scenario as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The plan's file.
    pub plan: PathBuf,
    /// Settings of the drill.
    #[serde(default)]
    pub drill: DrillSettings,
    /// The acts in order; read by themselves, so that an error in one has its line.
    #[serde(skip)]
    pub act: Vec<ScenarioAct>,
}

impl Scenario {
    /// Reads the text of a scenario.
    ///
    /// # Errors
    /// No TOML, an unknown key, a key that is missing, or a value of the wrong form; the error names key and line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        written::parse(text)
    }
}

/// Settings of a drill.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrillSettings {
    /// Who approves notices.
    pub approval: DrillApproval,
}

/// Who approves notices in a drill.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillApproval {
    /// Every notice is approved as drafted.
    #[default]
    Automatic,
    /// As the plan says.
    Plan,
}

/// An act with its time.
#[derive(Debug, Clone)]
pub struct ScenarioAct {
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
}

/// What an act does, by the word of its key `do`. Ids are checked when the act is done: one that is no id at all is an unknown section or county.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// Import readings.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Declare a section.
    Declare {
        /// The section.
        section: String,
        /// The cadence.
        cadence: Cadence,
        /// The period.
        period: Period,
        /// Why.
        reason: Reason,
    },
    /// Publish a round.
    Publish {
        /// The cadence.
        cadence: Cadence,
        /// The period.
        period: Period,
        /// The reason for the rest.
        declare_rest: Option<Reason>,
    },
    /// Hold the county's open interview.
    HoldInterview {
        /// The county.
        county: String,
        /// Who attended.
        #[serde(default)]
        attended: Vec<String>,
        /// The day; the act's when absent.
        on: Option<Date>,
    },
    /// Determine serious effect.
    DetermineImpact {
        /// The county.
        county: String,
        /// The year.
        year: i16,
        /// Whether it was.
        serious: bool,
        /// On what grounds.
        #[serde(default)]
        basis: String,
    },
    /// Revise readings.
    Revise {
        /// The file.
        file: PathBuf,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Book a payment.
    Pay {
        /// The county.
        county: String,
        /// The amount.
        fen: Fen,
        /// The charges' year; the plan's when absent.
        year: Option<i16>,
    },
    /// Settle a year.
    Settle {
        /// The year.
        year: i16,
        /// The provincial bill.
        provincial_payable_fen: Fen,
    },
}

/// A scenario read with its plan.
#[derive(Debug, Clone)]
pub struct Play {
    /// The plan.
    pub plan: Plan,
    /// Settings.
    pub drill: DrillSettings,
    /// Acts in order.
    pub acts: Vec<ScenarioAct>,
    /// What paths are relative to.
    pub base: PathBuf,
}

fn input(path: &Path, what: impl std::fmt::Display) -> OfficeError {
    OfficeError::Input { what: format!("{}: {what}", path.display()).trim_end().to_owned() }
}

/// Reads a text file of bounded size.
///
/// # Errors
/// The file cannot be read, is too large or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, OfficeError> {
    let size = std::fs::metadata(path).map_err(|error| input(path, error))?.len();
    if size > TEXT_BYTES_MAX {
        return Err(input(path, "the file is larger than 64 MiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| input(path, error))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads and checks a plan file.
///
/// # Errors
/// Not TOML of a plan (the error names key and line), or a plan with faults, each named.
pub fn read_plan(path: &Path) -> Result<Plan, OfficeError> {
    let plan: Plan = toml::from_str(&read_text(path)?).map_err(|error| input(path, error))?;
    let faults: Vec<String> = plan.faults().iter().map(ToString::to_string).collect();
    if faults.is_empty() { Ok(plan) } else { Err(input(path, faults.join("\n"))) }
}

impl Play {
    /// Reads a scenario and its plan.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, a period of the other cadence, or times that go back.
    pub fn read(path: &Path) -> Result<Self, OfficeError> {
        let scenario = Scenario::parse(&read_text(path)?).map_err(|error| input(path, error))?;
        if scenario.act.len() > ACTS_MAX {
            return Err(input(path, "more than 100,000 acts"));
        }
        for (number, pair) in (2..).zip(scenario.act.windows(2)) {
            if pair[1].at < pair[0].at {
                return Err(input(path, format_args!("act {number}: `at` goes back")));
            }
        }
        for (number, act) in (1..).zip(&scenario.act) {
            let (cadence, period) = match &act.deed {
                Deed::Declare { cadence, period, .. } | Deed::Publish { cadence, period, .. } => (cadence, period),
                Deed::Import { .. }
                | Deed::HoldInterview { .. }
                | Deed::DetermineImpact { .. }
                | Deed::Revise { .. }
                | Deed::Pay { .. }
                | Deed::Settle { .. } => continue,
            };
            if *cadence != period.cadence() {
                return Err(input(path, format_args!("act {number}: {period} is not a period of cadence {cadence}")));
            }
        }
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let plan = read_plan(&base.join(&scenario.plan))?;
        let play = Self { plan, drill: scenario.drill, acts: scenario.act, base };
        for file in play.acts.iter().filter_map(|act| play.file_of(&act.deed)) {
            std::fs::metadata(&file).map_err(|error| input(&file, error))?;
        }
        Ok(play)
    }

    fn file_of(&self, deed: &Deed) -> Option<PathBuf> {
        match deed {
            Deed::Import { file } | Deed::Revise { file, .. } => Some(self.base.join(file)),
            Deed::Declare { .. }
            | Deed::Publish { .. }
            | Deed::HoldInterview { .. }
            | Deed::DetermineImpact { .. }
            | Deed::Pay { .. }
            | Deed::Settle { .. } => None,
        }
    }

    /// The act of a deed.
    ///
    /// # Errors
    /// A file that cannot be read, or a text that cannot be an id: an unknown section or county.
    pub fn act(&self, deed: &Deed) -> Result<Act, OfficeError> {
        let csv = match self.file_of(deed) {
            Some(file) => std::fs::read(&file).map_err(|error| input(&file, error))?,
            None => vec![],
        };
        Ok(match deed.clone() {
            Deed::Import { file } => Act::Import { file: file.display().to_string(), csv, mapping: None },
            Deed::Declare { section, period, reason, .. } => {
                Act::Declare { section: section_id(&section)?, period, reason }
            }
            Deed::Publish { period, declare_rest, .. } => Act::Publish { period, declare_rest },
            Deed::HoldInterview { county, attended, on } => {
                Act::HoldInterview { county: county_id(&county)?, on, attended }
            }
            Deed::DetermineImpact { county, year, serious, basis } => {
                let basis = if basis.trim().is_empty() { "—".to_owned() } else { basis };
                Act::DetermineImpact { county: county_id(&county)?, year, serious, basis }
            }
            Deed::Revise { file, reason } => {
                let reason = if reason.trim().is_empty() { "—".to_owned() } else { reason };
                Act::Revise { file: file.display().to_string(), csv, reason, evidence: None }
            }
            Deed::Pay { county, fen, year } => {
                Act::Pay { county: county_id(&county)?, fen, year: Some(year.unwrap_or(self.plan.plan.year)) }
            }
            Deed::Settle { year, provincial_payable_fen } => {
                Act::Settle { year, provincial_payable: provincial_payable_fen }
            }
        })
    }
}

fn section_id(text: &str) -> Result<SectionId, OfficeError> {
    let unknown = |_| bishui_domain::refusal::Refusal::UnknownSection { section: text.to_owned() };
    Ok(text.parse().map_err(unknown)?)
}

fn county_id(text: &str) -> Result<CountyId, OfficeError> {
    let unknown = |_| bishui_domain::refusal::Refusal::UnknownCounty { county: text.to_owned() };
    Ok(text.parse().map_err(unknown)?)
}
