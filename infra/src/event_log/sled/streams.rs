//! Where each stream ends in the journal: enough to judge a version, and to start reading a stream from its end.
//!
//! Streams are known by the first 128 bits of the SHA-256 of their names, so the table's size depends on how many
//! streams there are, not on their names nor on how many events they have.

use std::collections::HashMap;

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

/// The ends of streams, and the newest event of each of them that 16, 16², 16³ and 16⁴ divide.
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

    /// Takes the next event of a stream, of which these are changes to `base`.
    pub(super) fn advance(&mut self, base: &Self, stream: NameHash, version: u64, location: Location) {
        self.heads.insert(stream, Head { version, location });
        if skip_levels(version) > 0 {
            let before = || base.skips(stream).unwrap_or([Location::NONE; SKIP_LEVELS]);
            self.skips.entry(stream).or_insert_with(before)[..skip_levels(version)].fill(location);
        }
    }

    /// Puts a stream where a snapshot had it.
    pub(super) fn restore(&mut self, stream: NameHash, head: Head, skips: Option<Skips>) {
        self.heads.insert(stream, head);
        if let Some(skips) = skips {
            self.skips.insert(stream, skips);
        }
    }

    /// Every stream.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NameHash, Head, Option<Skips>)> {
        self.heads.iter().map(|(stream, head)| (*stream, *head, self.skips(*stream)))
    }

    /// Takes the streams that a group has advanced.
    pub(super) fn merge(&mut self, group: Self) {
        self.heads.extend(group.heads);
        self.skips.extend(group.skips);
    }
}
