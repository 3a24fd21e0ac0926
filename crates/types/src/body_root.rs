//! The root of a block's body: most of what a full block costs to hash.

use std::collections::HashMap;

use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType, mix_in_length};
use typenum::Unsigned as _;

use crate::{
    Attestation, AttestationData, BlockBody, Checkpoint,
    block::AttestationsLimit,
    merkle::{self, Node},
};

/// Levels of the tree of attestations.
const DEPTH: usize = AttestationsLimit::USIZE.ilog2() as usize;

/// The derived root, but what several attestations have in common is hashed once: most blocks carry many votes with the
/// same data, and those for one head at least share source and target.
impl TreeHash for BlockBody {
    fn tree_hash_type() -> TreeHashType {
        TreeHashType::Container
    }

    fn tree_hash_packed_encoding(&self) -> PackedEncoding {
        unreachable!("a container is never packed into a leaf")
    }

    fn tree_hash_packing_factor() -> usize {
        unreachable!("a container is never packed into a leaf")
    }

    fn tree_hash_root(&self) -> Hash256 {
        let mut shared = Shared::default();
        let leaf = |attestation: &Attestation| shared.attestation(attestation);
        let mut leaves: Vec<Node> = self.attestations.iter().map(leaf).collect();
        let root = merkle::root(&mut leaves, 0..DEPTH);
        // A container of one field has that field's root.
        mix_in_length(&root.into(), self.attestations.len())
    }
}

/// What has been hashed of a body so far, by target and source; never more entries than attestations.
#[derive(Default)]
struct Shared(HashMap<(Checkpoint, Checkpoint), PairHashes>);

struct PairHashes {
    /// Parent of the target's and the source's roots.
    node: Node,
    /// The last data with these, and its root.
    last: Option<(AttestationData, Node)>,
}

impl Shared {
    fn attestation(&mut self, attestation: &Attestation) -> Node {
        let data = &attestation.data;
        let (target, source) = (data.target, data.source);
        let link = self
            .0
            .entry((target, source))
            .or_insert_with(|| PairHashes {
                node: merkle::pair(&[checkpoint(&target), checkpoint(&source)]),
                last: None,
            });
        merkle::pair(&[merkle::leaf(attestation.validator_id), link.data(data)])
    }
}

impl PairHashes {
    fn data(&mut self, data: &AttestationData) -> Node {
        match self.last {
            Some((last, root)) if last == *data => root,
            _ => {
                let when = merkle::pair(&[merkle::leaf(data.slot), checkpoint(&data.head)]);
                let root = merkle::pair(&[when, self.node]);
                self.last = Some((*data, root));
                root
            }
        }
    }
}

fn checkpoint(checkpoint: &Checkpoint) -> Node {
    merkle::pair(&[checkpoint.root.0, merkle::leaf(checkpoint.slot)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tree_hash_derive::TreeHash;

    use super::*;
    use crate::{Attestations, Root};

    #[derive(TreeHash)]
    struct Derived {
        attestations: Attestations,
    }

    fn attestation() -> impl Strategy<Value = Attestation> {
        let checkpoint = || {
            (0u8..3, 0u64..3).prop_map(|(root, slot)| Checkpoint {
                root: Root::repeat_byte(root),
                slot,
            })
        };
        let data = (0u64..3, checkpoint(), checkpoint(), checkpoint());
        (0u64..5, data).prop_map(|(validator_id, (slot, head, target, source))| Attestation {
            validator_id,
            data: AttestationData {
                slot,
                head,
                target,
                source,
            },
        })
    }

    fn agrees(attestations: Vec<Attestation>) {
        let attestations = Attestations::try_from(attestations).unwrap();
        let derived = Derived {
            attestations: attestations.clone(),
        };
        let body = BlockBody { attestations };
        assert_eq!(body.tree_hash_root(), derived.tree_hash_root());
    }

    proptest! {
        #[test]
        fn the_root_is_the_derived_one(
            parts in prop::collection::vec((attestation(), 1usize..4), 0..40),
        ) {
            let repeated = parts.into_iter().flat_map(|(vote, times)| std::iter::repeat_n(vote, times));
            agrees(repeated.collect());
        }
    }

    #[test]
    fn full_bodies_agree_too() {
        let vote = |validator_id| Attestation {
            validator_id,
            ..Attestation::default()
        };
        agrees((0..4096).map(vote).collect());
        agrees((0..4095).map(vote).collect());
    }
}
