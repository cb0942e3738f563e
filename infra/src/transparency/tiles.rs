//! Hashes of the tree on disk, so that proofs need no pass over the log.
//!
//! They can be derived from the log at any time, and are never taken for evidence by themselves: what is signed was
//! compared with the log, and an audit compares them again. Not one of them is ever changed: a tree only grows.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::proof::{self, Subtree};
use super::tree::node_hash;
use super::{ProofError, file_error};
use crate::event_log::leaf::Hash;

/// Levels of the tree between two files, so hashes of a full tile are 2^8.
const TILE_LEVELS: u32 = 8;
/// Hashes of a full tile.
pub const TILE_HASHES: u64 = 1 << TILE_LEVELS;
/// Bytes of a hash.
const HASH_BYTES: u64 = 32;
/// Files: enough for every size.
const FILES: u32 = 8;

/// The stored hashes of a log's tree, for reading. Another process may add to them at the same time: those of the leaves
/// that are taken in here stay as they are.
#[derive(Debug)]
pub struct Tiles {
    dir: PathBuf,
    /// The files from `level-0` on, up to the first that is missing.
    levels: Vec<Level>,
    size: u64,
}

/// The stored hashes, open for growing: one holder at a time, see [`super::notary::Notary`].
#[derive(Debug)]
pub(super) struct Growing {
    tiles: Tiles,
}

#[derive(Debug)]
struct Level {
    path: PathBuf,
    file: File,
}

impl Level {
    fn open(dir: &Path, level: u32, options: &OpenOptions) -> Result<Self, ProofError> {
        let path = dir.join(format!("level-{level}"));
        Ok(Self { file: options.open(&path).map_err(file_error(&path))?, path })
    }

    /// Whole hashes in the file.
    fn count(&self) -> Result<u64, ProofError> {
        Ok(self.file.metadata().map_err(file_error(&self.path))?.len() / HASH_BYTES)
    }

    fn cut(&self, count: u64) -> Result<(), ProofError> {
        self.file.set_len(count * HASH_BYTES).map_err(file_error(&self.path))
    }

    fn read(&self, from: u64, count: u64) -> Result<Vec<Hash>, ProofError> {
        let bytes = usize::try_from(count * HASH_BYTES).expect("at most a tile is read at a time");
        let mut buffer = vec![0; bytes];
        self.file.read_exact_at(&mut buffer, from * HASH_BYTES).map_err(file_error(&self.path))?;
        Ok(buffer.as_chunks().0.to_vec())
    }

    fn write(&self, from: u64, hashes: &[Hash]) -> Result<(), ProofError> {
        self.file.write_all_at(hashes.as_flattened(), from * HASH_BYTES).map_err(file_error(&self.path))
    }
}

/// The root of 2^n hashes.
fn fold(mut hashes: Vec<Hash>) -> Hash {
    while hashes.len() > 1 {
        hashes = hashes.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    hashes[0]
}

impl Tiles {
    /// Opens the hashes of the first `size` leaves in directory `dir`, or of as many as there are.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(dir: &Path, size: u64) -> Result<Self, ProofError> {
        let mut levels = Vec::new();
        for level in 0..FILES {
            match Level::open(dir, level, OpenOptions::new().read(true)) {
                Ok(level) => levels.push(level),
                Err(ProofError::File { source, .. }) if source.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        let there = levels.first().map_or(Ok(0), Level::count)?;
        Ok(Self { dir: dir.to_owned(), levels, size: there.min(size) })
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn level(&self, level: u32) -> Result<&Level, ProofError> {
        let missing = || file_error(&self.dir.join(format!("level-{level}")))(io::Error::from(ErrorKind::NotFound));
        self.levels.get(level as usize).ok_or_else(missing)
    }

    /// The hash of a complete subtree of these leaves.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn hash(&self, subtree: Subtree) -> Result<Hash, ProofError> {
        let (level, height) = (subtree.level / TILE_LEVELS, subtree.level % TILE_LEVELS);
        Ok(fold(self.level(level)?.read(subtree.index << height, 1 << height)?))
    }

    /// Whether the hash of this subtree is one of those that are stored.
    pub fn stores(subtree: Subtree) -> bool {
        subtree.level.is_multiple_of(TILE_LEVELS)
    }

    /// What is stored as the hash of a complete subtree, see [`Tiles::stores`]; none where it was lost.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn stored(&self, subtree: Subtree) -> Result<Option<Hash>, ProofError> {
        let Some(level) = self.levels.get((subtree.level / TILE_LEVELS) as usize) else { return Ok(None) };
        if subtree.index < level.count()? { Ok(level.read(subtree.index, 1)?.pop()) } else { Ok(None) }
    }

    /// Leaf hashes from leaf `from` on (from 0), at most a tile of them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn leaves(&self, from: u64) -> Result<Vec<Hash>, ProofError> {
        match self.size.saturating_sub(from).min(TILE_HASHES) {
            0 => Ok(vec![]),
            count => self.level(0)?.read(from, count),
        }
    }

    /// The root of the first `size` leaves; there are that many.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn root(&self, size: u64) -> Result<Hash, ProofError> {
        proof::root(size, |subtree| self.hash(subtree))
    }
}

impl Growing {
    /// Opens the hashes of the first `size` leaves in directory `dir`, or of as many as there are, creating the files.
    /// What a crash left unfinished is finished: hashes of inner nodes that are missing are made, those too many are cut
    /// off.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(super) fn open(dir: &Path, size: u64) -> Result<Self, ProofError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let levels = (0..FILES).map(|level| Level::open(dir, level, &options));
        let levels = levels.collect::<Result<Vec<_>, _>>()?;
        let size = levels[0].count()?.min(size);
        let mut growing = Self { tiles: Tiles { dir: dir.to_owned(), levels, size } };
        growing.cut(size)?;
        growing.complete()?;
        Ok(growing)
    }

    /// What is there, for reading.
    pub(super) fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    /// Forgets the leaves from `size` on, which is not above what is there.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn cut(&mut self, size: u64) -> Result<(), ProofError> {
        self.tiles.size = size;
        for (level, count) in self.tiles.levels.iter().zip(counts(size)) {
            level.cut(level.count()?.min(count))?;
        }
        Ok(())
    }

    /// Adds leaves by their hashes; they are on the disk after [`Growing::sync`].
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn append(&mut self, leaves: &[Hash]) -> Result<(), ProofError> {
        self.tiles.levels[0].write(self.tiles.size, leaves)?;
        self.tiles.size += leaves.len() as u64;
        self.complete()
    }

    /// Makes the hashes of subtrees that are complete.
    fn complete(&mut self) -> Result<(), ProofError> {
        for (pair, wanted) in self.tiles.levels.windows(2).zip(counts(self.tiles.size).skip(1)) {
            let [below, level] = pair else { unreachable!("windows of two") };
            for tile in level.count()?..wanted {
                let hash = fold(below.read(tile * TILE_HASHES, TILE_HASHES)?);
                level.write(tile, &[hash])?;
            }
        }
        Ok(())
    }

    /// Brings everything that was added to the disk.
    ///
    /// # Errors
    /// The disk has failed.
    pub(super) fn sync(&self) -> Result<(), ProofError> {
        self.tiles.levels.iter().try_for_each(|level| level.file.sync_data().map_err(file_error(&level.path)))
    }
}

/// Hashes of each level in a tree of `size` leaves.
fn counts(size: u64) -> impl Iterator<Item = u64> {
    (0..FILES).map(move |level| size >> (level * TILE_LEVELS))
}

/// The first `width` hashes of tile `index` of `level`, in a tree of `size` leaves; none where there are not as many.
///
/// # Errors
/// The file cannot be read.
pub fn read_tile(dir: &Path, size: u64, level: u32, index: u64, width: u64) -> Result<Option<Vec<u8>>, ProofError> {
    let Some(count) = counts(size).nth(level as usize) else { return Ok(None) };
    let end = index.checked_mul(TILE_HASHES).and_then(|from| from.checked_add(width));
    if width == 0 || width > TILE_HASHES || end.is_none_or(|end| end > count) {
        return Ok(None);
    }
    let level = Level::open(dir, level, OpenOptions::new().read(true))?;
    Ok(Some(level.read(index * TILE_HASHES, width)?.concat()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Frontier;
    use super::super::tree::tests::leaf_of;
    use super::*;

    fn open(dir: &tempfile::TempDir) -> Growing {
        Growing::open(dir.path(), u64::MAX).unwrap()
    }

    fn leaves(numbers: std::ops::Range<u32>) -> Vec<Hash> {
        numbers.map(|number| leaf_of(&number.to_be_bytes())).collect()
    }

    #[test]
    fn roots_and_proofs_are_those_of_the_tree_whatever_the_steps_it_grew_in() {
        let dir = tempfile::tempdir().unwrap();
        let all = leaves(0..70_000);
        let (mut from, mut step) = (0, 1);
        while from < all.len() {
            let to = all.len().min(from + step);
            open(&dir).append(&all[from..to]).unwrap();
            (from, step) = (to, step * 3);
        }
        let tiles = Tiles::read(dir.path(), 70_000).unwrap();
        let mut frontier = Frontier::default();
        for (number, leaf) in (0..).zip(&all) {
            if number % 9_973 == 0 || number == 65_536 {
                assert_eq!(tiles.root(number).unwrap(), frontier.root(), "{number} leaves");
            }
            frontier.push(*leaf);
        }
        assert_eq!(tiles.root(70_000).unwrap(), frontier.root());
        for leaf in [0, 255, 256, 65_535, 65_536, 69_999] {
            let proof = proof::inclusion(leaf, 70_000, |subtree| tiles.hash(subtree)).unwrap();
            let hash = all[usize::try_from(leaf).unwrap()];
            assert_eq!(proof::included(leaf, hash, 70_000, &proof), Some(frontier.root()), "leaf {leaf}");
        }
    }

    #[test]
    fn what_a_crash_left_is_finished_or_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let all = leaves(0..1_000);
        open(&dir).append(&all).unwrap();
        let root = open(&dir).tiles().root(1_000).unwrap();
        // Inner hashes missing, a leaf half written, inner hashes too many.
        std::fs::write(dir.path().join("level-1"), [1; 7]).unwrap();
        assert_eq!(open(&dir).tiles().root(1_000).unwrap(), root);
        File::options().write(true).open(dir.path().join("level-0")).unwrap().set_len(32 * 999 + 5).unwrap();
        assert_eq!(open(&dir).tiles().size(), 999);
        let mut growing = Growing::open(dir.path(), 700).unwrap();
        growing.append(&all[700..]).unwrap();
        growing.sync().unwrap();
        assert_eq!(open(&dir).tiles().root(1_000).unwrap(), root);
    }

    #[test]
    fn reading_changes_nothing_and_sees_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let tiles = |size| Tiles::read(dir.path(), size).unwrap();
        assert_eq!((tiles(5).size(), tiles(5).leaves(0).unwrap()), (0, vec![]), "a new directory");
        let (all, tile) = (leaves(0..1_000), Subtree { level: 8, index: 2 });
        open(&dir).append(&all).unwrap();
        assert_eq!((tiles(700).size(), tiles(2_000).size()), (700, 1_000));
        assert_eq!(tiles(700).leaves(512).unwrap(), all[512..700]);
        assert_eq!(tiles(700).stored(tile).unwrap(), Some(fold(all[512..768].to_vec())));
        assert!(Tiles::stores(tile) && !Tiles::stores(Subtree { level: 7, index: 2 }), "7 is between two files");
        std::fs::write(dir.path().join("level-1"), [1; 70]).unwrap();
        assert_eq!(tiles(700).stored(tile).unwrap(), None, "lost");
        std::fs::remove_file(dir.path().join("level-1")).unwrap();
        assert_eq!(tiles(700).stored(tile).unwrap(), None, "lost with its file");
        assert!(matches!(tiles(700).hash(tile), Err(ProofError::File { .. })));
        assert!(!dir.path().join("level-1").exists());
    }

    #[test]
    fn a_tile_is_read_as_far_as_the_tree_reaches() {
        let dir = tempfile::tempdir().unwrap();
        let all = leaves(0..1_000);
        open(&dir).append(&all).unwrap();
        let tile = |level, index, width| read_tile(dir.path(), 1_000, level, index, width).unwrap();
        assert_eq!(tile(0, 0, 256), Some(all[..256].concat()));
        assert_eq!(tile(0, 3, 232), Some(all[768..].concat()));
        assert_eq!(tile(1, 0, 3).map(|tile| tile.len()), Some(96));
        for (level, index, width) in
            [(0, 3, 233), (0, 4, 1), (0, 0, 0), (0, 0, 257), (1, 0, 4), (9, 0, 1), (0, u64::MAX, 1)]
        {
            assert_eq!(tile(level, index, width), None, "{level}/{index}/{width}");
        }
    }
}
