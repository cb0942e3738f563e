//! The service over HTTP: the life of a notice, rights, what a county cannot see, and the manners of the protocol.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

mod attachments;
mod away;
mod gone_back;
mod incidents;
mod isolation;
mod leases;
mod life;
mod nodes;
mod projections;
mod proof;
mod protocol;
mod repeated;
mod roles;
mod stopped;
mod town;
