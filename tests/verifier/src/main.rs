//! The `bishui-verify` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bishui_verifier::command::main()
}
