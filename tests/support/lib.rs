//! What several tests of the whole system share.

pub mod acknowledged;
pub mod asked;
pub mod certificates;
pub mod child;
pub mod copied_log;
pub mod dice;
pub mod forgetful_disk;
pub mod letters;
pub mod postgres;
pub mod proxy;
pub mod smtp_sink;
pub mod watched_log;
