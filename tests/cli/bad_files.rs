//! Files of readings as they really arrive: what is wrong is named with line, column, reason and remedy; the rest is taken.

use serde_json::Value;

use crate::office::{Office, month, run};

const HEADER: &str = "section,time,source,indicator,value\n";

/// Imports rows under the long header and gives the report.
#[track_caller]
fn report(office: &Office, rows: &str, code: i32) -> Value {
    office.import(format!("{HEADER}{rows}")).exits(code).json()["import"].clone()
}

#[test]
fn each_bad_row_is_named_and_the_others_are_taken() {
    for (row, code, column) in [
        ("nowhere,2020-01-05,national,ph,7", "section", 1),
        ("a,2020-13-05,national,ph,7", "time", 2),
        ("a,2999-01-05,national,ph,7", "time", 2),
        ("a,2100-01-05,national,ph,7", "time", 5),
        ("a,2020-01-05,nobody,ph,7", "source", 3),
        ("a,2020-01-05,national,gold,7", "indicator", 4),
        ("a,2020-01-05,national,ph,=1+1", "value", 5),
        ("a,2020-01-05,national,ph,15", "range", 5),
        ("a,2020-01-05,national,nh3n,-1", "range", 5),
        ("a,2020-01-05,national,nh3n,1e99", "value", 5),
        ("a,2020-01-05,national,nh3n,NaN", "value", 5),
        ("=cmd|' /C calc'!A0,2020-01-05,national,ph,7", "formula", 1),
    ] {
        let office = Office::open();
        let report = report(&office, &format!("{row}\na,2020-01-06,national,ph,7\n"), 4);
        assert_eq!(report["accepted"], 1, "{row}: {report}");
        let rejected = &report["rejected"][0];
        assert_eq!((&rejected["code"], &rejected["line"]), (&Value::from(code), &Value::from(2)), "{row}: {report}");
        assert_eq!(rejected["column"], column, "{row}: {report}");
        for text in ["reason", "remedy"] {
            assert!(!rejected[text].as_str().unwrap().is_empty(), "{row}: {report}");
        }
    }
}

#[test]
fn a_row_with_a_field_too_few_or_an_open_quotation_is_rejected_alone() {
    let office = Office::open();
    let rows = "a,2020-01-05,national,ph\na,2020-01-06,national,ph,\"7\na,2020-01-07,national,ph,7\n";
    let report = report(&office, rows, 4);
    let codes: Vec<_> = report["rejected"].as_array().unwrap().iter().map(|row| row["code"].clone()).collect();
    assert_eq!(codes, ["field_count", "quote"], "{report}");
    assert_eq!(report["accepted"], 1, "{report}");
}

#[test]
fn duplicates_are_counted_and_conflicts_rejected() {
    let office = Office::open();
    let twice = "a,2020-01-05,national,ph,7\na,2020-01-05,national,ph,7.0\na,2020-01-05,national,ph,8\n";
    let first = report(&office, twice, 4);
    assert_eq!((&first["accepted"], &first["duplicates"]), (&Value::from(1), &Value::from(1)), "{first}");
    assert_eq!(first["rejected"][0]["code"], "conflict");
    let other_status = "a,2020-01-05,national,ph,7,maintenance\n";
    let header = "section,time,source,indicator,value,status\n";
    let second = office.import(format!("{header}{other_status}")).exits(4).json();
    assert_eq!(second["import"]["rejected"][0]["code"], "conflict", "{second}");
}

#[test]
fn readings_of_a_published_month_take_a_revision() {
    let office = Office::published();
    let report = report(&office, "a,2020-01-09,national,ph,7\n", 4);
    assert_eq!(report["rejected"][0]["code"], "round_published");
    assert!(report["rejected"][0]["remedy"].as_str().unwrap().contains("revise"), "{report}");
}

#[test]
fn rejected_rows_can_be_written_to_a_file_that_no_spreadsheet_runs() {
    let office = Office::open();
    let file = office.file("r.csv", format!("{HEADER}=1+1,2020-01-05,national,ph,7\n+x,2020-01-05,national,ph,7\n"));
    let rejected = office.path("rejected.csv");
    run(office.command(["import"]).arg(file).arg("--rejected").arg(&rejected)).exits(4);
    let written = std::fs::read_to_string(rejected).unwrap();
    assert_eq!(written.lines().count(), 3, "{written}");
    assert!(written.starts_with("\u{feff}line,column,name,code,reason,remedy"), "{written}");
    assert!(written.split(['\n', ',']).all(|field| !field.starts_with("\"=")), "{written}");
}

#[test]
fn gb18030_and_a_byte_order_mark_are_read() {
    let office = Office::open();
    // 前油坊 in GB18030.
    let mut text = b"section,time,source,indicator,value\n".to_vec();
    text.extend_from_slice(&[0xC7, 0xB0, 0xD3, 0xCD, 0xB7, 0xBB]);
    text.extend_from_slice(b",2020-01-05,national,ph,7\n");
    assert_eq!(office.import(text).exits(0).json()["import"]["accepted"], 1);
    assert_eq!(office.import(format!("\u{feff}{}", month("2020-02"))).exits(0).json()["import"]["accepted"], 8);
}

#[test]
fn files_that_are_no_table_are_refused_whole() {
    let utf16: Vec<u8> = std::iter::once(0xFEFF).chain(HEADER.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let long = format!("{},time\n", "s".repeat(1 << 20));
    for (name, bytes, word) in [
        ("empty", vec![], "empty"),
        ("UTF-16", utf16, "UTF-16"),
        ("workbook", b"PK\x03\x04\x14\0\x06\0 xl/workbook.xml".to_vec(), "Excel"),
        ("binary", (0..=255).cycle().take(100_000).collect(), ""),
        ("a NUL header", b"section\0,time,source,indicator,value\n".to_vec(), ""),
        ("a long header", long.into_bytes(), ""),
        ("another table", b"name,age\nx,3\n".to_vec(), "name"),
        ("a double column", b"section,time,source,ph,pH\n".to_vec(), "column 5"),
    ] {
        let office = Office::open();
        let ran = office.import(bytes).exits(4).says(&["bishui: ", word]);
        assert_eq!(ran.json()["error"]["code"], "invalid_input", "{name}");
        assert_eq!(office.head(), 1, "{name}");
    }
}

#[test]
fn a_header_only_is_accepted_and_damage_below_it_costs_its_own_rows() {
    let office = Office::open();
    assert_eq!(report(&office, "", 0)["rows"], 0);
    let long = "9".repeat(100_000);
    let rows = format!("a,2020-01-05,national,ph,{long}\na,2020-01-06,nat\0ional,ph,7\na,2020-01-07,national,ph,7\n");
    let damaged = report(&office, &rows, 4);
    assert_eq!(damaged["accepted"], 1, "{damaged}");
    assert_eq!(damaged["rejected"].as_array().unwrap().len(), 2, "{damaged}");
    let truncated = report(&office, "a,2020-01-08,national,ph,7\na,2020-01-09,nation", 4);
    assert_eq!((&truncated["accepted"], &truncated["rejected"][0]["line"]), (&Value::from(1), &Value::from(3)));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let office = Office::open();
    office.run(["import", "nowhere.csv"]).exits(4).says(&["nowhere.csv"]);
    run(office.command(["import"]).arg(office.data())).exits(4);
}
