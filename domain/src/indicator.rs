//! Indicators of GB 3838-2002 table 1: codes, Chinese names, units.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator};

/// One indicator; the order is that of the standard, of reports and of `worst` lists.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, EnumIter, EnumString, Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Indicator {
    /// pH值.
    Ph,
    /// 溶解氧.
    Do,
    /// 高锰酸盐指数.
    Codmn,
    /// 化学需氧量.
    Cod,
    /// 五日生化需氧量.
    Bod5,
    /// 氨氮.
    Nh3n,
    /// 总磷.
    Tp,
    /// 铜.
    Cu,
    /// 锌.
    Zn,
    /// 氟化物.
    F,
    /// 硒.
    Se,
    /// 砷.
    As,
    /// 汞.
    Hg,
    /// 镉.
    Cd,
    /// 六价铬.
    Cr6,
    /// 铅.
    Pb,
    /// 氰化物.
    Cn,
    /// 挥发酚.
    Phenol,
    /// 石油类.
    Oil,
    /// 阴离子表面活性剂.
    Las,
    /// 硫化物.
    Sulfide,
    /// 水温: read and shown, not assessed.
    WaterTemp,
    /// 总氮: read and shown, not assessed.
    Tn,
    /// 粪大肠菌群: read and shown, not assessed.
    Coliform,
}

/// How a reading relates to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Lower is better: inside a class when at or below its limit.
    AtMost,
    /// Higher is better: inside a class when at or above its limit.
    AtLeast,
    /// Inside the range for every class (pH).
    Range,
}

impl Indicator {
    /// The 21 indicators that count (三(二): table 1 less water temperature, total nitrogen and faecal coliform).
    pub fn assessed() -> impl Iterator<Item = Self> {
        Self::iter().filter(|indicator| indicator.is_assessed())
    }

    /// Whether the indicator is one of the 21.
    pub fn is_assessed(self) -> bool {
        !matches!(self, Self::WaterTemp | Self::Tn | Self::Coliform)
    }

    /// Whether automatic stations measure it (R2); an automatic reading of another indicator is kept and not used.
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::Ph | Self::Do | Self::Codmn | Self::Nh3n | Self::Tp | Self::Tn)
    }

    /// Whether an exceedance multiple exists for it (R1: none for pH and dissolved oxygen).
    pub fn has_multiple(self) -> bool {
        !matches!(self, Self::Ph | Self::Do)
    }

    /// How a reading relates to its limit.
    pub fn direction(self) -> Direction {
        match self {
            Self::Ph => Direction::Range,
            Self::Do => Direction::AtLeast,
            Self::Codmn
            | Self::Cod
            | Self::Bod5
            | Self::Nh3n
            | Self::Tp
            | Self::Cu
            | Self::Zn
            | Self::F
            | Self::Se
            | Self::As
            | Self::Hg
            | Self::Cd
            | Self::Cr6
            | Self::Pb
            | Self::Cn
            | Self::Phenol
            | Self::Oil
            | Self::Las
            | Self::Sulfide
            | Self::WaterTemp
            | Self::Tn
            | Self::Coliform => Direction::AtMost,
        }
    }

    /// The Chinese name used in notices.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Ph => "pH值",
            Self::Do => "溶解氧",
            Self::Codmn => "高锰酸盐指数",
            Self::Cod => "化学需氧量",
            Self::Bod5 => "五日生化需氧量",
            Self::Nh3n => "氨氮",
            Self::Tp => "总磷",
            Self::Cu => "铜",
            Self::Zn => "锌",
            Self::F => "氟化物",
            Self::Se => "硒",
            Self::As => "砷",
            Self::Hg => "汞",
            Self::Cd => "镉",
            Self::Cr6 => "六价铬",
            Self::Pb => "铅",
            Self::Cn => "氰化物",
            Self::Phenol => "挥发酚",
            Self::Oil => "石油类",
            Self::Las => "阴离子表面活性剂",
            Self::Sulfide => "硫化物",
            Self::WaterTemp => "水温",
            Self::Tn => "总氮",
            Self::Coliform => "粪大肠菌群",
        }
    }

    /// The unit of a stored reading; empty for pH.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Ph => "",
            Self::WaterTemp => "℃",
            Self::Coliform => "个/L",
            Self::Do
            | Self::Codmn
            | Self::Cod
            | Self::Bod5
            | Self::Nh3n
            | Self::Tp
            | Self::Cu
            | Self::Zn
            | Self::F
            | Self::Se
            | Self::As
            | Self::Hg
            | Self::Cd
            | Self::Cr6
            | Self::Pb
            | Self::Cn
            | Self::Phenol
            | Self::Oil
            | Self::Las
            | Self::Sulfide
            | Self::Tn => "mg/L",
        }
    }

    /// Decimals for printing and for `comparison = "rounded"` (contract: the default of `decimals`).
    pub fn decimals(self) -> u8 {
        match self {
            Self::Cod | Self::Bod5 | Self::WaterTemp => 1,
            Self::Ph | Self::Do | Self::Codmn | Self::F | Self::Oil | Self::Las | Self::Tn => 2,
            Self::Nh3n | Self::Tp | Self::Cu | Self::Zn | Self::Cr6 | Self::Pb | Self::Cn | Self::Sulfide => 3,
            Self::Se | Self::As | Self::Cd | Self::Phenol => 4,
            Self::Hg => 5,
            Self::Coliform => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_one_indicators_are_assessed_in_the_contract_order() {
        let codes: Vec<String> = Indicator::assessed().map(|i| i.to_string()).collect();
        assert_eq!(
            codes.join(" "),
            "ph do codmn cod bod5 nh3n tp cu zn f se as hg cd cr6 pb cn phenol oil las sulfide"
        );
    }

    #[test]
    fn codes_read_as_they_print() {
        for indicator in Indicator::iter() {
            assert_eq!(indicator.to_string().parse(), Ok(indicator));
        }
    }
}
