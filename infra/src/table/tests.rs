//! Readings, rows to classify and hostile files.

use std::fmt::Write as _;

use bishui_domain::indicator::Indicator;
use bishui_domain::reading::{Amount, Source, Status};
use encoding_rs::GB18030;
use jiff::civil::date;

use bishui_domain::standard::Body;

use super::classify::Samples;
use super::readings::{Cell, Readings, Row};
use super::{FIELDS_MAX, LINE_BYTES_MAX, Rejection, TableError, code};

mod mapped;

fn rows(file: &[u8]) -> Vec<Row> {
    Readings::open(file).expect("header").collect()
}

/// All readings of a file, and all rejections.
fn read(file: &[u8]) -> (Vec<Cell>, Vec<Rejection>) {
    split(rows(file))
}

fn split(rows: Vec<Row>) -> (Vec<Cell>, Vec<Rejection>) {
    let (mut cells, mut rejections) = (Vec::new(), Vec::new());
    for cell in rows.into_iter().flat_map(|row| row.cells) {
        match cell {
            Ok(cell) => cells.push(cell),
            Err(rejection) => rejections.push(rejection),
        }
    }
    (cells, rejections)
}

fn refused(file: &[u8]) -> TableError {
    Readings::open(file).err().expect("the file is refused")
}

/// Line, column and code of each rejection.
fn places(rejections: &[Rejection]) -> Vec<(u64, Option<u32>, &'static str)> {
    rejections.iter().map(|rejection| (rejection.line, rejection.column, rejection.code)).collect()
}

fn amount(text: &str) -> Option<Amount> {
    Amount::parse(text).expect("amount")
}

#[test]
fn the_long_form_reads() {
    let file = "section,time,source,indicator,value,status\n\
                beihu,2020-01-05,municipal,nh3n,1.12,\n\
                beihu,2020-01-05T20:00:00Z,automatic,氨氮(μg/L),<50,维护\n\
                beihu,2020/1/5 4:00,国家,TP,--,正常\n";
    let (cells, rejections) = read(file.as_bytes());
    assert_eq!(rejections, []);
    let summary: Vec<_> = cells.iter().map(|c| (c.at, c.source, c.indicator, c.value, c.status.clone())).collect();
    let day = date(2020, 1, 5);
    assert_eq!(
        summary,
        [
            (day.at(0, 0, 0, 0), Source::Municipal, Indicator::Nh3n, amount("1.12"), Status::Normal),
            (
                date(2020, 1, 6).at(4, 0, 0, 0),
                Source::Automatic,
                Indicator::Nh3n,
                amount("<0.050"),
                Status::OutOfUse("维护".to_owned())
            ),
            (day.at(4, 0, 0, 0), Source::National, Indicator::Tp, None, Status::Normal),
        ]
    );
    assert_eq!((cells[1].line, cells[1].column, &*cells[1].section), (3, 5, "beihu"));
    assert!(cells.iter().all(|cell| !cell.repeatable));
}

#[test]
fn the_wide_form_reads_with_chinese_headers_in_any_order() {
    let file = "断面名称,来源,监测时间,汞(μg/L),pH值,\"氨氮\n(mg/L)\",状态\r\n高唐北湖,自动,2020年1月5日,0.05,8.1,0.5L,\r\n,,,,,,\r\n";
    let (cells, rejections) = read(file.as_bytes());
    assert_eq!(rejections, []);
    let values: Vec<_> = cells.iter().map(|cell| (cell.indicator, cell.value, cell.line, cell.column)).collect();
    assert_eq!(
        values,
        [
            (Indicator::Hg, amount("0.00005"), 3, 4),
            (Indicator::Ph, amount("8.1"), 3, 5),
            (Indicator::Nh3n, amount("0.5L"), 3, 6)
        ]
    );
}

#[test]
fn gb18030_and_a_byte_order_mark_read_alike() {
    let file = "断面,时间,来源,氨氮\n高唐北湖㐀,2020-01-05,市,0.4\n";
    let plain = rows(file.as_bytes());
    assert_eq!(plain.len(), 1);
    let (gb18030, _, lossy) = GB18030.encode(file);
    assert!(!lossy);
    assert!(std::str::from_utf8(&gb18030).is_err());
    assert_eq!(rows(&gb18030), plain);
    assert_eq!(rows(format!("\u{FEFF}{file}").as_bytes()), plain);
}

#[test]
fn a_stray_byte_rejects_its_line_in_either_encoding() {
    let mut text = "section,time,source,ph\n".to_owned();
    for day in 1..=20 {
        writeln!(text, "高唐北湖,2020-01-{day:02},市,8.{day}").expect("string");
    }
    for encoded in [text.clone().into_bytes(), GB18030.encode(&text).0.into_owned()] {
        let mut file = encoded;
        let third = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).expect("lines").0;
        file.insert(third, 0xFF);
        let (cells, rejections) = read(&file);
        assert_eq!(cells.len(), 19);
        assert!(cells.iter().all(|cell| &*cell.section == "高唐北湖"));
        assert_eq!(places(&rejections), [(3, None, code::ENCODING)]);
    }
    let (cells, rejections) = read("section,time,source,ph\n北\u{FFFD},2020-01-05,市,8\n".as_bytes());
    assert_eq!((cells.len(), places(&rejections)), (0, vec![(2, None, code::ENCODING)]));
}

#[test]
fn an_unreadable_cell_rejects_itself_and_an_unreadable_row_itself() {
    let file = "section,time,source,ph,do,nh3n\n\
                a,2020-01-05,市,15,=1+1,0.5\n\
                a,2020-01-05,市,7,8\n\
                a,2020-01-05,市,7,8,0.5,\n\
                a,2020-13-05,市,7,8,0.5\n\
                a,2020-01-05,卫星,7,8,0.5\n\
                ,2020-01-05,市,7,8,0.5\n\
                =HYPERLINK(),2020-01-05,市,7,8,0.5\n\
                a,2020-01-05,+市,7,8,0.5\n\
                a,2020-01-05,市,-1,\"1,5\",0.5\n\
                \n\
                a,2020-01-06,市,7,8,0.5\n";
    let (cells, rejections) = read(file.as_bytes());
    assert_eq!(cells.iter().map(|cell| cell.line).collect::<Vec<_>>(), [2, 10, 12, 12, 12]);
    assert_eq!(
        places(&rejections),
        [
            (2, Some(4), code::RANGE),
            (2, Some(5), code::VALUE),
            (3, None, code::FIELD_COUNT),
            (4, None, code::FIELD_COUNT),
            (5, Some(2), code::TIME),
            (6, Some(3), code::SOURCE),
            (7, Some(1), code::MISSING),
            (8, Some(1), code::FORMULA),
            (9, Some(3), code::FORMULA),
            (10, Some(4), code::RANGE),
            (10, Some(5), code::VALUE),
        ]
    );
    assert_eq!(
        serde_json::to_string(&rejections[4]).expect("serializable"),
        "{\"line\":5,\"column\":2,\"column_name\":\"time\",\"reason\":\"`2020-13-05` is not a time\",\
         \"remedy\":\"write 2020-01-05 or 2020-01-05 04:00, Beijing time\",\"code\":\"time\"}"
    );
}

#[test]
fn a_long_row_with_an_unknown_indicator_or_status_formula_is_rejected() {
    let file = "section,time,source,indicator,value,status\n\
                a,2020-01-05,市,radon,1,\n\
                a,2020-01-05,市,nh3n(g/L),1,\n\
                a,2020-01-05,市,nh3n,1,@SUM(A1)\n\
                a,2020-01-05,市,nh3n,-1,停站\n";
    let (cells, rejections) = read(file.as_bytes());
    assert_eq!(cells, []);
    assert_eq!(
        places(&rejections),
        [
            (2, Some(4), code::INDICATOR),
            (3, Some(4), code::INDICATOR),
            (4, Some(6), code::FORMULA),
            (5, Some(5), code::RANGE)
        ],
        "the range also holds out of use"
    );
}

#[test]
fn a_header_that_is_not_understood_refuses_the_file() {
    let file = |header: &str| refused(format!("{header}\na,2020-01-05,市,1\n").as_bytes());
    assert_eq!(
        file("section,time,source,radon").to_string(),
        "column 4 `radon` is not known: it is neither a fixed column nor an indicator code or name; rename or remove it"
    );
    assert!(matches!(file("section,time,source,ph(mg/L)"), TableError::UnknownColumn { column: 4, .. }));
    assert!(matches!(file("section,time,source,ph,"), TableError::UnknownColumn { column: 5, .. }));
    assert!(matches!(file("section,time,source,water,ph"), TableError::UnknownColumn { column: 4, .. }));
    assert_eq!(
        file("section,time,source,氨氮(mg/L),NH3-N"),
        TableError::DuplicateColumn { column: 5, name: "NH3-N".to_owned(), first: 4 }
    );
    assert!(matches!(file("section,time,断面,source"), TableError::DuplicateColumn { column: 3, first: 1, .. }));
    assert!(matches!(file("section,time,ph"), TableError::MissingColumn { name, .. } if name == "source"));
    assert!(matches!(file("section,time,source"), TableError::MissingColumn { name, .. } if name == "indicator"));
    assert!(matches!(file("section,time,source,value"), TableError::MissingColumn { name, .. } if name == "indicator"));
    assert!(matches!(file("section,time,source,indicator,value,ph"), TableError::MixedForms { column: 6, .. }));
    assert!(matches!(file("section;time;source;ph"), TableError::UnknownColumn { column: 1, .. }));
}

#[test]
fn empty_files_and_other_formats_are_named() {
    for empty in ["", "\u{FEFF}", "\n\n", " \r\n,,,\r\n"] {
        assert_eq!(refused(empty.as_bytes()), TableError::Empty);
    }
    assert_eq!(refused(b"PK\x03\x04rest"), TableError::Workbook);
    assert_eq!(refused(&[0xFF, 0xFE, b's', 0]), TableError::Utf16);
    assert_eq!(rows(b"section,time,source,ph"), []);
    assert_eq!(rows(b"section,time,source,indicator,value\n"), []);
}

#[test]
fn hostile_lines_reject_themselves_only() {
    let good = "a,2020-01-05,市,7\n";
    let long = format!("{},2020-01-05,市,7\n", "a".repeat(LINE_BYTES_MAX));
    let many = format!("a{}\n", ",".repeat(FIELDS_MAX));
    let wordy = format!("{},2020-01-05,市,7\n", "名".repeat(201));
    for (line, expected) in [
        ("\"a,2020-01-05,市,7\n", (2, None, code::QUOTE)),
        ("\"a\"b,2020-01-05,市,7\n", (2, None, code::QUOTE)),
        ("a,2020-01-05,市,\"7\n", (2, None, code::QUOTE)),
        ("a\0,2020-01-05,市,7\n", (2, Some(1), code::TEXT)),
        ("a,2020-01-05,市,7\0\n", (2, Some(4), code::VALUE)),
        ("a,2020-01-05,市,9999999999999999999999999999999\n", (2, Some(4), code::VALUE)),
        (&long, (2, None, code::LINE_TOO_LONG)),
        (&many, (2, None, code::FIELD_COUNT)),
        (&wordy, (2, Some(1), code::TEXT)),
    ] {
        let (cells, rejections) = read(format!("section,time,source,ph\n{line}{good}").as_bytes());
        assert_eq!(places(&rejections), [expected], "{:?}", &line[..20.min(line.len())]);
        assert_eq!(cells.iter().map(|cell| cell.line).collect::<Vec<_>>(), [3]);
        assert!(rejections.iter().all(|rejection| !rejection.reason.contains('\0') && rejection.reason.len() < 400));
    }
    let (cells, _) = read(b"section,time,source,ph\n \"a \"\"b\"\"\" ,2020-01-05,municipal, \"7\" \n");
    assert_eq!(&*cells[0].section, "a \"b\"");
}

#[test]
fn a_row_is_resolved_once() {
    let file = "section,time,source,ph,do\n北湖,2020-01-05,市,7,8\nb,2020-01-05,市,7,x\n";
    let find = |name: &str| match name {
        "北湖" => Ok("beihu".parse().expect("id")),
        other => Err(format!("the plan has no section `{other}`")),
    };
    let resolved: Vec<_> = rows(file.as_bytes()).into_iter().map(|row| row.resolve(find)).collect();
    assert_eq!(resolved[0].len(), 2);
    assert_eq!(resolved[0][1].as_ref().expect("resolved").section.as_str(), "beihu");
    let [Err(rejection)] = resolved[1].as_slice() else { panic!("one rejection: {:?}", resolved[1]) };
    assert_eq!((rejection.column, rejection.column_name.as_deref()), (Some(1), Some("section")));
    assert_eq!(rejection.reason, "the plan has no section `b`");
}

#[test]
fn rows_to_classify_read() {
    let file = "water,ph,氨氮,tp\nriver,7,1.1,0.05L\n湖库,7,abc,--\nsea,7,1,1\nriver,7\n\nlake,,,\n";
    let samples: Vec<_> = Samples::open(file.as_bytes()).expect("header").collect();
    let summary: Vec<_> =
        samples.iter().map(|s| (s.row, s.line, s.water, s.values.len(), places(&s.rejections))).collect();
    assert_eq!(
        summary,
        [
            (1, 2, Some(Body::River), 3, vec![]),
            (2, 3, Some(Body::Lake), 1, vec![(3, Some(3), code::VALUE)]),
            (3, 4, None, 3, vec![(4, Some(1), code::WATER)]),
            (4, 5, None, 0, vec![(5, None, code::FIELD_COUNT)]),
            (5, 7, Some(Body::Lake), 0, vec![]),
        ]
    );
    assert!(matches!(Samples::open(b"ph\n7\n").err(), Some(TableError::MissingColumn { .. })));
    assert!(matches!(Samples::open(b"water,section\n").err(), Some(TableError::UnknownColumn { column: 2, .. })));
}

/// A small generator (xorshift), so that a failure can be repeated from its seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("small")).expect("small")
    }
}

#[test]
fn no_bytes_make_a_reader_panic() {
    const PIECES: [&[u8]; 24] = [
        b"section,time,source,ph,nh3n\n",
        b"section,time,source,indicator,value,status\n",
        b"water,ph\n",
        b"\"",
        b"\"\"",
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"\xEF\xBB\xBF",
        b"\xFF\xFE",
        b"\x81\x30\x81",
        b"\xE6\x96",
        "断面".as_bytes(),
        "，（μg／L）".as_bytes(),
        b"2020-01-05T04:00:00",
        b"+08:00",
        b"-",
        b"1e-28",
        b"<",
        b"0.05L",
        b"automatic",
        b"ph(",
        b"=",
    ];
    for seed in 1..=4000 {
        let mut noise = Noise(seed);
        let mut file = if seed % 2 == 0 { PIECES[noise.below(3)].to_vec() } else { Vec::new() };
        for _ in 0..noise.below(40) {
            match noise.below(4) {
                0 => file.push(u8::try_from(noise.below(256)).expect("byte")),
                _ => file.extend_from_slice(PIECES[noise.below(PIECES.len())]),
            }
        }
        if let Ok(readings) = Readings::open(&file) {
            readings.for_each(drop);
        }
        if let Ok(samples) = Samples::open(&file) {
            samples.for_each(drop);
        }
        mapped::read_noise(&file);
    }
}
