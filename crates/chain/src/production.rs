//! Building a block and the proposer's attestation for it, on a snapshot of the chain.

use std::{collections::HashMap, sync::Arc};

use quartet_fork_choice::BlockInfo;
use quartet_state_transition::{Error as TransitionError, Selection, build_block};
use quartet_types::{
    Attestation, AttestationData, Block, Root, Signature, SignedAttestation, Slot, State,
};
use tree_hash::TreeHash as _;

use crate::{LeanChain, lean_chain::checkpoints};

/// All that is needed to build a block on the head.
#[derive(Clone, Debug)]
pub struct ProposalBasis {
    /// The post-state of the head.
    pub state: Arc<State>,
    /// The votes at hand whose heads are in the tree, with their signatures: the known ones in order of arrival, then others.
    pub attestations: Vec<SignedAttestation>,
    /// Which of them are carried.
    pub selection: Selection,
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
    /// As [`build_block`].
    pub fn build(self, slot: Slot) -> Result<ProducedBlock, TransitionError> {
        let candidates: Vec<Attestation> = self
            .attestations
            .iter()
            .map(|signed| signed.message)
            .collect();
        let (block, post_state) = build_block(&self.state, slot, &candidates, self.selection)?;
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
    /// What the proposer attests to: the block itself as head, which ties the block to its signature, and the target and
    /// source that every other validator will choose once it has imported the block.
    pub fn attestation_data(&self, chain: &LeanChain) -> AttestationData {
        let info = BlockInfo {
            root: self.root,
            parent_root: self.block.parent_root,
            slot: self.block.slot,
        };
        let checkpoints = checkpoints(&self.post_state, chain.fork_choice().rules());
        chain.fork_choice().attestation_data_for(&info, checkpoints)
    }
}
