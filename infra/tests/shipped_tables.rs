//! The tables that ship with the service read whole.

use std::fs;
use std::path::{Path, PathBuf};

use bishui_infra::table::mapping::Mapping;
use bishui_infra::table::readings::Readings;

fn service() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../service")
}

#[test]
fn the_demonstration_year_reads_without_a_rejection() {
    let mut files = 0;
    for entry in fs::read_dir(service().join("demo/2020")).expect("the demonstration year") {
        let path = entry.expect("entry").path();
        let file = fs::read(&path).expect("readable");
        let readings = Readings::open(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut cells = 0;
        for cell in readings.flat_map(|row| row.cells) {
            assert!(cell.is_ok(), "{}: {cell:?}", path.display());
            cells += 1;
        }
        assert!(cells > 0, "{} holds nothing", path.display());
        files += 1;
    }
    assert_eq!(files, 25, "two files a month and one correction");
}

#[test]
fn the_cross_province_mapping_names_98_sections() {
    let text = fs::read_to_string(service().join("plans/cross-province-2020.mapping.toml")).expect("readable");
    let mapping = Mapping::parse(&text).expect("valid");
    assert_eq!(mapping.sections.map(|sections| sections.len()), Some(98));
}
