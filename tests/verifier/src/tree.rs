//! The Merkle tree of RFC 6962.

use sha2::{Digest as _, Sha256};

use crate::{Hash, Or as _, Rejected, reject};

/// The hash of a leaf.
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of an inner node.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Leaves of the left part of a tree of `size` leaves, two or more: the largest power of two below it.
fn left_part(size: u64) -> u64 {
    let mut part = 1;
    while part < size - part {
        part *= 2;
    }
    part
}

/// The root of a tree of `size` leaves of which `leaves` are known, ascending by index, by the roots of the largest
/// subtrees without any of them, from left to right.
///
/// # Errors
/// There are more or fewer roots than are needed.
pub fn joint_root(leaves: &[(u64, Hash)], size: u64, proof: &[Hash]) -> Result<Hash, Rejected> {
    let mut rest = proof.iter();
    let root = part(leaves, 0, size, &mut rest)?;
    if rest.next().is_some() { reject("the proof has hashes to spare") } else { Ok(root) }
}

fn part(
    leaves: &[(u64, Hash)],
    from: u64,
    size: u64,
    proof: &mut std::slice::Iter<'_, Hash>,
) -> Result<Hash, Rejected> {
    match leaves {
        [] => proof.next().copied().or_reject("the proof has too few hashes"),
        [(_, only)] if size == 1 => Ok(*only),
        several => {
            let middle = from + left_part(size);
            let (left, right) = several.split_at(several.partition_point(|(index, _)| *index < middle));
            let left = part(left, from, middle - from, proof)?;
            Ok(node(&left, &part(right, middle, size - (middle - from), proof)?))
        }
    }
}

/// The root of a tree of `size` leaves with `leaf` at `index`, by its proof of inclusion (RFC 9162, 2.1.3.2).
///
/// # Errors
/// The proof has the wrong length.
pub fn included_root(index: u64, size: u64, leaf: Hash, proof: &[Hash]) -> Result<Hash, Rejected> {
    if index >= size {
        return reject("the leaf is outside the tree");
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf);
    for hash in proof {
        if last == 0 {
            return reject("the proof has hashes to spare");
        }
        if at % 2 == 1 || at == last {
            root = node(hash, &root);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            root = node(&root, hash);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last == 0 { Ok(root) } else { reject("the proof has too few hashes") }
}

/// The roots of the trees of `old` and of `size` leaves, of which the first is the beginning of the second and has
/// `old_root`, by their proof of consistency (RFC 9162, 2.1.4.2); `old` is neither 0 nor `size`.
///
/// # Errors
/// The proof has the wrong length.
pub fn continued_roots(old: u64, size: u64, old_root: Hash, proof: &[Hash]) -> Result<(Hash, Hash), Rejected> {
    if old == 0 || old >= size {
        return reject("the older tree is not smaller");
    }
    let known = if old.is_power_of_two() { Some(old_root) } else { None };
    let mut hashes = known.into_iter().chain(proof.iter().copied());
    let first = hashes.next().or_reject("the proof has too few hashes")?;
    let (mut at, mut last) = (old - 1, size - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let (mut before, mut after) = (first, first);
    for hash in hashes {
        if last == 0 {
            return reject("the proof has hashes to spare");
        }
        if at % 2 == 1 || at == last {
            (before, after) = (node(&hash, &before), node(&hash, &after));
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            after = node(&after, &hash);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last == 0 { Ok((before, after)) } else { reject("the proof has too few hashes") }
}
