//! The verifier under test: what `bishui-verify` runs, built with the tests so that they never drive an old one.

use std::process::ExitCode;

fn main() -> ExitCode {
    bishui_verifier::command::main()
}
