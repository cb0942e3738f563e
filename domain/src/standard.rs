//! GB 3838-2002 table 1: the limits as printed, and the class of one value (单因子).
//!
//! Limits are inclusive; where several classes share a limit the best of them is given (R1).

use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};

use crate::indicator::{Direction, Indicator};
use crate::value::Value;

/// Water class (水质类别), best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::EnumIter)]
pub enum WaterClass {
    /// Ⅰ类.
    I,
    /// Ⅱ类.
    II,
    /// Ⅲ类.
    III,
    /// Ⅳ类.
    IV,
    /// Ⅴ类.
    V,
    /// 劣Ⅴ类.
    InferiorV,
}

impl WaterClass {
    /// The class as written in notices.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::I => "Ⅰ",
            Self::II => "Ⅱ",
            Self::III => "Ⅲ",
            Self::IV => "Ⅳ",
            Self::V => "Ⅴ",
            Self::InferiorV => "劣Ⅴ",
        }
    }
}

/// Target class (考核类别): one of the five classes that have limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Ⅰ类.
    I,
    /// Ⅱ类.
    II,
    /// Ⅲ类.
    III,
    /// Ⅳ类.
    IV,
    /// Ⅴ类.
    V,
}

impl From<Target> for WaterClass {
    fn from(target: Target) -> Self {
        match target {
            Target::I => Self::I,
            Target::II => Self::II,
            Target::III => Self::III,
            Target::IV => Self::IV,
            Target::V => Self::V,
        }
    }
}

/// Whose phosphorus limits apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// 河流.
    River,
    /// 湖、库.
    Lake,
}

/// One row of table 1.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Item number of the standard; phosphorus is 8 for both kinds of water.
    pub item: u8,
    /// The indicator.
    pub indicator: Indicator,
    /// The kind of water the row holds for; `None` for both.
    pub body: Option<Body>,
    /// Limits of classes Ⅰ to Ⅴ, mg/L.
    pub limits: [Decimal; 5],
}

const fn row(item: u8, indicator: Indicator, limits: [Decimal; 5]) -> Row {
    Row { item, indicator, body: None, limits }
}

const fn row_for(body: Body, item: u8, indicator: Indicator, limits: [Decimal; 5]) -> Row {
    Row { item, indicator, body: Some(body), limits }
}

/// Inclusive pH range of every class (item 2).
pub const PH_RANGE: (Decimal, Decimal) = (dec!(6), dec!(9));

/// Table 1, items 3–8 and 10–23: the 21 assessed indicators less pH, which has one range for all classes.
#[rustfmt::skip]
pub const TABLE_1: &[Row] = &[
    //                                                  Ⅰ             Ⅱ             Ⅲ            Ⅳ           Ⅴ
    row( 3, Indicator::Do,                      [dec!(7.5),     dec!(6),       dec!(5),      dec!(3),    dec!(2)]),
    row( 4, Indicator::Codmn,                   [dec!(2),       dec!(4),       dec!(6),      dec!(10),   dec!(15)]),
    row( 5, Indicator::Cod,                     [dec!(15),      dec!(15),      dec!(20),     dec!(30),   dec!(40)]),
    row( 6, Indicator::Bod5,                    [dec!(3),       dec!(3),       dec!(4),      dec!(6),    dec!(10)]),
    row( 7, Indicator::Nh3n,                    [dec!(0.15),    dec!(0.5),     dec!(1.0),    dec!(1.5),  dec!(2.0)]),
    row_for(Body::River, 8, Indicator::Tp,      [dec!(0.02),    dec!(0.1),     dec!(0.2),    dec!(0.3),  dec!(0.4)]),
    row_for(Body::Lake,  8, Indicator::Tp,      [dec!(0.01),    dec!(0.025),   dec!(0.05),   dec!(0.1),  dec!(0.2)]),
    row(10, Indicator::Cu,                      [dec!(0.01),    dec!(1.0),     dec!(1.0),    dec!(1.0),  dec!(1.0)]),
    row(11, Indicator::Zn,                      [dec!(0.05),    dec!(1.0),     dec!(1.0),    dec!(2.0),  dec!(2.0)]),
    row(12, Indicator::F,                       [dec!(1.0),     dec!(1.0),     dec!(1.0),    dec!(1.5),  dec!(1.5)]),
    row(13, Indicator::Se,                      [dec!(0.01),    dec!(0.01),    dec!(0.01),   dec!(0.02), dec!(0.02)]),
    row(14, Indicator::As,                      [dec!(0.05),    dec!(0.05),    dec!(0.05),   dec!(0.1),  dec!(0.1)]),
    row(15, Indicator::Hg,                      [dec!(0.00005), dec!(0.00005), dec!(0.0001), dec!(0.001),dec!(0.001)]),
    row(16, Indicator::Cd,                      [dec!(0.001),   dec!(0.005),   dec!(0.005),  dec!(0.005),dec!(0.01)]),
    row(17, Indicator::Cr6,                     [dec!(0.01),    dec!(0.05),    dec!(0.05),   dec!(0.05), dec!(0.1)]),
    row(18, Indicator::Pb,                      [dec!(0.01),    dec!(0.01),    dec!(0.05),   dec!(0.05), dec!(0.1)]),
    row(19, Indicator::Cn,                      [dec!(0.005),   dec!(0.05),    dec!(0.2),    dec!(0.2),  dec!(0.2)]),
    row(20, Indicator::Phenol,                  [dec!(0.002),   dec!(0.002),   dec!(0.005),  dec!(0.01), dec!(0.1)]),
    row(21, Indicator::Oil,                     [dec!(0.05),    dec!(0.05),    dec!(0.05),   dec!(0.5),  dec!(1.0)]),
    row(22, Indicator::Las,                     [dec!(0.2),     dec!(0.2),     dec!(0.2),    dec!(0.3),  dec!(0.3)]),
    row(23, Indicator::Sulfide,                 [dec!(0.05),    dec!(0.1),     dec!(0.2),    dec!(0.5),  dec!(1.0)]),
];

/// The limits of `indicator`, best class first; `None` for pH and for indicators that are not assessed.
fn limits(indicator: Indicator, body: Body) -> Option<&'static [Decimal; 5]> {
    TABLE_1
        .iter()
        .find(|row| row.indicator == indicator && row.body.is_none_or(|only| only == body))
        .map(|row| &row.limits)
}

/// The limit of `indicator` for `target`, mg/L; `None` for pH (a range) and for indicators that are not assessed.
pub fn limit(indicator: Indicator, body: Body, target: Target) -> Option<Decimal> {
    let [one, two, three, four, five] = limits(indicator, body)?;
    Some(match target {
        Target::I => *one,
        Target::II => *two,
        Target::III => *three,
        Target::IV => *four,
        Target::V => *five,
    })
}

/// The limit as printed in an explanation: `1.0`, or `6~9` for pH.
pub fn limit_text(indicator: Indicator, body: Body, target: Target) -> String {
    match limit(indicator, body, target) {
        Some(limit) => limit.to_string(),
        None => format!("{}~{}", PH_RANGE.0, PH_RANGE.1),
    }
}

/// The class of one value; `None` for an indicator that is not assessed.
pub fn class_of(indicator: Indicator, body: Body, value: &Value) -> Option<WaterClass> {
    const BEST_FIRST: [WaterClass; 5] = [WaterClass::I, WaterClass::II, WaterClass::III, WaterClass::IV, WaterClass::V];
    if !indicator.is_assessed() {
        return None;
    }
    let inside = |limit: Decimal| match indicator.direction() {
        Direction::AtMost => *value <= Value::from(limit),
        Direction::AtLeast => *value >= Value::from(limit),
        Direction::Range => distance_outside_ph_range(value) == Value::zero(),
    };
    let Some(limits) = limits(indicator, body) else {
        return Some(if inside(PH_RANGE.0) { WaterClass::I } else { WaterClass::InferiorV });
    };
    let best = BEST_FIRST.into_iter().zip(limits).find(|(_, limit)| inside(**limit));
    Some(best.map_or(WaterClass::InferiorV, |(class, _)| class))
}

/// How far a pH lies outside 6–9; zero inside.
pub fn distance_outside_ph_range(value: &Value) -> Value {
    let (low, high) = (Value::from(PH_RANGE.0), Value::from(PH_RANGE.1));
    if *value < low {
        value.distance(&low)
    } else if *value > high {
        value.distance(&high)
    } else {
        Value::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    fn class(indicator: Indicator, body: Body, text: &str) -> WaterClass {
        class_of(indicator, body, &text.parse().expect(text)).expect("assessed")
    }

    #[test]
    fn every_limit_is_inside_its_class_and_the_best_class_that_shares_it_is_given() {
        let step: Value = "0.0000001".parse().expect("valid");
        for row in TABLE_1 {
            let body = row.body.unwrap_or(Body::River);
            for (place, limit) in row.limits.iter().enumerate() {
                let best = row.limits.iter().position(|other| other == limit).expect("present");
                let expected = WaterClass::iter().nth(best).expect("five classes");
                assert_eq!(class_of(row.indicator, body, &Value::from(*limit)), Some(expected), "{row:?} {limit}");
                let last = row.limits.iter().rposition(|other| other == limit).expect("present");
                let worse = WaterClass::iter().nth(last + 1).expect("six classes");
                let beyond = match row.indicator.direction() {
                    Direction::AtLeast => Value::from(*limit).distance(&step),
                    Direction::AtMost | Direction::Range => {
                        Value::mean([&Value::from(*limit + dec!(0.0000001)), &Value::from(*limit + dec!(0.0000001))])
                            .expect("two values")
                    }
                };
                assert_eq!(class_of(row.indicator, body, &beyond), Some(worse), "{row:?} beyond {limit} at {place}");
            }
        }
    }

    #[test]
    fn the_table_has_the_other_twenty_indicators_once_and_phosphorus_twice() {
        for indicator in Indicator::assessed().filter(|i| *i != Indicator::Ph) {
            let rows = TABLE_1.iter().filter(|row| row.indicator == indicator).count();
            assert_eq!(rows, if indicator == Indicator::Tp { 2 } else { 1 }, "{indicator}");
        }
    }

    #[test]
    fn ph_is_class_one_inside_its_range_and_inferior_outside() {
        for (text, expected) in [
            ("6", WaterClass::I),
            ("9", WaterClass::I),
            ("7.2", WaterClass::I),
            ("5.9999", WaterClass::InferiorV),
            ("9.0001", WaterClass::InferiorV),
        ] {
            assert_eq!(class(Indicator::Ph, Body::River, text), expected);
        }
    }

    #[test]
    fn phosphorus_has_stricter_limits_in_lakes() {
        assert_eq!(class(Indicator::Tp, Body::River, "0.1"), WaterClass::II);
        assert_eq!(class(Indicator::Tp, Body::Lake, "0.1"), WaterClass::IV);
    }

    #[test]
    fn indicators_outside_the_21_have_no_class() {
        for indicator in [Indicator::WaterTemp, Indicator::Tn, Indicator::Coliform] {
            assert_eq!(class_of(indicator, Body::Lake, &Value::zero()), None);
        }
    }
}
