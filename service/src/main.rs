//! The `bishui` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bishui::cli::main()
}
