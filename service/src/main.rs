//! The `bishui` command.

fn main() {}
