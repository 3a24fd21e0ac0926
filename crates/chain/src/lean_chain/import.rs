//! What changes a chain: time, blocks, votes, and finality.

use std::sync::Arc;

use quartet_fork_choice::{
    AttestationOrigin, AttestationOutcome, BlockInfo, BlockOutcome, NamedBlocks,
};
use quartet_sync::SyncState;
use quartet_types::{
    Attestation, BlockWithAttestation, Checkpoint, Root, Signature, SignedAttestation, Slot, State,
    ValidatorIndex,
};

use super::{ImportableBlock, LeanChain, PrunedMove, checkpoints};
use crate::{Equivocation, ImportError};

/// What an import leaves behind.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The blocks that have become final, in ascending order.
    pub final_chain: Vec<Checkpoint>,
    /// Their memory is freed by whoever drops this, outside the lock.
    states: Vec<Arc<State>>,
}

impl Pruned {
    /// Whether finality has not moved.
    pub fn is_empty(&self) -> bool {
        self.final_chain.is_empty()
    }

    /// Adds what another block's import left behind.
    pub(crate) fn extend(&mut self, other: Self) {
        self.final_chain.extend(other.final_chain);
        self.states.extend(other.states);
    }
}

impl LeanChain {
    /// Advances to `time`, in intervals since genesis, as if no block were proposed here.
    pub fn advance(&mut self, time: u64) {
        self.fork_choice.advance_to(time);
    }

    /// Accepts the new attestations, as at the start of a slot in which this node proposes.
    pub fn accept_new_attestations(&mut self) {
        self.fork_choice.accept_new_attestations();
    }

    /// Says how far the node is with catching up.
    pub fn set_sync_state(&mut self, state: SyncState) {
        self.sync_state = state;
    }

    /// Says how many slots a second the head moves on.
    pub fn set_sync_speed(&mut self, slots_per_second: u64) {
        self.sync_speed = slots_per_second;
    }

    /// Imports a block that has been checked, and returns what finality leaves behind.
    ///
    /// # Errors
    /// When its parent is unknown, or one of its attestations is invalid; the chain is then unchanged.
    pub fn import_block(&mut self, importable: ImportableBlock) -> Result<Pruned, ImportError> {
        self.import_block_with(importable, NamedBlocks::Known)
    }

    /// As [`Self::import_block`], where [`NamedBlocks::Vouched`] lets the block's attestations name blocks that are not at hand.
    ///
    /// # Errors
    /// As [`Self::import_block`].
    pub(crate) fn import_block_with(
        &mut self,
        importable: ImportableBlock,
        names: NamedBlocks,
    ) -> Result<Pruned, ImportError> {
        let ImportableBlock {
            root,
            block,
            post_state,
        } = importable;
        let BlockWithAttestation {
            block: inner,
            proposer_attestation,
        } = &block.message;
        let info = BlockInfo {
            root,
            parent_root: inner.parent_root,
            slot: inner.slot,
        };
        let from = self.head().root;
        let outcome = self.fork_choice.on_block(
            info,
            checkpoints(&post_state, self.fork_choice.rules()),
            &inner.body.attestations,
            proposer_attestation,
            names,
        )?;
        if outcome == BlockOutcome::AlreadyKnown {
            return Ok(Pruned::default());
        }
        for (attestation, signature) in block.attestations().zip(&block.signature) {
            self.insert_vote(attestation, signature);
        }
        self.blocks.insert(root, block);
        let head = self.head().root;
        let states = self.states.insert(root, post_state, &head);
        let mut pruned = self.prune(from);
        pruned.states.extend(states);
        Ok(pruned)
    }

    /// Counts a verified attestation from gossip or of our own, if it is newer than what counts. Whether it counts or not, with
    /// another one of the same slot it is evidence.
    ///
    /// # Errors
    /// When it is invalid or names unknown blocks.
    pub fn import_attestation(
        &mut self,
        signed: &SignedAttestation,
    ) -> Result<AttestationOutcome, ImportError> {
        let origin = AttestationOrigin::Gossip;
        match self.fork_choice.on_attestation(&signed.message, origin) {
            Ok(outcome) => {
                self.insert_vote(&signed.message, &signed.signature);
                Ok(outcome)
            }
            Err(error) => {
                self.note_evidence(signed);
                Err(error.into())
            }
        }
    }

    /// Takes note of a verified message of a validator that does not count: with another one of the same slot it is evidence.
    pub(crate) fn note_evidence(&mut self, signed: &SignedAttestation) {
        if let Some(first) = self.votes.conflicting(&signed.message) {
            self.record_equivocation(first, signed.clone());
        }
    }

    /// The verified votes of a validator that are at hand, four at most, the oldest first.
    pub fn votes_of(&self, validator_id: ValidatorIndex) -> Vec<Attestation> {
        let votes = self.votes.of_validator(validator_id);
        votes
            .map(|data| Attestation { validator_id, data })
            .collect()
    }

    /// Notes a block that came before the anchor or was dropped long ago: votes may name it.
    pub fn remember(&mut self, block: Checkpoint) {
        self.fork_choice.remember(block);
    }

    pub(super) fn insert_vote(&mut self, attestation: &Attestation, signature: &Signature) {
        if let Some(first) = self.votes.insert(attestation, signature) {
            let second = SignedAttestation {
                message: *attestation,
                signature: signature.clone(),
            };
            self.record_equivocation(first, second);
        }
    }

    fn record_equivocation(&mut self, first: SignedAttestation, second: SignedAttestation) {
        let Attestation { validator_id, data } = second.message;
        self.fork_choice.on_equivocation(validator_id, data.slot);
        self.equivocations.record(Equivocation { first, second });
    }

    /// Drops what finality has left behind, now that the head has moved on from this block.
    fn prune(&mut self, from: Root) -> Pruned {
        let before = self.fork_choice.oldest_block();
        let final_chain = self.chain_after(before.slot, self.latest_finalized().root);
        if !final_chain.is_empty() {
            let to = self.head().root;
            let depth = self.fork_choice.reorg_depth(&from, &to);
            self.pruned_move = PrunedMove { from, to, depth };
        }
        let dropped = self.fork_choice.prune();
        if dropped.is_empty() {
            return Pruned::default();
        }
        let oldest = final_chain.iter().rev().skip(1).rev();
        for block in std::iter::once(&before.checkpoint()).chain(oldest) {
            self.past.resize(block.slot as usize, Root::ZERO);
            self.past.push(block.root);
        }
        let states = dropped.iter().filter_map(|root| self.states.remove(root));
        let states = states.collect();
        self.states.tidy();
        Pruned {
            final_chain,
            states,
        }
    }

    /// The blocks after `slot` up to the one with this root, in ascending order.
    fn chain_after(&self, slot: Slot, root: Root) -> Vec<Checkpoint> {
        let blocks = std::iter::successors(self.fork_choice.block(&root), |block| {
            self.fork_choice.block(&block.parent_root)
        });
        let blocks = blocks.take_while(|block| block.slot > slot);
        let mut chain: Vec<Checkpoint> = blocks.map(|block| block.checkpoint()).collect();
        chain.reverse();
        chain
    }
}
