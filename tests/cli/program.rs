//! The program under test: what `bishui` runs, built with the tests so that they never drive an old one.

use std::process::ExitCode;

fn main() -> ExitCode {
    bishui::cli::main()
}
