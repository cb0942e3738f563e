//! What a process that will be killed tells of its appends, a line each.

use std::fmt;

use bishui_infra::event_log::Position;

/// A batch that the process was told is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The writer within the process.
    pub writer: u64,
    /// Version of the writer's streams that it made.
    pub version: u64,
    /// Position of its first event.
    pub first: Position,
    /// Position of its last event.
    pub last: Position,
}

impl fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, version, first, last } = self;
        write!(f, "{writer} {version} {first} {last}")
    }
}

impl Acknowledged {
    /// Reads a line.
    ///
    /// # Panics
    /// When it is none that a process tells.
    pub fn parse(line: &str) -> Self {
        let numbers = line.split(' ').map(|number| number.parse().expect("an acknowledgement has numbers only"));
        let numbers: Vec<u64> = numbers.collect();
        let [writer, version, first, last] = numbers[..] else { panic!("not an acknowledgement: {line}") };
        Self { writer, version, first: Position(first), last: Position(last) }
    }
}
