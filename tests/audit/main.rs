//! The proof of the log: whatever is changed in a log, in its files, or in evidence taken from it, is found and named.

mod bundle;
mod events;
mod files;
mod notary;
mod town;
