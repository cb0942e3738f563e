//! Where each stream ends in the journal: enough to judge a version, and to start reading a stream from its end.
//!
//! Streams are known by the first 128 bits of the SHA-256 of their names, so the table's size depends on how many
//! streams there are, not on their names nor on how many events they have.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::block::{SKIP_LEVELS, Skips, skip_levels};
use super::location::Location;

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
    /// Only of streams with an event 16.
    skips: HashMap<NameHash, Skips>,
}

impl Streams {
    /// The end of a stream; none when it has no event here.
    pub(super) fn head(&self, stream: NameHash) -> Option<Head> {
        self.heads.get(&stream).copied()
    }

    /// The newest events of a stream that the skips of the next ones lead to.
    pub(super) fn skips(&self, stream: NameHash) -> Option<Skips> {
        self.skips.get(&stream).copied()
    }

    /// Takes the next event of a stream; `before` gives the skips of one that has none here.
    pub(super) fn advance(
        &mut self,
        before: impl FnOnce() -> Option<Skips>,
        stream: NameHash,
        version: u64,
        location: Location,
    ) {
        self.heads.insert(stream, Head { version, location });
        if skip_levels(version) > 0 {
            let before = || before().unwrap_or([Location::NONE; SKIP_LEVELS]);
            self.skips.entry(stream).or_insert_with(before)[..skip_levels(version)].fill(location);
        }
    }

    /// Every stream.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NameHash, Head, Option<Skips>)> {
        self.heads.iter().map(|(stream, head)| (*stream, *head, self.skips(*stream)))
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

    /// The newest events of a stream that the skips of the next ones lead to.
    pub(super) fn skips(&self, stream: NameHash) -> Option<Skips> {
        self.parts[part_of(stream)].skips(stream)
    }

    /// Puts a stream where a snapshot had it.
    pub(super) fn restore(&mut self, stream: NameHash, head: Head, skips: Option<Skips>) {
        let part = self.part_mut(stream);
        part.heads.insert(stream, head);
        part.skips.extend(skips.map(|skips| (stream, skips)));
    }

    /// Every stream.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NameHash, Head, Option<Skips>)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// Takes the streams that a group has advanced.
    pub(super) fn merge(&mut self, group: Streams) {
        for (stream, head) in group.heads {
            self.part_mut(stream).heads.insert(stream, head);
        }
        for (stream, skips) in group.skips {
            self.part_mut(stream).skips.insert(stream, skips);
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
            group.advance(|| None, *stream, 16, Location::new(1, 32, 0));
        }
        all.merge(group);
        let (copy, mut group) = (all.clone(), Streams::default());
        group.advance(|| copy.skips(names[0]), names[0], 17, Location::new(2, 32, 0));
        all.merge(group);
        assert_eq!((all.head(names[0]).unwrap().version, copy.head(names[0]).unwrap().version), (17, 16));
        assert_eq!(all.skips(names[0]), copy.skips(names[0]));
        let count = |streams: &AllStreams| streams.iter().filter(|(_, head, _)| head.version == 16).count();
        assert_eq!((count(&all), count(&copy)), (999, 1_000));
    }
}
