//! Files of classes as the national system published them, compared row by row with our own classification (R1).

use std::collections::BTreeMap;
use std::path::Path;

use bishui_domain::assessment::classify;
use bishui_domain::indicator::Indicator;
use bishui_domain::reading::Amount;
use bishui_domain::standard::Body;

/// The columns of measured values.
const INDICATORS: [(&str, Indicator); 5] = [
    ("ph", Indicator::Ph),
    ("do", Indicator::Do),
    ("codmn", Indicator::Codmn),
    ("nh3n", Indicator::Nh3n),
    ("tp", Indicator::Tp),
];

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Rows with a published class.
    pub(crate) published: usize,
    /// Rows for which we come to another class, or that cannot be read, with their line.
    pub(crate) differences: Vec<String>,
}

impl Comparison {
    /// Rows for which we come to the published class.
    pub(crate) fn reproduced(&self) -> usize {
        self.published - self.differences.len()
    }
}

/// Compares a file.
///
/// # Errors
/// A file that cannot be read or lacks a column.
pub(crate) fn compare(path: &Path) -> Result<Comparison, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    compare_text(&text)
}

/// Compares the text of a file. Rows without a published class have nothing to compare and are passed over.
///
/// # Errors
/// A header that lacks a column.
pub(crate) fn compare_text(text: &str) -> Result<Comparison, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| header.iter().position(|own| own.trim() == name).ok_or(format!("no column `{name}`"));
    let (water, class, section) = (column("body_type_inferred")?, column("official_class")?, column("section")?);
    let mut columns = Vec::new();
    for (name, indicator) in INDICATORS {
        columns.push((column(name)?, indicator));
    }
    let mut found = Comparison::default();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |at: usize| record.get(at).unwrap_or_default().trim();
        if cell(class).is_empty() {
            continue;
        }
        found.published += 1;
        let ours = own_class(cell(water), columns.iter().map(|(at, indicator)| (*indicator, cell(*at))));
        if ours.as_deref() != Ok(cell(class)) {
            let line = record.position().map_or(0, csv::Position::line);
            let ours = ours.unwrap_or_else(|problem| problem);
            found.differences.push(format!("line {line}: {}: published {}, ours {ours}", cell(section), cell(class)));
        }
    }
    Ok(found)
}

/// Our class as the published tables write it. No indicator is required: the published class rests on what there is.
fn own_class<'a>(water: &str, cells: impl Iterator<Item = (Indicator, &'a str)>) -> Result<String, String> {
    let body = match water {
        "river" => Body::River,
        "lake" => Body::Lake,
        other => return Err(format!("unknown water `{other}`")),
    };
    let mut values = BTreeMap::new();
    for (indicator, cell) in cells {
        if let Some(amount) = Amount::parse(cell).map_err(|error| error.to_string())? {
            values.insert(indicator, amount.check(indicator).map_err(|error| error.to_string())?);
        }
    }
    let class = classify(&values, body, &[]).class;
    Ok(class.map_or("none", bishui_domain::standard::WaterClass::chinese).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "capture_date,province,section,body_type_inferred,ph,do,codmn,nh3n,tp,official_class,station_status\n";

    /// Values on a limit, one step beyond it, and what only the kind of water decides.
    const SAMPLE: &str = "\
2020-05-08,x,every first limit,river,6,7.5,2,0.15,0.02,Ⅰ,正常
2020-05-08,x,just over a first limit,river,9,7.5,2.0001,0.15,0.02,Ⅱ,正常
2020-05-08,x,every second limit,river,7,6,4,0.5,0.1,Ⅱ,正常
2020-05-08,x,every third limit,river,7,5,6,1.0,0.2,Ⅲ,正常
2020-05-08,x,just over a third limit,river,7,5,6,1.0001,0.2,Ⅳ,正常
2020-05-08,x,every fifth limit,river,7,2,15,2.0,0.4,Ⅴ,正常
2020-05-08,x,dissolved oxygen below the fifth,river,7,1.999,2,0.1,0.01,劣Ⅴ,正常
2020-05-08,x,pH just outside,river,9.0001,8,2,0.1,0.01,劣Ⅴ,正常
2020-05-08,x,phosphorus of a river,river,7,8,2,0.1,0.05,Ⅱ,正常
2020-05-08,x,phosphorus of a lake,lake,7,8,2,0.1,0.05,Ⅲ,正常
2020-05-08,x,a value is missing,river,7,8,--,0.1,0.01,Ⅰ,正常
2020-05-08,x,no class was published,river,7,8,2,0.1,0.01,,维护
";

    #[test]
    fn boundary_cases_come_to_the_published_class() {
        let found = compare_text(&format!("{HEADER}{SAMPLE}")).unwrap();
        assert_eq!(found, Comparison { published: 11, differences: vec![] });
    }

    #[test]
    fn a_difference_names_its_line_and_both_classes() {
        let text =
            format!("{HEADER}2020-05-08,x,桥,river,7,8,2,0.1,0.01,Ⅲ,正常\n2020-05-08,x,桥,sea,7,8,2,0.1,0.01,Ⅰ,正常\n");
        let found = compare_text(&text).unwrap();
        let differences = ["line 2: 桥: published Ⅲ, ours Ⅰ", "line 3: 桥: published Ⅰ, ours unknown water `sea`"];
        assert_eq!((found.published, found.reproduced()), (2, 0));
        assert_eq!(found.differences, differences);
    }

    #[test]
    fn a_file_without_a_column_is_named() {
        assert_eq!(compare_text("a,b\n1,2\n"), Err("no column `body_type_inferred`".to_owned()));
    }
}
