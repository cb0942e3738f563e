//! Hashes of the tree on disk, so that proofs need no pass over the log.
//!
//! They can be derived from the log at any time, and are never taken for evidence by themselves: what is signed was
//! compared with the log, and an audit compares them again. Not one of them is ever changed: a tree only grows.

use std::fs::{File, OpenOptions};
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

/// The hashes of a log's tree, open for growing.
#[derive(Debug)]
pub struct Tiles {
    levels: Vec<Level>,
    size: u64,
}

#[derive(Debug)]
struct Level {
    path: PathBuf,
    file: File,
}

impl Level {
    fn open(path: PathBuf) -> Result<Self, ProofError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        Ok(Self { file: file.map_err(file_error(&path))?, path })
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
    /// Opens the hashes in directory `dir`, creating them when there are none. What a crash left unfinished is
    /// finished: hashes of inner nodes that are missing are made, those too many are cut off.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self, ProofError> {
        let levels = (0..FILES).map(|level| Level::open(dir.join(format!("level-{level}"))));
        let levels = levels.collect::<Result<Vec<_>, _>>()?;
        let size = levels[0].count()?;
        let mut tiles = Self { levels, size };
        tiles.cut(size)?;
        tiles.complete()?;
        Ok(tiles)
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Forgets the leaves from `size` on, which is not above what is there.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn cut(&mut self, size: u64) -> Result<(), ProofError> {
        self.size = size;
        for (level, count) in self.levels.iter().zip(counts(size)) {
            level.cut(level.count()?.min(count))?;
        }
        Ok(())
    }

    /// Adds leaves by their hashes; they are on the disk after [`Tiles::sync`].
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn append(&mut self, leaves: &[Hash]) -> Result<(), ProofError> {
        self.levels[0].write(self.size, leaves)?;
        self.size += leaves.len() as u64;
        self.complete()
    }

    /// Makes the hashes of subtrees that are complete.
    fn complete(&mut self) -> Result<(), ProofError> {
        for (pair, wanted) in self.levels.windows(2).zip(counts(self.size).skip(1)) {
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
    pub fn sync(&self) -> Result<(), ProofError> {
        self.levels.iter().try_for_each(|level| level.file.sync_data().map_err(file_error(&level.path)))
    }

    /// The hash of a complete subtree of these leaves.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn hash(&self, subtree: Subtree) -> Result<Hash, ProofError> {
        let (level, height) = (subtree.level / TILE_LEVELS, subtree.level % TILE_LEVELS);
        let level = &self.levels[level as usize];
        Ok(fold(level.read(subtree.index << height, 1 << height)?))
    }

    /// Leaf hashes from leaf `from` on (from 0), at most a tile of them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn leaves(&self, from: u64) -> Result<Vec<Hash>, ProofError> {
        self.levels[0].read(from, self.size.saturating_sub(from).min(TILE_HASHES))
    }

    /// The root of the first `size` leaves; there are that many.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn root(&self, size: u64) -> Result<Hash, ProofError> {
        proof::root(size, |subtree| self.hash(subtree))
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
    let path = dir.join(format!("level-{level}"));
    let file = File::open(&path).map_err(file_error(&path))?;
    let hashes = Level { path, file }.read(index * TILE_HASHES, width)?;
    Ok(Some(hashes.concat()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Frontier;
    use super::super::tree::tests::leaf_of;
    use super::*;

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
            let mut tiles = Tiles::open(dir.path()).unwrap();
            tiles.append(&all[from..to]).unwrap();
            (from, step) = (to, step * 3);
        }
        let tiles = Tiles::open(dir.path()).unwrap();
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
        Tiles::open(dir.path()).unwrap().append(&all).unwrap();
        let root = Tiles::open(dir.path()).unwrap().root(1_000).unwrap();
        // Inner hashes missing, a leaf half written, inner hashes too many.
        std::fs::write(dir.path().join("level-1"), [1; 7]).unwrap();
        assert_eq!(Tiles::open(dir.path()).unwrap().root(1_000).unwrap(), root);
        let level = Level::open(dir.path().join("level-0")).unwrap();
        level.file.set_len(32 * 999 + 5).unwrap();
        let mut tiles = Tiles::open(dir.path()).unwrap();
        assert_eq!(tiles.size(), 999);
        tiles.cut(700).unwrap();
        tiles.append(&all[700..]).unwrap();
        tiles.sync().unwrap();
        assert_eq!(Tiles::open(dir.path()).unwrap().root(1_000).unwrap(), root);
    }

    #[test]
    fn a_tile_is_read_as_far_as_the_tree_reaches() {
        let dir = tempfile::tempdir().unwrap();
        let all = leaves(0..1_000);
        Tiles::open(dir.path()).unwrap().append(&all).unwrap();
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
