//! What the service stands on: the event log, the codec of events, mail, tables and the calendar's data.
//!
//! A store must promise what [`event_log::EventLog`] says; no rule of the plan is decided here.

pub mod aggregate;
pub mod attachments;
pub mod backup;
pub mod calendar;
pub mod codec;
pub mod disk;
pub mod durable;
pub mod event_log;
pub mod mail;
pub mod table;
pub mod transparency;
