//! The manifest of a backup: what belongs to it, with sizes and hashes.

use std::io::Read as _;
use std::path::Path;

use bishui_domain::sha256::Sha256;
use serde::{Deserialize, Serialize};

use super::{BackupError, EVENTS_DIR, Lost, MANIFEST_FILE, failed};
use crate::attachments::hash;
use crate::durable;
use crate::transparency::tree::Frontier;

/// The word that tells a manifest from other JSON.
pub const FORMAT: &str = "bishui-backup";
/// The version of the format that is written and read.
pub const VERSION: u64 = 1;
/// Most bytes of a manifest.
const BYTES_MAX: u64 = 64 << 20;
/// What stands for the checksum while it is computed.
const NO_CHECKSUM: Sha256 = Sha256([0; 32]);

/// What belongs to a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u64,
    /// SHA-256 of the manifest's file with zeros in the place of these 64 digits.
    pub checksum: Sha256,
    /// Number of events, which is the last position.
    pub events: u64,
    /// Root of the tree of RFC 6962 over the leaves of all events.
    pub root: Sha256,
    /// Roots of the tree's complete subtrees, largest first: what the next backup goes on from.
    pub peaks: Vec<Sha256>,
    /// Leaf hash of the last event; none without events.
    pub last_leaf: Option<Sha256>,
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// Attachments that could not be copied; each backup tries again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Lost>,
}

/// A file of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Path below the backup's directory; it follows from the first position.
    pub file: String,
    /// First position.
    pub first: u64,
    /// Last position.
    pub last: u64,
    /// Number of events, one a line.
    pub events: u64,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256,
    /// Root of the tree up to the last position of this part.
    pub root: Sha256,
}

impl Manifest {
    /// The manifest of a backup without events.
    pub(super) fn empty() -> Self {
        let (events, root) = (0, Sha256(Frontier::default().root()));
        let (peaks, parts, missing) = (vec![], vec![], vec![]);
        Self {
            format: FORMAT.into(),
            version: VERSION,
            checksum: NO_CHECKSUM,
            events,
            root,
            peaks,
            last_leaf: None,
            parts,
            missing,
        }
    }

    /// The manifest in `dir`; none where there is none.
    ///
    /// # Errors
    /// It cannot be read, is not what was written, is of a newer format, or contradicts itself.
    pub fn read(dir: &Path) -> Result<Option<Self>, BackupError> {
        let path = dir.join(MANIFEST_FILE);
        let damaged = |what: String| BackupError::Damaged { path: path.clone(), line: None, what };
        let mut bytes = Vec::new();
        match std::fs::File::open(&path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path)(error)),
            Ok(_) => {}
        }
        if let Ok(Heading { format, version }) = serde_json::from_slice(&bytes)
            && format == FORMAT
            && version > VERSION
        {
            return Err(BackupError::Newer { path, version });
        }
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.format != FORMAT || manifest.version != VERSION {
            return Err(damaged("it is no manifest of a backup".to_owned()));
        }
        if checksum(&bytes, manifest.checksum) != manifest.checksum {
            return Err(damaged("its checksum is another".to_owned()));
        }
        manifest.check().map_err(damaged)?;
        Ok(Some(manifest))
    }

    /// Replaces the manifest in `dir`.
    pub(super) fn write(&mut self, dir: &Path) -> Result<(), BackupError> {
        self.checksum = NO_CHECKSUM;
        self.checksum = hash(self.to_text().as_bytes());
        let path = dir.join(MANIFEST_FILE);
        durable::write(&path, self.to_text().as_bytes()).map_err(failed(&path))
    }

    fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a manifest holds only texts, numbers and lists");
        format!("{text}\n")
    }

    /// The frontier of the tree over its events.
    pub(super) fn frontier(&self) -> Frontier {
        Frontier::of(self.events, self.peaks.iter().map(|peak| peak.0).collect())
            .expect("a manifest is read and written with as many as there are")
    }

    /// Says what contradicts itself.
    fn check(&self) -> Result<(), String> {
        let mut last = 0;
        for part in &self.parts {
            let follows = part.first == last + 1 && part.last >= part.first && part.last - last == part.events;
            if !follows || part.file != file_of(part.first) {
                return Err(format!("the part {} does not follow position {last}", part.file));
            }
            last = part.last;
        }
        let frontier = Frontier::of(self.events, self.peaks.iter().map(|peak| peak.0).collect())
            .ok_or("its peaks are not those of its events")?;
        let root_of_parts = self.parts.last().map_or(Sha256(frontier.root()), |part| part.root);
        if last != self.events || Sha256(frontier.root()) != self.root || root_of_parts != self.root {
            return Err("its parts do not add up to it".to_owned());
        }
        if self.last_leaf.is_some() == self.parts.is_empty() {
            return Err("its last leaf is not that of its events".to_owned());
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Heading {
    format: String,
    version: u64,
}

/// The path of the part that begins with position `first`.
pub(super) fn file_of(first: u64) -> String {
    format!("{EVENTS_DIR}/{first:020}.ndjson")
}

/// The checksum of a manifest's bytes, in which `given` stands in its place.
fn checksum(bytes: &[u8], given: Sha256) -> Sha256 {
    let text = String::from_utf8_lossy(bytes);
    hash(text.replacen(&given.to_string(), &NO_CHECKSUM.to_string(), 1).as_bytes())
}
