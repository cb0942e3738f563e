//! What several tests of the whole system share.

pub mod copied_log;
pub mod watched_log;
