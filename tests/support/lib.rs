//! What several tests of the whole system share.

pub mod letters;
pub mod watched_log;
