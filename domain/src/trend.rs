//! Improving trend (改善趋势) between two unmet periods of a section (R5).

use crate::indicator::{Direction, Indicator};
use crate::standard;
use crate::value::Value;
use crate::verdict::SectionVerdict;

/// Whether `now` shows an improving trend against `before`, both unmet: the class is better, or it is equal and every
/// indicator unmet now was unmet then and has moved strictly toward its limit.
pub fn is_improving(before: &SectionVerdict, now: &SectionVerdict) -> bool {
    if now.class != before.class {
        return now.class < before.class;
    }
    now.unmet.iter().all(|unmet| {
        let then = before.unmet.iter().find(|other| other.indicator == unmet.indicator);
        then.is_some_and(|then| moved_toward_limit(unmet.indicator, &then.value, &unmet.value))
    })
}

fn moved_toward_limit(indicator: Indicator, then: &Value, now: &Value) -> bool {
    match indicator.direction() {
        Direction::AtMost => now < then,
        Direction::AtLeast => now > then,
        Direction::Range => standard::distance_outside_ph_range(now) < standard::distance_outside_ph_range(then),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::WaterClass;
    use crate::verdict::tests::unmet;

    #[test]
    fn a_better_class_is_an_improvement_whatever_the_values() {
        let before = unmet(WaterClass::V, &[(Indicator::Nh3n, "1.8")]);
        let now = unmet(WaterClass::IV, &[(Indicator::Cod, "29")]);
        assert!(is_improving(&before, &now));
        assert!(!is_improving(&now, &before));
    }

    #[test]
    fn with_an_equal_class_every_unmet_indicator_must_have_moved_strictly() {
        let before = unmet(WaterClass::IV, &[(Indicator::Nh3n, "1.4"), (Indicator::Do, "3.5"), (Indicator::Ph, "9.4")]);
        for (now, improving) in [
            (vec![(Indicator::Nh3n, "1.3"), (Indicator::Do, "3.6"), (Indicator::Ph, "9.3")], true),
            (vec![(Indicator::Nh3n, "1.3")], true),
            (vec![(Indicator::Nh3n, "1.4")], false),
            (vec![(Indicator::Nh3n, "1.3"), (Indicator::Do, "3.4")], false),
            (vec![(Indicator::Ph, "5.7")], true),
            (vec![(Indicator::Ph, "5.6")], false),
            (vec![(Indicator::Cod, "21")], false),
        ] {
            assert_eq!(is_improving(&before, &unmet(WaterClass::IV, &now)), improving, "{now:?}");
        }
    }
}
