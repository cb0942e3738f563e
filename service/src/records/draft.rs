//! The draft of a batch: what a decision records, and what it rests on.

use std::collections::HashMap;

use bishui_domain::event::Event;
use bishui_domain::ids::NoticeId;
use bishui_domain::notice::{Numbering, NumberingEvent, Series};
use bishui_infra::codec;
use bishui_infra::event_log::{Expected, StreamId, StreamVersion, StreamWrite};

use super::stream;

/// Events and conditions of a batch while a decision is being taken.
#[derive(Debug, Default, Clone)]
pub struct Draft {
    writes: Vec<StreamWrite>,
    /// Where each stream stands in `writes`: publishing a round rests on two streams a section.
    places: HashMap<StreamId, usize>,
    /// The numbers of each series and year with those that this batch gives: it may approve many notices.
    numbering: HashMap<StreamId, Numbering>,
}

impl Draft {
    /// The decision rests on `stream` being at `version`.
    pub fn require(&mut self, stream: StreamId, version: StreamVersion) {
        self.write_to(stream, version);
    }

    /// The version of `stream` that the decision rests on.
    pub fn expects(&self, stream: &StreamId) -> Option<StreamVersion> {
        match self.writes.get(*self.places.get(stream)?)?.expected {
            Expected::Any => None,
            Expected::Exactly(version) => Some(version),
        }
    }

    /// Adds `events` to `stream`, which was read at `version`.
    pub fn write<E: Into<Event>>(
        &mut self,
        stream: StreamId,
        version: StreamVersion,
        events: impl IntoIterator<Item = E>,
    ) {
        let events = events.into_iter().map(|event| codec::encode(&event.into()));
        self.write_to(stream, version).events.extend(events);
    }

    /// Gives a notice the next number of a series and year, which was read as `numbering` at a version.
    pub(crate) fn give_number(
        &mut self,
        series: Series,
        year: i16,
        (numbering, version): (Numbering, StreamVersion),
        notice: NoticeId,
    ) -> u32 {
        let stream = stream::numbering(series, year);
        let numbering = self.numbering.entry(stream.clone()).or_insert(numbering);
        let number = numbering.next();
        let assigned = NumberingEvent::NumberAssigned { number, notice };
        *numbering = std::mem::take(numbering).evolve(&assigned);
        self.write(stream, version, [assigned]);
        number
    }

    /// The write to `stream`: the one that is there, with the version it has, or a new one at `version`.
    fn write_to(&mut self, stream: StreamId, version: StreamVersion) -> &mut StreamWrite {
        let next = self.writes.len();
        let place = *self.places.entry(stream.clone()).or_insert(next);
        if place == next {
            self.writes.push(StreamWrite { stream, expected: Expected::Exactly(version), events: vec![] });
        }
        &mut self.writes[place]
    }

    /// Whether nothing would be recorded.
    pub fn is_empty(&self) -> bool {
        self.writes.iter().all(|write| write.events.is_empty())
    }

    /// The writes of the batch.
    pub fn into_writes(self) -> Vec<StreamWrite> {
        self.writes
    }
}
