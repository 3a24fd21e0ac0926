//! What the envelope alone shows of a block: how it is tied to its proposer, and whether its body is useful.
//!
//! A block's root covers neither its signatures nor its proposer's attestation. Nothing but that attestation, when it names
//! the block, shows that the slot's proposer has made it.

use std::collections::HashSet;

use quartet_types::{Attestation, BlockWithAttestation, Root, SIGNATURE_BYTES};

/// Targets that may be of use at a time: votes for more of them than this, from all validators, are not.
const USEFUL_TARGETS: usize = 4;
/// Bytes of a signed block without attestations in its body, in SSZ.
const EMPTY_BYTES: usize = 236 + SIGNATURE_BYTES;

/// How an envelope's proposer attestation ties its signer to the block. Its signature is not looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Binding {
    /// The attestation is by another validator, of another slot, or for another head. No honest client sends this: anybody
    /// that has heard any attestation can make it.
    Unbound,
    /// The slot's proposer attests to the block's parent in the block's slot, as `ream` does. Anybody that has heard that
    /// attestation can put another block of this slot and parent into its envelope.
    HalfBound,
    /// The slot's proposer attests to this very block: the signature covers it.
    Bound,
}

impl Binding {
    /// The binding of an envelope around the block with this root.
    pub(crate) fn of(root: Root, message: &BlockWithAttestation) -> Self {
        let BlockWithAttestation {
            block,
            proposer_attestation: Attestation { validator_id, data },
        } = message;
        if *validator_id != block.proposer_index || data.slot != block.slot {
            Self::Unbound
        } else if data.head.root == root && data.head.slot == block.slot {
            Self::Bound
        } else if data.head.root == block.parent_root && data.head.slot < block.slot {
            Self::HalfBound
        } else {
            Self::Unbound
        }
    }
}

/// Whether a body carries the same attestation twice, or more attestations than `validators` validators can need. Such a
/// block is valid, but no honest proposer builds it.
pub(crate) fn is_bloated(body: &[Attestation], validators: u64) -> bool {
    let useful = (validators as usize).saturating_mul(USEFUL_TARGETS);
    let mut seen = HashSet::with_capacity(body.len());
    body.len() > useful || !body.iter().all(|attestation| seen.insert(attestation))
}

/// The largest size in bytes of a useful signed block in SSZ, in a network of so many validators: a larger one has a bloated body.
/// At least one mebibyte, so that blocks of other clients with some needless attestations can be received and judged.
pub fn max_useful_block_bytes(validators: u64) -> usize {
    let attestations = (validators as usize).saturating_mul(USEFUL_TARGETS);
    let each = size_of::<Attestation>() + SIGNATURE_BYTES;
    attestations
        .saturating_mul(each)
        .saturating_add(EMPTY_BYTES)
        .clamp(1 << 20, 10 << 20)
}

#[cfg(test)]
mod tests {
    use quartet_types::{AttestationData, Block, Checkpoint, Slot};
    use tree_hash::TreeHash as _;

    use super::*;

    fn message() -> (Root, BlockWithAttestation) {
        let block = Block {
            slot: 6,
            proposer_index: 2,
            parent_root: Root::repeat_byte(5),
            ..Block::default()
        };
        let root = block.tree_hash_root();
        let data = AttestationData {
            slot: 6,
            head: Checkpoint { root, slot: 6 },
            ..AttestationData::default()
        };
        let proposer_attestation = Attestation {
            validator_id: 2,
            data,
        };
        let message = BlockWithAttestation {
            block,
            proposer_attestation,
        };
        (root, message)
    }

    #[test]
    fn only_the_proposers_vote_of_that_slot_for_the_block_or_its_parent_binds() {
        let (root, bound) = message();
        let parent = bound.block.parent_root;
        let head = |root, slot: Slot| Checkpoint { root, slot };
        let cases = [
            (2, 6, head(root, 6), Binding::Bound),
            (2, 6, head(parent, 5), Binding::HalfBound),
            (2, 6, head(parent, 6), Binding::Unbound),
            (2, 6, head(root, 5), Binding::Unbound),
            (2, 6, head(Root::repeat_byte(9), 6), Binding::Unbound),
            (1, 6, head(root, 6), Binding::Unbound),
            (2, 5, head(root, 6), Binding::Unbound),
            (2, 7, head(parent, 5), Binding::Unbound),
        ];
        for (validator, slot, head, binding) in cases {
            let mut message = bound.clone();
            let attestation = &mut message.proposer_attestation;
            attestation.validator_id = validator;
            (attestation.data.slot, attestation.data.head) = (slot, head);
            let found = Binding::of(root, &message);
            assert_eq!(found, binding, "{message:?}");
        }
    }

    #[test]
    fn blocks_of_use_are_a_mebibyte_in_small_networks_and_what_gossip_carries_in_large_ones() {
        assert_eq!(max_useful_block_bytes(4), 1 << 20);
        assert_eq!(max_useful_block_bytes(4096), 10 << 20);
        let hundred = max_useful_block_bytes(100);
        assert!(hundred > 401 * (SIGNATURE_BYTES + 128) && hundred < 2 << 20);
    }

    #[test]
    fn bodies_with_copies_or_needless_attestations_are_bloated() {
        let vote = |number: u64| Attestation {
            validator_id: number % 4,
            data: AttestationData {
                slot: number / 4,
                ..AttestationData::default()
            },
        };
        let votes: Vec<_> = (0..17).map(vote).collect();
        assert!(!is_bloated(&[], 4));
        assert!(!is_bloated(&votes[..16], 4));
        assert!(is_bloated(&votes, 4));
        assert!(is_bloated(&[votes[0], votes[1], votes[0]], 4));
    }
}
