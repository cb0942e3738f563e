//! Proofs of RFC 6962: that an event is in the log of a checkpoint, and that one checkpoint's log continues another's.
//!
//! Whoever makes a proof has a source of hashes of complete subtrees; whoever checks one needs the proof only. Leaves
//! count from 0 here: the event at position `p` is leaf `p - 1`.

use super::tree::{empty_root, node_hash};
use crate::event_log::leaf::Hash;

/// A subtree of 2^`level` leaves, the `index`-th of its level from the left, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subtree {
    /// Its height.
    pub level: u32,
    /// Its place in the level.
    pub index: u64,
}

/// Where the left part of a tree of `size` leaves ends: the largest power of two below `size`, which is 2 or more.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The root of leaves `from..to`, which RFC 6962 would make a subtree of; `hash` knows the complete subtrees.
fn range<E>(from: u64, to: u64, hash: &mut impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Hash, E> {
    let size = to - from;
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        return hash(Subtree { level, index: from >> level });
    }
    let middle = from + split(size);
    Ok(node_hash(&range(from, middle, hash)?, &range(middle, to, hash)?))
}

/// The root of the first `size` leaves.
///
/// # Errors
/// Those of `hash`.
pub fn root<E>(size: u64, mut hash: impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(empty_root()) } else { range(0, size, &mut hash) }
}

/// The proof that `leaf` is in the tree of `size` leaves (RFC 6962, 2.1.1); `leaf` is below `size`.
///
/// # Errors
/// Those of `hash`.
pub fn inclusion<E>(leaf: u64, size: u64, mut hash: impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if leaf < middle {
            proof.push(range(middle, to, &mut hash)?);
            to = middle;
        } else {
            proof.push(range(from, middle, &mut hash)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the tree of `size` leaves in which `leaf` has the hash `leaf_hash`, by a proof of inclusion; none when
/// the proof has the wrong length for that place.
pub fn included(leaf: u64, leaf_hash: Hash, size: u64, proof: &[Hash]) -> Option<Hash> {
    if leaf >= size {
        return None;
    }
    if size == 1 {
        return proof.is_empty().then_some(leaf_hash);
    }
    let (sibling, lower) = proof.split_last()?;
    let middle = split(size);
    Some(if leaf < middle {
        node_hash(&included(leaf, leaf_hash, middle, lower)?, sibling)
    } else {
        node_hash(sibling, &included(leaf - middle, leaf_hash, size - middle, lower)?)
    })
}

/// The proof that the tree of `old` leaves is the beginning of that of `size` leaves (RFC 6962, 2.1.2).
///
/// # Errors
/// Those of `hash`.
pub fn consistency<E>(old: u64, size: u64, mut hash: impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    if old == 0 || old >= size {
        return Ok(proof);
    }
    let (mut from, mut to) = (0, size);
    while old < to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range(middle, to, &mut hash)?);
            to = middle;
        } else {
            proof.push(range(from, middle, &mut hash)?);
            from = middle;
        }
    }
    // The part that is left is the whole old tree where nothing was cut off on its left: its root is known then.
    if from > 0 {
        proof.push(range(from, to, &mut hash)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that the tree of `old` leaves with `old_root` is the beginning of that of `size` leaves with
/// `new_root`.
pub fn is_consistent(old: u64, old_root: Hash, size: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old > size {
        return false;
    }
    if old == size || old == 0 {
        let known = if old == 0 { old_root == empty_root() } else { old_root == new_root };
        return known && proof.is_empty();
    }
    let mut left = proof;
    roots(old, size, Some(old_root), &mut left) == Some((old_root, new_root)) && left.is_empty()
}

/// The roots of the old and the new tree; `known` is the old root while nothing was cut off on its left.
fn roots(old: u64, size: u64, known: Option<Hash>, proof: &mut &[Hash]) -> Option<(Hash, Hash)> {
    if old == size {
        let whole = match known {
            Some(root) => root,
            None => last(proof)?,
        };
        return Some((whole, whole));
    }
    let (sibling, middle) = (last(proof)?, split(size));
    Some(if old <= middle {
        let (before, after) = roots(old, middle, known, proof)?;
        (before, node_hash(&after, &sibling))
    } else {
        let (before, after) = roots(old - middle, size - middle, None, proof)?;
        (node_hash(&sibling, &before), node_hash(&sibling, &after))
    })
}

/// Takes the last hash: proofs go from the leaf up, and are checked from the root down.
fn last(proof: &mut &[Hash]) -> Option<Hash> {
    let (last, rest) = proof.split_last()?;
    *proof = rest;
    Some(*last)
}

/// One proof for many leaves: the hashes of the largest subtrees without any of `leaves`, from left to right, and the
/// root that they and the leaves give. `leaves` are ascending, each once with its hash, and below `size`.
///
/// # Errors
/// Those of `hash`.
pub fn joint<E>(
    leaves: &[(u64, Hash)],
    size: u64,
    mut hash: impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<(Vec<Hash>, Hash), E> {
    let mut proof = Vec::new();
    let root = if size == 0 { empty_root() } else { gather(leaves, 0, size, &mut hash, &mut proof)? };
    Ok((proof, root))
}

/// Adds to `proof` what leaves `from..to` need, and gives their root.
fn gather<E>(
    leaves: &[(u64, Hash)],
    from: u64,
    to: u64,
    hash: &mut impl FnMut(Subtree) -> Result<Hash, E>,
    proof: &mut Vec<Hash>,
) -> Result<Hash, E> {
    match leaves {
        [] => {
            let root = range(from, to, hash)?;
            proof.push(root);
            Ok(root)
        }
        [(_, leaf)] if to - from == 1 => Ok(*leaf),
        several => {
            let middle = from + split(to - from);
            let (left, right) = several.split_at(several.partition_point(|(leaf, _)| *leaf < middle));
            let left = gather(left, from, middle, hash, proof)?;
            Ok(node_hash(&left, &gather(right, middle, to, hash, proof)?))
        }
    }
}

#[cfg(test)]
mod tests;
