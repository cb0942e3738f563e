//! Plans, mappings and settings with mistakes: the error names the key and the line.

use crate::office::{Office, PLAN, month, run};

#[test]
fn an_unknown_key_of_a_plan_is_named_with_its_line() {
    let office = Office::open();
    for (from, to, words) in [
        ("year = 2020", "year = 2020\nyaer = 2021", ["`yaer`", "line 6"]),
        ("kind = \"river\"\ncounty = \"h\"", "kind = \"river\"\ncuonty = \"h\"", ["`cuonty`", "line 34"]),
        ("kind = \"river\"\ncounty = \"h\"", "kind = \"groundwater\"\ncounty = \"h\"", ["GB/T 14848-2017", "line 33"]),
        (
            "kind = \"river\"\ncounty = \"h\"",
            "kind = \"drinking_water\"\nsource = \"groundwater\"\ncounty = \"h\"",
            ["GB/T 14848-2017", "section b"],
        ),
    ] {
        let file = office.file("bad.toml", PLAN.replacen(from, to, 1));
        run(office.command(["plan", "adopt"]).arg(file)).exits(4).says(&words);
    }
}

#[test]
fn every_fault_of_a_plan_is_named_at_once() {
    let office = Office::open();
    let file = office.file("bad.toml", PLAN.replace("county = \"h\"", "county = \"x\"").replace("Asia/", "Europe/"));
    let words = ["plan.time_zone", "section b: its county is not in the plan"];
    run(office.command(["plan", "adopt"]).arg(file)).exits(4).says(&words);
    office
        .run(["plan", "correct-target", "a", "VI", "--from", "2020-01", "--reason", "x"])
        .exits(4)
        .says(&["I II III"]);
}

#[test]
fn an_unknown_key_of_the_settings_is_named_with_its_line() {
    let office = Office::open();
    for (text, words) in [
        ("mail_host = \"x.example\"\nlisen = 3\n", ["lisen", "line 2"]),
        ("[smtp]\nhost = \"x\"\nprot = 25\n", ["prot", "line 3"]),
        ("listen = 5\n", ["listen", "line 1"]),
        ("listen = [\n", ["line 1", "array"]),
    ] {
        let file = office.file("bishui.toml", text);
        run(office.command(["config", "check", "--config"]).arg(file)).exits(4).says(&words);
    }
    for time in ["299", "60001"] {
        let words = ["`lease_ms`", time, "not 300 to 60000"];
        run(office.command(["config", "check"]).env("BISHUI_LEASE_MS", time)).exits(4).says(&words);
    }
    run(office.command(["config", "check"]).env("BISHUI_LEASE_MS", "300")).exits(0);
    office.run(["--config", "nowhere.toml", "config", "check"]).exits(4).says(&["nowhere.toml"]);
    run(office.command(["config", "check"]).env("BISHUI_LISTENN", "x")).exits(4).says(&["LISTENN"]);
    run(office.command(["config", "check"]).env("BISHUI_LOG", "info")).exits(0);
}

#[test]
fn an_unknown_key_of_a_mapping_is_named_with_its_line() {
    let office = Office::open();
    let (mapping, file) =
        (office.file("m.toml", "section = [\"a\"]\ntiem = \"b\"\n"), office.file("r.csv", month("2020-01")));
    run(office.command(["import", "--mapping"]).arg(mapping).arg(file)).exits(4).says(&["`tiem`", "line 2"]);
    assert_eq!(office.head(), 1);
}
