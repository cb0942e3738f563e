//! Versions of the streams written lately, bounded: what is forgotten is read from the tree again.

use std::collections::HashMap;

use crate::event_log::{LogError, StreamId, StreamVersion};

/// Streams in one generation; at most twice as many are kept.
const GENERATION_STREAMS_MAX: usize = 65_536;

/// Two generations of versions. A stream in use moves to the young one; when that is full, the old one is dropped.
#[derive(Default)]
pub(super) struct Heads {
    young: HashMap<StreamId, StreamVersion>,
    old: HashMap<StreamId, StreamVersion>,
}

impl Heads {
    /// The version of `stream`, asked of `read` when it is not known.
    pub(super) fn get_or_read(
        &mut self,
        stream: &StreamId,
        read: impl FnOnce() -> Result<StreamVersion, LogError>,
    ) -> Result<StreamVersion, LogError> {
        if let Some(version) = self.young.get(stream) {
            return Ok(*version);
        }
        let version = match self.old.get(stream) {
            Some(version) => *version,
            None => read()?,
        };
        self.put(stream.clone(), version);
        Ok(version)
    }

    /// Takes the versions of a committed group.
    pub(super) fn extend(&mut self, versions: HashMap<StreamId, StreamVersion>) {
        for (stream, version) in versions {
            self.put(stream, version);
        }
    }

    fn put(&mut self, stream: StreamId, version: StreamVersion) {
        if self.young.len() >= GENERATION_STREAMS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream, version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(number: usize) -> StreamId {
        StreamId::new("section", number)
    }

    #[test]
    fn the_newest_version_is_answered_and_old_streams_are_forgotten() {
        let mut heads = Heads::default();
        heads.extend(HashMap::from([(stream(0), StreamVersion(1))]));
        for number in 1..=GENERATION_STREAMS_MAX {
            heads.extend(HashMap::from([(stream(number), StreamVersion(1))]));
        }
        heads.extend(HashMap::from([(stream(0), StreamVersion(2))]));
        assert_eq!(heads.get_or_read(&stream(0), || panic!("known")).unwrap(), StreamVersion(2));

        for number in 1..=2 * GENERATION_STREAMS_MAX {
            heads.extend(HashMap::from([(stream(number), StreamVersion(1))]));
        }
        assert_eq!(heads.get_or_read(&stream(0), || Ok(StreamVersion(9))).unwrap(), StreamVersion(9));
        assert!(heads.young.len() + heads.old.len() <= 2 * GENERATION_STREAMS_MAX);
    }
}
