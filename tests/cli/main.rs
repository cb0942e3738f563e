//! The command line, driven as a process: what each command prints, its exit code, and what it does with bad input.

mod answers;
mod audit;
mod backups;
mod bad_files;
mod bad_settings;
mod bench;
mod damaged;
mod database;
mod hostile;
mod large;
mod office;
mod offline;
mod previews;
mod repeated;
mod stopped;
mod tampering;
mod whatif;
