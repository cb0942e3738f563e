//! The verdict of one section in a published round, as the county's record keeps it.

use serde::{Deserialize, Serialize};

use crate::assessment::{Assessment, UnmetIndicator, Verdict};
use crate::ids::SectionId;
use crate::indicator::Indicator;
use crate::parts::Weigh;
use crate::plan::SectionKind;
use crate::standard::{Target, WaterClass};

/// What escalation and compensation need to know of an assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionVerdict {
    /// The section.
    pub section: SectionId,
    /// Its kind in the plan that judged it.
    pub kind: SectionKind,
    /// The verdict.
    pub verdict: Verdict,
    /// The class; absent when unassessed.
    pub class: Option<WaterClass>,
    /// The target.
    pub target: Target,
    /// Indicators evaluated, of 21.
    pub evaluated: u8,
    /// Unmet indicators in the order of the standard.
    pub unmet: Vec<UnmetIndicator>,
    /// Indicators that cannot be judged.
    pub undecidable: Vec<Indicator>,
}

impl SectionVerdict {
    /// The verdict of an assessment.
    pub fn of(section: SectionId, kind: SectionKind, assessment: &Assessment) -> Self {
        Self {
            section,
            kind,
            verdict: assessment.verdict,
            class: assessment.class,
            target: assessment.target,
            evaluated: assessment.evaluated,
            unmet: assessment.unmet.clone(),
            undecidable: assessment.undecidable.clone(),
        }
    }

    /// Whether the target was missed.
    pub fn is_unmet(&self) -> bool {
        self.verdict == Verdict::Unmet
    }
}

impl Weigh for SectionVerdict {
    fn weight(&self) -> usize {
        let unmet = self.unmet.iter().map(|unmet| {
            let multiple = unmet.multiple.as_ref().map_or(0, String::len);
            130 + unmet.value.to_string().len() + unmet.limit.len() + multiple
        });
        250 + self.section.weight() + unmet.sum::<usize>() + 15 * self.undecidable.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An unmet section `s` with the given class and unmet indicators.
    pub(crate) fn unmet(class: WaterClass, indicators: &[(Indicator, &str)]) -> SectionVerdict {
        let unmet = indicators.iter().map(|(indicator, value)| UnmetIndicator {
            indicator: *indicator,
            value: value.parse().expect(value),
            limit: "1".to_owned(),
            multiple: None,
            class,
        });
        SectionVerdict {
            section: "s".parse().expect("valid"),
            kind: SectionKind::River,
            verdict: Verdict::Unmet,
            class: Some(class),
            target: Target::III,
            evaluated: 4,
            unmet: unmet.collect(),
            undecidable: vec![],
        }
    }
}
