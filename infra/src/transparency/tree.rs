//! The Merkle tree of RFC 6962, section 2.1, grown leaf by leaf in memory that grows with the logarithm of its size.

use sha2::{Digest as _, Sha256};

use super::proof::Subtree;
use crate::event_log::leaf::Hash;

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The right edge of a growing tree: the roots of its complete subtrees, the largest first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves; none when `peaks` are not as many as such a tree has.
    pub fn of(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    /// Roots of the complete subtrees, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf by its leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_and_see(leaf, |_, _| ());
    }

    /// Adds a leaf by its leaf hash and shows every inner node that it completes, with its hash.
    pub fn push_and_see(&mut self, leaf: Hash, mut see: impl FnMut(Subtree, Hash)) {
        let mut hash = leaf;
        // Each complete subtree as large as what is added becomes its left half.
        for level in 1..=self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a subtree stands for each bit of the size");
            hash = node_hash(&left, &hash);
            see(Subtree { level, index: self.size >> level }, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return empty_root() };
        peaks.fold(*smallest, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The tree exactly as the RFC defines it.
    pub(in crate::transparency) fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            leaves => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    /// The hash of a leaf of these bytes.
    pub(in crate::transparency) fn leaf_of(bytes: &[u8]) -> Hash {
        Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
    }

    /// The leaves of the tests of Certificate Transparency.
    pub(in crate::transparency) const LEAVES: [&[u8]; 8] =
        [b"", b"\0", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"];

    pub(in crate::transparency) fn hex(hash: &Hash) -> String {
        use std::fmt::Write as _;
        hash.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    /// The published roots of the trees of those leaves, of 0 to 8 leaves.
    #[test]
    fn the_roots_are_those_published_for_certificate_transparency() {
        let published = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        let mut roots = vec![hex(&frontier.root())];
        for leaf in LEAVES {
            frontier.push(leaf_of(leaf));
            roots.push(hex(&frontier.root()));
        }
        assert_eq!(roots, published);
    }

    #[test]
    fn the_frontier_has_the_roots_of_the_definition_and_of_another_implementation() {
        use ct_merkle::mem_backed_tree::MemoryBackedTree;
        let mut frontier = Frontier::default();
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut leaves = Vec::new();
        for number in 0..300_u32 {
            assert_eq!(frontier.root(), naive(&leaves), "{number} leaves");
            assert_eq!(frontier.root()[..], other.root().as_bytes()[..], "{number} leaves");
            let bytes = number.to_be_bytes();
            leaves.push(leaf_of(&bytes));
            frontier.push(leaf_of(&bytes));
            other.push(bytes.to_vec());
            assert!(frontier.peaks.len() <= 9, "memory grows with the logarithm of {number}");
        }
        assert_eq!(frontier.size(), 300);
    }
}
