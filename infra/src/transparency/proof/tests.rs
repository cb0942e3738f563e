use std::convert::Infallible;

use proptest::prelude::*;

use super::super::tree::tests::{LEAVES, hex, leaf_of, naive};
use super::*;

/// A source of hashes that computes each subtree from its leaves.
fn source(leaves: &[Hash]) -> impl FnMut(Subtree) -> Result<Hash, Infallible> {
    |subtree| {
        let from = usize::try_from(subtree.index << subtree.level).unwrap();
        Ok(naive(&leaves[from..from + (1 << subtree.level)]))
    }
}

fn tree(size: u64) -> Vec<Hash> {
    (0..size).map(|number| leaf_of(&number.to_be_bytes())).collect()
}

fn made<T>(result: Result<T, Infallible>) -> T {
    let Ok(made) = result;
    made
}

/// The proofs that the tests of Certificate Transparency publish for the tree of their eight leaves.
#[test]
fn proofs_of_inclusion_are_those_published() {
    let leaves: Vec<Hash> = LEAVES.into_iter().map(leaf_of).collect();
    let proof = |leaf, size| -> Vec<String> { made(inclusion(leaf, size, source(&leaves))).iter().map(hex).collect() };
    assert_eq!(proof(0, 1), Vec::<String>::new());
    assert_eq!(
        proof(0, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        proof(5, 8),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(proof(2, 3), ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
}

#[test]
fn proofs_of_consistency_are_those_published() {
    let leaves: Vec<Hash> = LEAVES.into_iter().map(leaf_of).collect();
    let proof = |old, size| -> Vec<String> { made(consistency(old, size, source(&leaves))).iter().map(hex).collect() };
    assert_eq!(proof(1, 1), Vec::<String>::new());
    assert_eq!(
        proof(6, 8),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        proof(2, 5),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]
    );
}

#[test]
fn every_proof_of_trees_up_to_40_leaves_holds_and_no_other_does() {
    for size in 1..=40 {
        let leaves = tree(size);
        let root = naive(&leaves);
        assert_eq!(made(super::root(size, source(&leaves))), root);
        for leaf in 0..size {
            let hash = leaves[usize::try_from(leaf).unwrap()];
            let proof = made(inclusion(leaf, size, source(&leaves)));
            assert_eq!(included(leaf, hash, size, &proof), Some(root), "leaf {leaf} of {size}");
            for other in (0..size).filter(|other| *other != leaf) {
                assert_ne!(included(other, hash, size, &proof), Some(root), "leaf {leaf} of {size} as {other}");
            }
            assert_eq!(included(leaf, hash, size, &[&proof[..], &[root]].concat()), None);
        }
        for old in 0..=size {
            let proof = made(consistency(old, size, source(&leaves)));
            let old_root = naive(&leaves[..usize::try_from(old).unwrap()]);
            assert!(is_consistent(old, old_root, size, root, &proof), "{old} of {size}");
            assert!(!is_consistent(old, leaf_of(b"other"), size, root, &proof), "{old} of {size}");
            assert!(!is_consistent(old, old_root, size, root, &[&proof[..], &[root]].concat()), "{old} of {size}");
            for number in 0..proof.len() {
                let mut changed = proof.clone();
                changed[number][0] ^= 1;
                assert!(!is_consistent(old, old_root, size, root, &changed), "{old} of {size}");
                changed.remove(number);
                assert!(!is_consistent(old, old_root, size, root, &changed), "{old} of {size}");
            }
        }
    }
}

/// The root by a joint proof, the way a reader of one computes it.
fn joined(leaves: &[(u64, Hash)], from: u64, to: u64, proof: &mut impl Iterator<Item = Hash>) -> Option<Hash> {
    if leaves.is_empty() {
        return proof.next();
    }
    if to - from == 1 {
        return Some(leaves[0].1);
    }
    let middle = from + split(to - from);
    let (left, right) = leaves.split_at(leaves.partition_point(|leaf| leaf.0 < middle));
    Some(node_hash(&joined(left, from, middle, proof)?, &joined(right, middle, to, proof)?))
}

proptest! {
    #[test]
    fn a_joint_proof_gives_the_root_and_has_no_hash_to_spare(size in 1_u64..200, chosen in prop::collection::btree_set(0_u64..200, 0..40)) {
        let leaves = tree(size);
        let chosen = chosen.into_iter().filter(|leaf| *leaf < size);
        let mut known: Vec<_> = chosen.map(|leaf| (leaf, leaves[usize::try_from(leaf).unwrap()])).collect();
        let (proof, root) = made(joint(&known, size, source(&leaves)));
        prop_assert_eq!(root, naive(&leaves));
        let mut proof = proof.into_iter();
        prop_assert_eq!(joined(&known, 0, size, &mut proof), Some(root));
        prop_assert_eq!(proof.next(), None);
        if let Some((_, hash)) = known.last_mut() {
            hash[0] ^= 1;
            prop_assert_ne!(made(joint(&known, size, source(&leaves))).1, root, "an altered leaf shows");
        }
    }

    /// A large tree whose leaves are all the same: its subtrees need no leaves to be computed.
    #[test]
    fn proofs_hold_in_trees_of_any_size(size in 1_u64..1 << 40, at in any::<u64>(), old in any::<u64>()) {
        let mut complete = vec![leaf_of(b"same")];
        for level in 0..41 {
            complete.push(node_hash(&complete[level], &complete[level]));
        }
        let source = |subtree: Subtree| -> Result<Hash, Infallible> { Ok(complete[subtree.level as usize]) };
        let (leaf, old) = (at % size, old % (size + 1));
        let root = made(super::root(size, source));
        let proof = made(inclusion(leaf, size, source));
        prop_assert_eq!(included(leaf, complete[0], size, &proof), Some(root));
        let (old_root, proof) = (made(super::root(old, source)), made(consistency(old, size, source)));
        prop_assert!(is_consistent(old, old_root, size, root, &proof));
    }
}
