//! Building a block and the proposer's attestation for it, on a snapshot of the chain.

use std::sync::Arc;

use quartet_fork_choice::{AttestationOrigin, BlockInfo};
use quartet_processor::Part;
use quartet_state_transition::{Error as TransitionError, Selection, build_block};
use quartet_types::{Attestation, AttestationData, Block, Root, Signature, Slot, State};
use tree_hash::TreeHash as _;

use super::{LeanChain, checkpoints};
use crate::Candidates;

/// All that is needed to build a block on the head.
#[derive(Clone, Debug)]
pub struct ProposalBasis {
    /// The post-state of the head.
    pub state: Arc<State>,
    /// The votes at hand whose heads are in the tree, with their signatures.
    pub attestations: Candidates,
    /// Which of them are carried.
    pub selection: Selection,
}

/// A block that lacks only the proposer's attestation.
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

impl LeanChain {
    /// All that is needed to build a block on the head, by value. `None` when the head's post-state is not at hand, see
    /// [`Self::head_state`].
    pub fn proposal_basis(&self) -> Option<ProposalBasis> {
        let state = self.head_state()?.clone();
        let selection = if self.fork_choice.rules().proposals_carry_all_that_counts {
            Selection::AllThatCount
        } else {
            Selection::LatestSource
        };
        let known = self.fork_choice.known_attestations().collect();
        let carried = self.votes.data().copied();
        let carried = carried.filter(|data| self.may_be_carried(data)).collect();
        let with_others = selection == Selection::AllThatCount;
        Some(ProposalBasis {
            state,
            attestations: self.votes.candidates(known, carried, with_others),
            selection,
        })
    }

    /// Whether votes with this data name only blocks that every store has, so that every store accepts a block which carries them.
    fn may_be_carried(&self, data: &AttestationData) -> bool {
        let message = Attestation {
            validator_id: 0,
            data: *data,
        };
        let verdict = self
            .fork_choice
            .validate_attestation(&message, AttestationOrigin::Block);
        verdict.is_ok() && self.contains(&data.head.root)
    }
}

impl ProposalBasis {
    /// Builds the block of `slot`.
    ///
    /// # Errors
    /// As [`build_block`].
    pub fn build(self, slot: Slot) -> Result<ProducedBlock, TransitionError> {
        let (block, post_state) = Part::Transition.measure(|| {
            let candidates = self.attestations.votes();
            build_block(&self.state, slot, &candidates, self.selection)
        })?;
        let signature = |vote| self.attestations.signature(vote).cloned();
        let signatures = block.body.attestations.iter().filter_map(signature);
        Ok(ProducedBlock {
            root: block.tree_hash_root(),
            signatures: signatures.collect(),
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
