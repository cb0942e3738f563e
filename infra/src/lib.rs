//! What the service stands on: the event log, the codec of events, mail and tables.
//!
//! A store must promise what [`event_log::EventLog`] says; no rule of the plan is decided here.

pub mod aggregate;
pub mod event_log;
