//! Table 1 of GB 3838-2002 as typed from the standard: code, limits of classes I to V, places printed.

use num_bigint::BigInt;
use num_rational::BigRational;

/// One line of the table; `tp` is the river's, the lake's stands below it.
const TABLE: [(&str, [&str; 5], u32); 21] = [
    ("ph", ["6~9", "6~9", "6~9", "6~9", "6~9"], 2),
    ("do", ["7.5", "6", "5", "3", "2"], 2),
    ("codmn", ["2", "4", "6", "10", "15"], 2),
    ("cod", ["15", "15", "20", "30", "40"], 1),
    ("bod5", ["3", "3", "4", "6", "10"], 1),
    ("nh3n", ["0.15", "0.5", "1.0", "1.5", "2.0"], 3),
    ("tp", ["0.02", "0.1", "0.2", "0.3", "0.4"], 3),
    ("cu", ["0.01", "1.0", "1.0", "1.0", "1.0"], 3),
    ("zn", ["0.05", "1.0", "1.0", "2.0", "2.0"], 3),
    ("f", ["1.0", "1.0", "1.0", "1.5", "1.5"], 2),
    ("se", ["0.01", "0.01", "0.01", "0.02", "0.02"], 4),
    ("as", ["0.05", "0.05", "0.05", "0.1", "0.1"], 4),
    ("hg", ["0.00005", "0.00005", "0.0001", "0.001", "0.001"], 5),
    ("cd", ["0.001", "0.005", "0.005", "0.005", "0.01"], 4),
    ("cr6", ["0.01", "0.05", "0.05", "0.05", "0.1"], 3),
    ("pb", ["0.01", "0.01", "0.05", "0.05", "0.1"], 3),
    ("cn", ["0.005", "0.05", "0.2", "0.2", "0.2"], 3),
    ("phenol", ["0.002", "0.002", "0.005", "0.01", "0.1"], 4),
    ("oil", ["0.05", "0.05", "0.05", "0.5", "1.0"], 2),
    ("las", ["0.2", "0.2", "0.2", "0.3", "0.3"], 2),
    ("sulfide", ["0.05", "0.1", "0.2", "0.5", "1.0"], 3),
];
const LAKE_PHOSPHORUS: [&str; 5] = ["0.01", "0.025", "0.05", "0.1", "0.2"];

/// The names of the five classes and of what is worse.
pub(crate) const CLASSES: [&str; 6] = ["I", "II", "III", "IV", "V", "InferiorV"];

/// All codes in the order of the standard.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|line| line.0)
}

/// A decimal text as an exact fraction.
pub(crate) fn exact(text: &str) -> BigRational {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let places = u32::try_from(fraction.len()).expect("a short text");
    let digits: BigInt = format!("{whole}{fraction}").parse().expect("a plain decimal number");
    BigRational::new(digits, BigInt::from(10).pow(places))
}

/// The limit of a class as printed.
pub(crate) fn limit_text(code: &str, lake: bool, class: usize) -> &'static str {
    if code == "tp" && lake {
        return LAKE_PHOSPHORUS[class];
    }
    TABLE.iter().find(|line| line.0 == code).expect("a code of the table").1[class]
}

/// Places after the point.
pub(crate) fn places(code: &str) -> u32 {
    TABLE.iter().find(|line| line.0 == code).expect("a code of the table").2
}

/// The best class whose limit the value keeps: 0 for I to 5 for worse than V.
pub(crate) fn class_of(code: &str, lake: bool, value: &BigRational) -> usize {
    if code == "ph" {
        return if exact("6") <= *value && *value <= exact("9") { 0 } else { 5 };
    }
    let keeps = |class: &usize| {
        let limit = exact(limit_text(code, lake, *class));
        if code == "do" { *value >= limit } else { *value <= limit }
    };
    (0..5).find(keeps).unwrap_or(5)
}
