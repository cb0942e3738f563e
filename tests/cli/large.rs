//! A file of a million rows: everything is taken or named, in bounded memory.
//!
//! The rows are 200,000 by default and as many as `BISHUI_TEST_ROWS` says. The bound on the process's private memory is
//! set by the shell, so that a program that goes beyond it dies instead of being watched.

use std::fmt::Write as _;
use std::process::Command;

use crate::office::{Office, program, run, without_variables};

/// Memory of the program itself, its threads and the store's cache.
const BASE_KIB: u64 = 256 * 1024;
/// Memory for one row. Measured with a million rows: 0.5 KiB where all are taken, 0.25 where rejected.
const ROW_KIB: u64 = 1;

fn rows_asked() -> u64 {
    std::env::var("BISHUI_TEST_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(200_000)
}

/// A file of so many rows, one reading a minute.
fn file(rows: u64, source: &str) -> String {
    let mut text = String::from("section,time,source,indicator,value\n");
    let mut at = jiff::civil::date(2020, 1, 1).at(0, 0, 0, 0);
    for row in 0..rows {
        let section = if row % 2 == 0 { "a" } else { "b" };
        writeln!(text, "{section},{},{source},nh3n,0.{:04}", at.strftime("%F %H:%M"), row % 10_000)
            .expect("text grows");
        if row % 2 == 1 {
            at = at.checked_add(jiff::Span::new().minutes(1)).expect("a time of this century");
        }
    }
    text
}

/// The command under a bound of memory.
fn bounded(office: &Office, rows: u64, args: &[&str]) -> Command {
    let program = program();
    let mut shell = Command::new("sh");
    without_variables(&mut shell);
    let bound = BASE_KIB + rows * ROW_KIB;
    shell.arg("-c").arg(format!("ulimit -d {bound} && exec \"$0\" \"$@\"")).arg(program.get_program());
    shell.arg("--data").arg(office.data()).args(args);
    shell
}

#[test]
fn a_large_file_is_taken_in_bounded_memory() {
    let (office, rows) = (Office::open(), rows_asked());
    let path = office.file("large.csv", file(rows, "automatic"));
    let path = path.to_str().unwrap();
    let taken = run(&mut bounded(&office, rows, &["import", path, "--json"])).exits(0).json();
    assert_eq!(taken["import"]["accepted"], rows);
    let again = run(&mut bounded(&office, rows, &["import", path, "--json"])).exits(0).json();
    assert_eq!(again["import"]["duplicates"], rows);
}

#[test]
fn a_large_file_of_rejected_rows_is_named_row_by_row_in_bounded_memory() {
    let (office, rows) = (Office::open(), rows_asked());
    let (path, rejected) = (office.file("large.csv", file(rows, "nobody")), office.path("rejected.csv"));
    let args = ["import", path.to_str().unwrap(), "--rejected", rejected.to_str().unwrap()];
    run(&mut bounded(&office, rows, &args)).exits(4);
    let written = std::fs::read_to_string(rejected).unwrap();
    assert_eq!(written.lines().count() as u64, rows + 1);
    assert_eq!(office.head(), 1);
}
