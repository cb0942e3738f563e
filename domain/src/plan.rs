//! The action plan as data: counties, sections, rules, tasks; and which of them is in force when (R3).

pub mod book;
pub mod parts;
pub mod revision;
pub mod rules;

use std::collections::BTreeSet;

use serde::de::{self, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{CountyId, PlanId, SectionId};
use crate::period::{Month, YEARS};
use crate::plan::rules::RuleSet;
use crate::standard::{Body, Target};

/// The only time zone that dates of a plan are counted in.
pub const TIME_ZONE: &str = "Asia/Shanghai";
/// Most sections, counties or tasks in one plan.
pub const ENTRIES_MAX: usize = 200_000;

/// A municipal action plan (contract: Plan).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the plan is.
    pub plan: Header,
    /// Settings of the rules.
    #[serde(default)]
    pub rules: RuleSet,
    /// Counties and municipal development zones.
    #[serde(default)]
    pub county: Vec<County>,
    /// Assessed sections.
    #[serde(default)]
    pub section: Vec<Section>,
    /// Measurable goals and tasks (一(二), 二).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task: Vec<Task>,
}

/// Name, year and offices of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Identifier.
    pub id: PlanId,
    /// The municipality, 聊城市.
    pub municipality: String,
    /// The year from which the plan is in force.
    pub year: i16,
    /// Always `Asia/Shanghai`.
    pub time_zone: String,
    /// The office that issues notices, for example 聊城市生态环境局.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<String>,
    /// The city government that interviews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub government: Option<String>,
    /// The plan document's title or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Word before the kind in document numbers: 聊环 gives 聊环预警〔2020〕1号.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_prefix: Option<String>,
    /// Addresses an accountability proposal is mailed to; without them it is delivered by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub government_emails: Vec<String>,
    /// Anything a reader should know, for example what is invented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a county is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountyKind {
    /// 县.
    County,
    /// 县级市.
    CountyLevelCity,
    /// 市辖区.
    District,
    /// 市属开发区: has an administrative committee (管委会), no government.
    DevelopmentZone,
}

/// A county that answers for sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct County {
    /// Identifier.
    pub id: CountyId,
    /// Name, 高唐县.
    pub name: String,
    /// What it is.
    pub kind: CountyKind,
    /// Addresses of notices.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Code of GB/T 2260, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// True for an entry invented for a demonstration.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invented: bool,
    /// Anything a reader should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl County {
    /// The addressee of notices: 人民政府, or 管理委员会 for a zone.
    pub fn addressee(&self) -> String {
        match self.kind {
            CountyKind::County | CountyKind::CountyLevelCity | CountyKind::District => format!("{}人民政府", self.name),
            CountyKind::DevelopmentZone => format!("{}管理委员会", self.name),
        }
    }
}

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SectionKind {
    /// 河流断面.
    River,
    /// 湖库点位.
    Lake,
    /// 县级以上饮用水水源地: noticed and interviewed for, never charged (R7).
    DrinkingWater,
}

impl SectionKind {
    /// Whether an unmet month is charged (三(二) speaks of sections, not of drinking-water sources).
    pub fn is_charged(self) -> bool {
        match self {
            Self::River | Self::Lake => true,
            Self::DrinkingWater => false,
        }
    }
}

/// What a drinking-water source is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaterSource {
    /// 地表水.
    Surface,
    /// 地下水: refused until its own standard is executed (R1).
    Groundwater,
}

/// Why a groundwater source is refused.
const GROUNDWATER: &str = "groundwater sources follow GB/T 14848-2017, which is not executed yet; \
                           leave the source out of the plan, or correct it if it draws surface water";

/// A section's kind; groundwater, which has none yet, is refused with its standard and not as a misspelling.
fn section_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SectionKind, D::Error> {
    let word = String::deserialize(deserializer)?;
    if word == "groundwater" {
        return Err(de::Error::custom(GROUNDWATER));
    }
    SectionKind::deserialize(word.into_deserializer())
}

/// Who set the section up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 国控.
    National,
    /// 省控.
    Provincial,
    /// 市控.
    Municipal,
}

/// An assessed section (考核断面).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Identifier.
    pub id: SectionId,
    /// Name, 高唐北湖.
    pub name: String,
    /// The water it lies on.
    pub water: String,
    /// What it is.
    #[serde(deserialize_with = "section_kind")]
    pub kind: SectionKind,
    /// What a drinking-water source is drawn from; surface water when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<WaterSource>,
    /// Whose phosphorus limits apply, where it differs from the kind's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The county that answers for it.
    pub county: CountyId,
    /// Who set it up.
    pub level: Level,
    /// Target class.
    pub target: Target,
    /// First month of assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Month>,
    /// Last month of assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Month>,
    /// True for an entry invented for a demonstration.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invented: bool,
    /// Anything a reader should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Section {
    /// Whose phosphorus limits apply: lake for kind Lake, river otherwise, unless the plan says so (R1).
    pub fn body(&self) -> Body {
        self.body.unwrap_or(match self.kind {
            SectionKind::Lake => Body::Lake,
            SectionKind::River | SectionKind::DrinkingWater => Body::River,
        })
    }

    /// Whether the section is assessed in `month` (R3).
    pub fn is_active(&self, month: Month) -> bool {
        self.from.is_none_or(|from| from <= month) && self.until.is_none_or(|until| month <= until)
    }
}

/// A measurable goal or task of the plan (一(二), 二).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Identifier within the plan.
    pub id: String,
    /// What is to be done.
    pub title: String,
    /// What is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The value to reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// By when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<jiff::civil::Date>,
    /// Clause of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// 牵头部门.
    #[serde(default)]
    pub lead: Vec<String>,
    /// 配合部门.
    #[serde(default)]
    pub cooperating: Vec<String>,
    /// 落实部门.
    #[serde(default)]
    pub implementing: Vec<String>,
}

/// What keeps a plan from being adopted; the text names the entry and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct PlanFault {
    /// The entry, for example `section beihu`.
    pub at: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl Plan {
    /// Everything that keeps the plan from being adopted; empty for a sound plan.
    pub fn faults(&self) -> Vec<PlanFault> {
        let mut faults = Vec::new();
        let mut fault = |at: String, problem: &str| faults.push(PlanFault { at, problem: problem.to_owned() });
        if self.plan.time_zone != TIME_ZONE {
            fault("plan.time_zone".to_owned(), "write \"Asia/Shanghai\": every date of a plan is Beijing time");
        }
        if !YEARS.contains(&self.plan.year) {
            fault("plan.year".to_owned(), "a year from 2000 to 2199 is needed");
        }
        if self.county.len().max(self.section.len()).max(self.task.len()) > ENTRIES_MAX {
            fault("plan".to_owned(), "more than 200,000 entries of a kind");
        }
        for problem in self.rules.faults() {
            fault("rules".to_owned(), problem);
        }
        let mut counties = BTreeSet::new();
        for county in &self.county {
            if !counties.insert(&county.id) {
                fault(format!("county {}", county.id), "the id is used twice");
            }
            if county.name.trim().is_empty() {
                fault(format!("county {}", county.id), "the name is empty");
            }
            if county.emails.iter().any(|email| !is_address(email)) {
                fault(format!("county {}", county.id), "an e-mail address is not of the form name@host");
            }
        }
        if self.plan.government_emails.iter().any(|email| !is_address(email)) {
            fault("plan.government_emails".to_owned(), "an e-mail address is not of the form name@host");
        }
        let mut sections = BTreeSet::new();
        for section in &self.section {
            let at = || format!("section {}", section.id);
            if !sections.insert(&section.id) {
                fault(at(), "the id is used twice");
            }
            if section.name.trim().is_empty() {
                fault(at(), "the name is empty");
            }
            if !counties.contains(&section.county) {
                fault(at(), "its county is not in the plan");
            }
            if section.from.zip(section.until).is_some_and(|(from, until)| until < from) {
                fault(at(), "`until` is before `from`");
            }
            match (section.kind, section.source) {
                (_, None) | (SectionKind::DrinkingWater, Some(WaterSource::Surface)) => {}
                (SectionKind::DrinkingWater, Some(WaterSource::Groundwater)) => fault(at(), GROUNDWATER),
                (SectionKind::River | SectionKind::Lake, Some(_)) => {
                    fault(at(), "only a section of kind drinking_water has a `source`; remove the key");
                }
            }
        }
        faults
    }

    /// Sections active in one of `months`, in order of id.
    pub fn active_sections(&self, months: &[Month]) -> Vec<&Section> {
        let mut active: Vec<_> =
            self.section.iter().filter(|section| months.iter().any(|month| section.is_active(*month))).collect();
        active.sort_by(|a, b| a.id.cmp(&b.id));
        active
    }
}

/// A plain `name@host` without anything that could break a mail header.
fn is_address(text: &str) -> bool {
    let plain =
        text.len() <= 254 && text.is_ascii() && !text.bytes().any(|b| b <= b' ' || b"<>,;:\"()\\\x7f".contains(&b));
    plain
        && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

#[cfg(test)]
mod tests;
