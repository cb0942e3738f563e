//! Where an event stands in the journal: segment, offset of its block there, and its place in the block.

use crate::event_log::LogError;

/// A location packed into 64 bits: 20 for the segment, 32 for the offset, 12 for the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Location(u64);

/// Most segments of a journal.
pub(super) const SEGMENTS_MAX: u32 = (1 << 20) - 1;
/// Most events in a block.
pub(super) const BLOCK_EVENTS_MAX: u16 = (1 << 12) - 1;

impl Location {
    /// The location before the first event of a stream. Segments count from 1, so no event stands there.
    pub(super) const NONE: Self = Self(0);

    /// The `place`th event of the block at `offset` of `segment`.
    pub(super) fn new(segment: u32, offset: u32, place: u16) -> Self {
        Self(u64::from(segment) << 44 | u64::from(offset) << 12 | u64::from(place & BLOCK_EVENTS_MAX))
    }

    /// Number of the segment.
    pub(super) fn segment(self) -> u32 {
        u32::try_from(self.0 >> 44).expect("20 bits")
    }

    /// Offset of the block in its segment.
    pub(super) fn offset(self) -> u32 {
        u32::try_from(self.0 >> 12 & u64::from(u32::MAX)).expect("32 bits")
    }

    /// Place of the event in its block.
    pub(super) fn place(self) -> u16 {
        u16::try_from(self.0 & u64::from(BLOCK_EVENTS_MAX)).expect("12 bits")
    }

    /// The error where a block should be and is none.
    pub(super) fn no_block(self) -> LogError {
        LogError::Corrupt { what: format!("segment {} at {}: there is no whole block", self.segment(), self.offset()) }
    }

    /// The packed form.
    pub(super) fn pack(self) -> u64 {
        self.0
    }

    /// A location from its packed form.
    pub(super) fn unpack(packed: u64) -> Self {
        Self(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_keeps_its_parts() {
        for (segment, offset, place) in [(1, 0, 0), (SEGMENTS_MAX, u32::MAX, BLOCK_EVENTS_MAX), (7, 4_096, 11)] {
            let location = Location::new(segment, offset, place);
            assert_eq!((location.segment(), location.offset(), location.place()), (segment, offset, place));
            assert_eq!(Location::unpack(location.pack()), location);
            assert_ne!(location, Location::NONE);
        }
    }
}
