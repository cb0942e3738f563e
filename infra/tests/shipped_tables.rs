//! The plans and tables that ship with the service are sound.

use std::fs;
use std::path::{Path, PathBuf};

use bishui_domain::plan::{Level, Plan};
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
fn the_shipped_plans_are_sound_and_the_mapping_fits_its_plan() {
    let plan = |name: &str| {
        let text = fs::read_to_string(service().join("plans").join(name)).expect("readable");
        let plan: Plan = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(plan.faults(), [], "{name}");
        plan
    };
    let liaocheng = plan("liaocheng-2020.toml");
    assert_eq!((liaocheng.county.len(), liaocheng.section.len(), liaocheng.task.len()), (11, 22, 25));
    let national: Vec<_> = liaocheng.section.iter().filter(|section| section.level == Level::National).collect();
    assert!(national.len() == 4 && national.iter().all(|section| !section.invented));
    assert!(liaocheng.section.iter().all(|section| section.level == Level::National || section.invented));

    let cross_province = plan("cross-province-2020.toml");
    let text = fs::read_to_string(service().join("plans/cross-province-2020.mapping.toml")).expect("readable");
    let sections = Mapping::parse(&text).expect("valid").sections.expect("a table of sections");
    let named = cross_province.section.into_iter().map(|section| (section.name, section.id)).collect();
    assert_eq!(sections, named);
}
