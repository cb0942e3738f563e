//! The Merkle tree of RFC 6962 over the leaves of a log, as far as it takes to add leaves and to know the root.

use bishui_domain::sha256::Sha256;
use sha2::Digest as _;

/// The complete subtrees of a tree, largest first: all that the next leaf and the root need of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Frontier {
    size: u64,
    peaks: Vec<Sha256>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves; none when `peaks` are not as many as such a tree has.
    pub(super) fn of(size: u64, peaks: Vec<Sha256>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the complete subtrees, largest first.
    pub(super) fn peaks(&self) -> &[Sha256] {
        &self.peaks
    }

    /// Adds a leaf by its hash.
    pub(super) fn push(&mut self, leaf: Sha256) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a tree has as many complete subtrees as its size has ones");
            node = parent(left, node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root.
    pub(super) fn root(&self) -> Sha256 {
        let root = self.peaks.iter().rev().copied().reduce(|right, left| parent(left, right));
        root.unwrap_or_else(|| Sha256(sha2::Sha256::digest([]).into()))
    }
}

fn parent(left: Sha256, right: Sha256) -> Sha256 {
    let hash = sha2::Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0);
    Sha256(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, 2.1, word by word.
    fn defined(leaves: &[Sha256]) -> Sha256 {
        match leaves {
            [] => Sha256(sha2::Sha256::digest([]).into()),
            [leaf] => *leaf,
            more => {
                let split = more.len().next_power_of_two() / 2;
                parent(defined(&more[..split]), defined(&more[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_the_one_that_the_rfc_defines() {
        let leaves: Vec<Sha256> = (0..70).map(|number| Sha256([number; 32])).collect();
        let mut frontier = Frontier::default();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(frontier.root(), defined(&leaves[..size]), "{size} leaves");
            let taken_up = Frontier::of(frontier.size(), frontier.peaks().to_vec()).unwrap();
            assert_eq!(taken_up, frontier);
            frontier.push(*leaf);
        }
    }

    #[test]
    fn the_known_root_of_the_certificate_transparency_vectors() {
        let leaf = |bytes: &[u8]| Sha256(sha2::Sha256::new().chain_update([0]).chain_update(bytes).finalize().into());
        let mut frontier = Frontier::default();
        for bytes in [&[][..], &[0], &[0x10], &[0x20, 0x21], &[0x30, 0x31], &[0x40, 0x41, 0x42, 0x43]] {
            frontier.push(leaf(bytes));
        }
        let known = "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef";
        assert_eq!(frontier.root().to_string(), known);
    }

    #[test]
    fn peaks_of_another_size_are_none() {
        assert_eq!(Frontier::of(3, vec![Sha256([0; 32])]), None);
    }
}
