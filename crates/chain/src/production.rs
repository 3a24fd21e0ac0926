//! Building a block and the proposer's attestation for it, on a snapshot of the chain.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use quartet_fork_choice::{AttestationOrigin, NoTarget};
use quartet_state_transition::{Error as TransitionError, build_block_toward};
use quartet_types::{
    Attestation, AttestationData, Block, Checkpoint, Root, Signature, SignedAttestation, Slot,
    State,
};
use tree_hash::TreeHash as _;

use crate::LeanChain;

/// All that is needed to build a block on the head.
#[derive(Clone, Debug)]
pub struct ProposalBasis {
    /// The post-state of the head.
    pub state: Arc<State>,
    /// The newest justified checkpoint that is known, perhaps not on the head's chain.
    pub justified: Checkpoint,
    /// The known attestations with their signatures, in order of arrival; before them, those that the
    /// head's chain lacks to justify that checkpoint.
    pub attestations: Vec<SignedAttestation>,
}

/// A block that wants only the proposer's attestation.
#[derive(Clone, Debug)]
pub struct ProducedBlock {
    /// Root of the block.
    pub root: Root,
    /// The block, its state root filled in.
    pub block: Block,
    /// The state after it.
    pub post_state: State,
    /// The signatures of the body's attestations, in the body's order.
    pub signatures: Vec<Signature>,
}

impl ProposalBasis {
    /// Builds the block of `slot`.
    ///
    /// # Errors
    /// As [`build_block_toward`].
    pub fn build(self, slot: Slot) -> Result<ProducedBlock, TransitionError> {
        let candidates: Vec<Attestation> = self
            .attestations
            .iter()
            .map(|signed| signed.message)
            .collect();
        let (block, post_state) =
            build_block_toward(&self.state, slot, &candidates, self.justified)?;
        let signed = self.attestations.into_iter();
        let signatures: HashMap<Attestation, Signature> = signed
            .map(|signed| (signed.message, signed.signature))
            .collect();
        let chosen = block.body.attestations.iter();
        Ok(ProducedBlock {
            root: block.tree_hash_root(),
            signatures: chosen
                .filter_map(|vote| signatures.get(vote).cloned())
                .collect(),
            block,
            post_state,
        })
    }
}

impl ProducedBlock {
    /// What the proposer attests to: the block itself as head, and the target and source that every
    /// other validator will choose once it has imported the block.
    ///
    /// # Errors
    /// As [`LeanChain::attestation_data`].
    pub fn attestation_data(&self, chain: &LeanChain) -> Result<AttestationData, NoTarget> {
        let newer = |ours: Checkpoint, theirs: Checkpoint| {
            if theirs.slot > ours.slot {
                theirs
            } else {
                ours
            }
        };
        let head = Checkpoint {
            root: self.root,
            slot: self.block.slot,
        };
        chain.fork_choice().attestation_data_for(
            head,
            self.block.parent_root,
            newer(chain.latest_justified(), self.post_state.latest_justified),
            self.post_state.latest_finalized,
        )
    }
}

/// Votes in blocks beside the head's chain that can justify there what they have justified on their own;
/// none while the head's chain has justified what is justified at all. One for each validator and target,
/// so that a block never gets larger than the registry takes.
pub(crate) fn votes_to_catch_up(chain: &LeanChain) -> Vec<SignedAttestation> {
    let (ours, newest) = (
        chain.head_state().latest_justified,
        chain.latest_justified(),
    );
    if ours.slot >= newest.slot {
        return Vec::new();
    }
    let (fork_choice, head) = (chain.fork_choice(), chain.head().root);
    let mut seen = BTreeSet::new();
    let mut votes = Vec::new();
    for weighed in fork_choice.blocks() {
        let root = weighed.block.root;
        let Some(block) = chain
            .block(root)
            .filter(|_| !fork_choice.is_ancestor(&root, &head))
        else {
            continue;
        };
        for (message, signature) in block.attestations().zip(&block.signature) {
            let target = message.data.target;
            let helps = ours.slot < target.slot
                && target.slot <= newest.slot
                && fork_choice.is_ancestor(&target.root, &head)
                && fork_choice
                    .validate_attestation(message, AttestationOrigin::Block)
                    .is_ok();
            if helps && seen.insert((message.validator_id, target)) {
                let (message, signature) = (*message, signature.clone());
                votes.push(SignedAttestation { message, signature });
            }
        }
    }
    votes
}
