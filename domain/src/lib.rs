//! Rules of section assessment, escalation and compensation.
//!
//! In scope: the decisions of the municipal plan as pure functions, `decide(state, command, …)` to events or a refusal
//! and `evolve(state, event)` to the next state. Out of scope: time, ids, files, mail and stores, which are given to it
//! as values. Modules are listed in reading order.

pub mod ids;
pub mod money;
pub mod parts;
pub mod period;
pub mod refusal;
pub mod sha256;
pub mod value;

pub mod calendar;

pub mod indicator;
pub mod reading;
pub mod standard;

pub mod plan;

pub mod assessment;
pub mod columns;
pub mod monthly;
pub mod trend;
pub mod verdict;

pub mod compensation;
pub mod county;
pub mod escalation;
pub mod readings;
pub mod round;
pub mod settlement;

pub mod attachment;
pub mod consumer;
pub mod delivery;
pub mod event;
pub mod letter;
pub mod notice;
