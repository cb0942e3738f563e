//! Where each stream ends in the journal: enough to judge a version, and to start reading a stream from its end.
//!
//! Streams are known by the first 128 bits of the SHA-256 of their names, so the table's size depends on how many
//! streams there are, not on their names nor on how many events they have.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::entries::{SKIP_LEVELS, Skips, skip_levels};
use super::location::Location;
use super::tail::NO_SKIPS;

/// The first 128 bits of the SHA-256 of a name.
pub(super) type NameHash = u128;

/// The hash by which `name` is known.
pub(super) fn name_hash(name: &str) -> NameHash {
    let hash = Sha256::digest(name.as_bytes());
    let (first, _) = hash.split_first_chunk::<16>().expect("SHA-256 has 32 bytes");
    u128::from_le_bytes(*first)
}

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Version of its last event; 0 when it has none.
    pub(super) version: u64,
    /// Where that stands.
    pub(super) location: Location,
}

impl Default for Head {
    fn default() -> Self {
        Self { version: 0, location: Location::NONE }
    }
}

/// The ends of some streams, and the newest event of each of them that 16, 16², 16³ and 16⁴ divide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Streams {
    heads: HashMap<NameHash, Head>,
    /// One table for each level: most streams have no event 256.
    skips: [HashMap<NameHash, Location>; SKIP_LEVELS],
}

impl Streams {
    /// The end of a stream; none when it has no event here.
    pub(super) fn head(&self, stream: NameHash) -> Option<Head> {
        self.heads.get(&stream).copied()
    }

    /// Puts into `skips` the newest events of a stream here that the skips of its next one lead to, as many as it gives.
    pub(super) fn skips(&self, stream: NameHash, skips: &mut [Location]) {
        for (skip, level) in skips.iter_mut().zip(&self.skips) {
            *skip = level.get(&stream).copied().unwrap_or(*skip);
        }
    }

    /// Takes the next event of a stream.
    pub(super) fn advance(&mut self, stream: NameHash, version: u64, location: Location) {
        self.heads.insert(stream, Head { version, location });
        for level in &mut self.skips[..skip_levels(version)] {
            level.insert(stream, location);
        }
    }

    /// Every stream here.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NameHash, Head, Skips)> {
        self.heads.iter().map(|(stream, head)| {
            let mut skips = NO_SKIPS;
            self.skips(*stream, &mut skips);
            (*stream, *head, skips)
        })
    }
}

/// Parts of all streams.
const PARTS: usize = 256;

/// All streams of a log, in parts that a copy shares until one of the two changes them: a copy is made for each saving,
/// while events go on being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AllStreams {
    parts: Vec<Arc<Streams>>,
}

impl Default for AllStreams {
    fn default() -> Self {
        Self { parts: vec![Arc::default(); PARTS] }
    }
}

impl AllStreams {
    /// The end of a stream; none when it has no event.
    pub(super) fn head(&self, stream: NameHash) -> Option<Head> {
        self.parts[part_of(stream)].head(stream)
    }

    /// Puts into `skips` the newest events of a stream that the skips of its next one lead to, as many as it gives.
    pub(super) fn skips(&self, stream: NameHash, skips: &mut [Location]) {
        self.parts[part_of(stream)].skips(stream, skips);
    }

    /// Puts a stream where a snapshot had it.
    pub(super) fn restore(&mut self, stream: NameHash, head: Head, skips: Skips) {
        let part = self.part_mut(stream);
        part.heads.insert(stream, head);
        for (level, skip) in part.skips.iter_mut().zip(skips) {
            if skip != Location::NONE {
                level.insert(stream, skip);
            }
        }
    }

    /// Every stream.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NameHash, Head, Skips)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// The parts one after the other; each is given back when the next is asked for.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Arc<Streams>> {
        self.parts.into_iter()
    }

    /// Takes the streams that a group has advanced.
    pub(super) fn merge(&mut self, group: Streams) {
        for (stream, head) in group.heads {
            self.part_mut(stream).heads.insert(stream, head);
        }
        for (level, skips) in group.skips.into_iter().enumerate() {
            for (stream, location) in skips {
                self.part_mut(stream).skips[level].insert(stream, location);
            }
        }
    }

    fn part_mut(&mut self, stream: NameHash) -> &mut Streams {
        Arc::make_mut(&mut self.parts[part_of(stream)])
    }
}

fn part_of(stream: NameHash) -> usize {
    usize::from(stream.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_as_it_was() {
        let (mut all, mut group) = (AllStreams::default(), Streams::default());
        let names: Vec<NameHash> = (0..1_000).map(|number| name_hash(&format!("county/{number}"))).collect();
        for stream in &names {
            group.advance(*stream, 16, Location::new(1, 32, 0));
        }
        all.merge(group);
        let (copy, mut group) = (all.clone(), Streams::default());
        group.advance(names[0], 17, Location::new(2, 32, 0));
        all.merge(group);
        assert_eq!((all.head(names[0]).unwrap().version, copy.head(names[0]).unwrap().version), (17, 16));
        let skips_of = |streams: &AllStreams| {
            let mut skips = NO_SKIPS;
            streams.skips(names[0], &mut skips);
            skips
        };
        assert_eq!(skips_of(&all), skips_of(&copy));
        assert_ne!(skips_of(&all), NO_SKIPS);
        let count = |streams: &AllStreams| streams.iter().filter(|(_, head, _)| head.version == 16).count();
        assert_eq!((count(&all), count(&copy)), (999, 1_000));
    }
}
