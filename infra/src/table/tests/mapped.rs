//! Foreign tables through a mapping.

use bishui_domain::reading::Status;

use super::{places, split};
use crate::table::mapping::{Mapping, MappingError};
use crate::table::readings::Readings;
use crate::table::{TableError, code};

const MAPPING: &str = r#"
section = ["province", "section"]
time = "seen_at"
time_format = "month_day"
capture_date = "captured"
source = "automatic"
status = "station"
normal = ["运行"]

[use_when]
days_before_capture_max = 1
otherwise = "stale"

[indicators]
ph = "ph_raw"
hg = "mercury"

[units]
hg = "μg/L"

[sections]
"浙江省/王江泾" = "cp1"
"江苏省/西山" = "cp2"
"#;

const HEADER: &str = "captured,province,section,seen_at,ph_shown,ph_raw,mercury,station\n";

fn mapping() -> Mapping {
    Mapping::parse(MAPPING).expect("valid")
}

/// A mapped reader over hostile bytes must not panic either.
pub(super) fn read_noise(noise: &[u8]) {
    let file = [HEADER.as_bytes(), noise].concat();
    let mapping = mapping();
    let whole = Readings::open_mapped(&file, &mapping);
    whole.into_iter().flatten().for_each(drop);
    assert!(Readings::open_mapped(noise, &mapping).is_err(), "noise has no such header");
}

#[test]
fn rows_of_mapped_sections_are_taken_and_others_counted() {
    let file = format!(
        "{HEADER}2020-05-08,浙江省,王江泾,05-08 12:00,7,7.01,0.05,正常\n\
         2020-05-08,安徽省,王江泾,05-08 12:00,7,x,,正常\n\
         2020-05-08,江苏省,西山,--,--,,*,停站\n\
         2020-05-08,江苏省,西山,,7,7,,停站\n\
         2020-05-08,江苏省,西山,05-08 12:00,7,15,,维护\n"
    );
    let mapping = mapping();
    let mut readings = Readings::open_mapped(file.as_bytes(), &mapping).expect("header");
    let (cells, rejections) = split(readings.by_ref().collect());
    let counts = readings.counts();
    assert_eq!((counts.rows, counts.skipped, counts.silent), (5, 1, 1));
    let taken: Vec<_> = cells.iter().map(|c| (c.line, &*c.section, c.value.map(|v| v.to_string()))).collect();
    assert_eq!(taken, [(2, "cp1", Some("7.01".to_owned())), (2, "cp1", Some("0.00005".to_owned())), (6, "cp2", None)]);
    assert_eq!(places(&rejections), [(5, Some(4), code::TIME), (6, Some(6), code::RANGE)]);
}

#[test]
fn an_old_row_is_out_of_use_and_may_repeat_an_earlier_one() {
    let row = |captured: &str, seen: &str, station: &str| {
        let file = format!("{HEADER}{captured},浙江省,王江泾,{seen} 12:00,7,7,,{station}\n");
        let mapping = mapping();
        let readings = Readings::open_mapped(file.as_bytes(), &mapping).expect("header");
        let cell = readings.flat_map(|row| row.cells).next().expect("a cell").expect("taken");
        (cell.at.date().to_string(), cell.status, cell.repeatable)
    };
    let out = |word: &str| Status::OutOfUse(word.to_owned());
    assert_eq!(row("2020-05-08", "05-08", "正常"), ("2020-05-08".to_owned(), Status::Normal, false));
    assert_eq!(row("2020-05-08", "05-08", "运行"), ("2020-05-08".to_owned(), Status::Normal, false));
    assert_eq!(row("2020-05-08", "05-07", "正常"), ("2020-05-07".to_owned(), Status::Normal, true));
    assert_eq!(row("2020-05-08", "05-06", "正常"), ("2020-05-06".to_owned(), out("stale"), true));
    assert_eq!(row("2020-05-08", "05-06", "维护"), ("2020-05-06".to_owned(), out("维护"), true));
    assert_eq!(row("2020-05-08", "05-09", "正常"), ("2020-05-09".to_owned(), out("stale"), false));
    assert_eq!(row("2020-01-01", "12-31", "正常"), ("2019-12-31".to_owned(), Status::Normal, true));
    assert_eq!(row("2020-05-08", "11-23", "正常"), ("2019-11-23".to_owned(), out("stale"), true));
}

#[test]
fn without_a_table_of_sections_the_key_itself_is_looked_up() {
    let (before, _) = MAPPING.split_once("[sections]").expect("present");
    let mapping = Mapping::parse(before).expect("valid");
    let file = format!("{HEADER}2020-05-08,浙江省,王江泾,05-08 12:00,7,7,,\n");
    let row = Readings::open_mapped(file.as_bytes(), &mapping).expect("header").next().expect("a row");
    assert_eq!(&*row.cells[0].as_ref().expect("taken").section, "浙江省/王江泾");
    let resolved = row.resolve(|name| Err(format!("no section `{name}`")));
    assert_eq!(resolved.len(), 1);
}

#[test]
fn a_mapping_that_cannot_hold_is_refused() {
    let unreadable = |text: &str| match Mapping::parse(text) {
        Err(MappingError::Unreadable(source)) => source.to_string(),
        other => panic!("{other:?}"),
    };
    let shown = unreadable(&MAPPING.replace("source = ", "sauce = "));
    assert!(shown.contains("line 6") && shown.contains("sauce"), "{shown}");
    assert!(unreadable(&MAPPING.replace("ph = ", "radon = ")).contains("radon"));
    assert!(unreadable(&MAPPING.replace("\"cp1\"", "\"cp 1\"")).contains("not a valid section id"));
    for (from, to, key) in [
        ("capture_date = \"captured\"", "", "time_format"),
        ("time_format = \"month_day\"\ncapture_date = \"captured\"", "", "use_when"),
        ("[\"province\", \"section\"]", "[]", "section"),
        ("\"stale\"", "\"normal\"", "use_when.otherwise"),
        ("hg = \"μg/L\"", "cd = \"μg/L\"", "units.cd"),
        ("hg = \"μg/L\"", "hg = \"g\"", "units.hg"),
    ] {
        match Mapping::parse(&MAPPING.replace(from, to)) {
            Err(MappingError::Invalid { key: named, .. }) => assert_eq!(named, key),
            other => panic!("{from}: {other:?}"),
        }
    }
}

#[test]
fn a_file_without_the_columns_of_the_mapping_is_refused() {
    let mapping = mapping();
    let missing = Readings::open_mapped(b"captured,province,section\n", &mapping).err();
    assert!(matches!(missing, Some(TableError::MissingColumn { .. })));
    let double = HEADER.replace("ph_shown", "ph_raw");
    let double = Readings::open_mapped(double.as_bytes(), &mapping).err();
    assert!(matches!(double, Some(TableError::DuplicateColumn { .. })));
}
