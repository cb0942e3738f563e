//! Room for what is to come: segments that were filled with zeros before they are used.
//!
//! Filling takes the disk as long as writing the events does, so it is done while nothing is written where that can
//! be: a burst then finds its room ready.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::location::SEGMENTS_MAX;
use super::reader::Reader;
use super::segment;
use crate::disk::DiskFile;

/// Most bytes that are made ready while nothing is written.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// The segments after the one that is written.
pub(super) struct Room {
    reader: Arc<Reader>,
    state: Mutex<State>,
    /// Held while a segment is filled: what is ready can be had meanwhile.
    filling: Mutex<()>,
}

struct State {
    ready: VecDeque<Arc<dyn DiskFile>>,
    /// Number of the segment after those.
    next: u32,
}

impl Room {
    /// Room after segment `used`, of which none is known to be ready.
    pub(super) fn after(used: u32, reader: Arc<Reader>) -> Self {
        let state = State { ready: VecDeque::new(), next: used + 1 };
        Self { reader, state: Mutex::new(state), filling: Mutex::default() }
    }

    /// Makes every segment up to `last` ready.
    pub(super) fn fill(&self, last: u32) -> io::Result<()> {
        while !self.is_filled(last) {
            self.fill_one(last)?;
        }
        Ok(())
    }

    /// Makes one more segment ready, unless those up to `last` are.
    pub(super) fn fill_one(&self, last: u32) -> io::Result<()> {
        let _filling = self.filling.lock().expect("no one panics while filling a segment");
        let number = self.state().next;
        if number > last {
            return Ok(());
        }
        if number > SEGMENTS_MAX {
            return Err(io::Error::other("the journal has as many segments as it can"));
        }
        let file = segment::create(&**self.reader.disk(), self.reader.directory(), number)?;
        let mut state = self.state();
        state.ready.push_back(file.into());
        state.next += 1;
        Ok(())
    }

    /// The first segment of the room, made ready now if it is not; it is no part of the room any more.
    pub(super) fn take(&self) -> io::Result<Arc<dyn DiskFile>> {
        loop {
            let mut state = self.state();
            if let Some(file) = state.ready.pop_front() {
                return Ok(file);
            }
            let next = state.next;
            drop(state);
            self.fill(next)?;
        }
    }

    /// Whether every segment up to `last` is ready.
    pub(super) fn is_filled(&self, last: u32) -> bool {
        self.state().next > last
    }

    /// The number of the first segment that is ready.
    pub(super) fn first(&self) -> Option<u32> {
        let state = self.state();
        let ready = u32::try_from(state.ready.len()).expect("a few segments are ready");
        (ready > 0).then(|| state.next - ready)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the room's state panics")
    }
}

/// The last segment that is to be ready before a burst, of a journal that ends at `offset` of segment `number`: as much
/// as was written yet is made ready, up to a bound.
pub(super) fn ahead(number: u32, offset: u32) -> u32 {
    let mut room = (segment::bytes_before(number) + u64::from(offset)).min(AHEAD_BYTES_MAX);
    let mut last = number;
    while let Some(rest) = room.checked_sub(u64::from(segment::length(last + 1))) {
        (room, last) = (rest, last + 1);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_with_what_was_written_up_to_a_bound() {
        assert_eq!(ahead(1, 32), 1);
        assert_eq!(ahead(1, segment::length(1)), 1, "one MiB was written, and the next segment has two");
        assert_eq!(ahead(2, 1 << 20), 2);
        assert_eq!(ahead(5, 32), 5);
        assert_eq!(ahead(5, 2 << 20), 6);
        assert_eq!(ahead(100, 0), 104);
    }
}
