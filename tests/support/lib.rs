//! What several tests of the whole system share.

pub mod watched_log;
