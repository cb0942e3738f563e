//! The command line, driven as a process: what each command prints, its exit code, and what it does with bad input.
#![expect(clippy::unwrap_used, reason = "an unexpected answer of the program is a failure of the test")]

mod answers;
mod bad_files;
mod bad_settings;
mod hostile;
mod large;
mod office;
mod offline;
mod previews;
mod tampering;
