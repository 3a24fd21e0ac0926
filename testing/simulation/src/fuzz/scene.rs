//! What an adversary or a foreign client sees and can do at a moment of a run.

use std::sync::Arc;

use parking_lot::RwLockReadGuard;
use quartet_chain::LeanChain;
use quartet_state_transition::seal_block;
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, Checkpoint, Root, Signature, SignedAttestation,
    SignedBlockWithAttestation, Slot, State, ValidatorIndex,
};
use rand::{RngExt as _, rngs::StdRng, seq::SliceRandom as _};
use tree_hash::TreeHash as _;

use super::plan::Moment;
use crate::{Adversary, SimulationError, World};

/// A moment of a run, seen by an actor that receives all messages and sees into every node.
pub(super) struct Scene<'a> {
    pub(super) world: &'a World,
    /// The peer that it sends through.
    pub(super) peer: &'a Adversary,
    pub(super) random: &'a mut StdRng,
    pub(super) now: Moment,
    /// Number of validators.
    pub(super) validators: u64,
}

/// A block without an envelope.
#[derive(Clone, Debug)]
pub(super) struct Built {
    pub(super) root: Root,
    pub(super) block: Block,
    pub(super) post_state: State,
    /// Those of the body's attestations.
    pub(super) signatures: Vec<Signature>,
}

impl Built {
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.block.slot,
        }
    }
}

type ChainGuard<'a> = RwLockReadGuard<'a, LeanChain>;

impl Scene<'_> {
    /// The nodes that run.
    pub(super) fn running(&self) -> Vec<usize> {
        let nodes = 0..self.world.node_count();
        nodes.filter(|node| self.world.is_running(*node)).collect()
    }

    /// A node that runs, if one does.
    pub(super) fn anyone(&mut self) -> Option<usize> {
        let running = self.running();
        let index = self.random.random_range(0..running.len().max(1));
        running.get(index).copied()
    }

    /// The nodes that run, in this many parts of about the same size.
    pub(super) fn parts(&mut self, count: usize) -> Vec<Vec<usize>> {
        let mut nodes = self.running();
        nodes.shuffle(self.random);
        let mut parts = vec![Vec::new(); count];
        for (position, node) in nodes.into_iter().enumerate() {
            parts[position % count].push(node);
        }
        parts
    }

    /// The chain of a running node.
    pub(super) fn chain(&self, node: usize) -> Option<ChainGuard<'_>> {
        self.world.chain(node).ok().map(|chain| chain.read())
    }

    /// The proposer of a slot.
    pub(super) fn proposer(&self, slot: Slot) -> ValidatorIndex {
        slot % self.validators
    }

    /// What an honest validator of a node attests to in this slot.
    pub(super) fn honest_data(&self, node: usize) -> Option<AttestationData> {
        Some(self.chain(node)?.attestation_data(self.now.slot))
    }

    /// What an honest proposer attests to beside a block.
    pub(super) fn proposer_data(&self, node: usize, built: &Built) -> Option<AttestationData> {
        let data = self.honest_data(node)?;
        let head = built.checkpoint();
        Some(AttestationData { head, ..data })
    }

    /// The block that a block of this slot is to build on, as a node sees it.
    pub(super) fn parent(&self, node: usize) -> Option<Checkpoint> {
        let chain = self.chain(node)?;
        let head = chain.head();
        if head.slot < self.now.slot {
            return Some(head);
        }
        let parent = chain.fork_choice().parent_of(&head.root)?;
        let parent = chain.fork_choice().block(&parent)?;
        Some(parent.checkpoint())
    }

    /// The newest vote of each validator that a block on `parent` may carry, as a node sees it.
    pub(super) fn votes(&self, node: usize, parent: Checkpoint) -> Vec<SignedAttestation> {
        let Some(chain) = self.chain(node) else {
            return Vec::new();
        };
        let observer = self.world.observer();
        let fits = |vote: &&Attestation| {
            let AttestationData {
                slot,
                head,
                target,
                source,
            } = vote.data;
            slot < self.now.slot
                && target.slot <= parent.slot
                && source.slot <= target.slot
                && [head, target, source]
                    .iter()
                    .all(|named| chain.contains(&named.root))
        };
        let votes = observer.log.newest().filter(fits);
        votes.filter_map(|vote| observer.log.signed(vote)).collect()
    }

    /// Builds a block of this slot with these votes, leaving out what would make it invalid.
    pub(super) fn build(
        &self,
        node: usize,
        parent: Checkpoint,
        votes: Vec<SignedAttestation>,
    ) -> Option<Built> {
        let state = self.chain(node)?.state(parent.root)?;
        self.build_on(&state, parent, votes)
    }

    /// As [`Self::build`], on a block that no node needs to have.
    pub(super) fn build_on(
        &self,
        state: &State,
        parent: Checkpoint,
        mut votes: Vec<SignedAttestation>,
    ) -> Option<Built> {
        let slot = self.now.slot;
        loop {
            let messages: Vec<Attestation> = votes.iter().map(|vote| vote.message).collect();
            let block = Block {
                slot,
                proposer_index: self.proposer(slot),
                parent_root: parent.root,
                state_root: Root::ZERO,
                body: BlockBody {
                    attestations: messages.try_into().ok()?,
                },
            };
            match seal_block(state, block) {
                Ok((block, post_state)) => {
                    let signatures = votes.into_iter().map(|vote| vote.signature).collect();
                    return Some(Built {
                        root: block.tree_hash_root(),
                        block,
                        post_state,
                        signatures,
                    });
                }
                Err(error) => drop(votes.remove(error.attestation()?)),
            }
        }
    }

    /// Builds the block of this slot as the specification says, with the votes whose source is what it
    /// justifies.
    pub(super) fn build_full(
        &self,
        node: usize,
        parent: Checkpoint,
        carries: impl Fn(ValidatorIndex) -> bool,
    ) -> Option<Built> {
        let mut waiting = self.votes(node, parent);
        waiting.retain(|vote| carries(vote.message.validator_id));
        let mut built = self.build(node, parent, Vec::new())?;
        let mut chosen = Vec::new();
        loop {
            let justified = built.post_state.latest_justified;
            let more: Vec<_> = waiting
                .extract_if(.., |vote| vote.message.data.source == justified)
                .collect();
            if more.is_empty() {
                return Some(built);
            }
            chosen.extend(more);
            built = self.build(node, parent, chosen.clone())?;
        }
    }

    /// Puts a block into an envelope with any signed attestation.
    pub(super) fn envelope(
        &self,
        built: Built,
        own: SignedAttestation,
    ) -> Result<Arc<SignedBlockWithAttestation>, SimulationError> {
        self.peer.wrap(built.block, built.signatures, own)
    }

    /// Puts a block into an envelope that binds it to its proposer.
    pub(super) fn bound(
        &self,
        node: usize,
        built: Built,
    ) -> Result<Option<Arc<SignedBlockWithAttestation>>, SimulationError> {
        let Some(data) = self.proposer_data(node, &built) else {
            return Ok(None);
        };
        let validator_id = built.block.proposer_index;
        let own = self.peer.sign(Attestation { validator_id, data })?;
        self.envelope(built, own).map(Some)
    }

    /// Sends a block to some nodes, and serves it to all from now on.
    pub(super) fn send_block(&self, nodes: &[usize], block: &Arc<SignedBlockWithAttestation>) {
        self.peer.serve(block.clone());
        self.peer.send_block_to(nodes, block.clone());
    }

    /// Sends a block that its proposer has not signed.
    pub(super) fn send_forged(&self, nodes: &[usize], block: &Arc<SignedBlockWithAttestation>) {
        let root = block.block().tree_hash_root();
        self.world.observer().forged(root);
        self.send_block(nodes, block);
    }

    /// Sends a vote to some nodes.
    pub(super) fn send_vote(&self, nodes: &[usize], vote: SignedAttestation) {
        self.peer.send_attestation_to(nodes, vote);
    }

    /// Signs a vote of a validator, and sends it to some nodes.
    pub(super) fn vote(
        &self,
        nodes: &[usize],
        validator_id: ValidatorIndex,
        data: AttestationData,
    ) -> Result<(), SimulationError> {
        let signed = self.peer.sign(Attestation { validator_id, data })?;
        self.send_vote(nodes, signed);
        Ok(())
    }
}
