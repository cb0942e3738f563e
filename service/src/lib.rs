//! Bishui: the service that executes a municipal water action plan.
//!
//! This is the only place where time passes, ids are drawn and things are sent. An act is decided on the streams it
//! concerns, appended, and followed through by the processes; projections serve people.

pub mod accounts;
pub mod act;
pub mod audit;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deadlines;
pub mod delivery;
pub mod drill;
pub mod end_state;
pub mod error;
pub mod http;
pub mod incident;
pub mod lease;
pub mod migrate;
pub mod office;
pub mod preview;
pub mod process;
pub mod projection;
pub mod query;
pub mod records;
pub mod register;
pub mod replay;
pub mod restored;
pub mod scenario;
pub mod store;
pub mod view;
pub mod whatif;
