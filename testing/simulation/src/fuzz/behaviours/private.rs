//! A chain that is built in private and published as a whole.

use std::sync::Arc;

use quartet_types::{
    Attestation, AttestationData, Checkpoint, SignedAttestation, SignedBlockWithAttestation, Slot,
    State, ValidatorIndex,
};

use super::{Act, START, VOTE};
use crate::{SimulationError, fuzz::scene::Scene};

/// Slots after which it publishes its blocks: later they have no effect.
const PATIENCE: Slot = 24;

/// Proposes on its own last block, votes for it, and keeps both for itself until it has enough.
pub(super) struct BuildInPrivate {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) blocks: usize,
    /// Its private blocks.
    pub(super) chain: Vec<Arc<SignedBlockWithAttestation>>,
    /// The last block, and the state after it.
    pub(super) tip: Option<(Checkpoint, State)>,
    pub(super) votes: Vec<SignedAttestation>,
}

impl BuildInPrivate {
    fn propose(&mut self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let (parent, state) = match self.tip.take() {
            Some(tip) => tip,
            None => {
                let Some(parent) = scene.parent(node) else {
                    return Ok(());
                };
                let state = scene.chain(node).and_then(|chain| chain.state(parent.root));
                let Some(state) = state else {
                    return Ok(());
                };
                (parent, state.as_ref().clone())
            }
        };
        let mut votes = scene.votes(node, parent);
        votes.retain(|vote| vote.message.data.source == state.latest_justified);
        let Some(built) = scene.build_on(&state, parent, votes) else {
            return Ok(());
        };
        let tip = (built.checkpoint(), built.post_state.clone());
        if let Some(block) = scene.bound(node, built)? {
            self.chain.push(block);
            self.tip = Some(tip);
        }
        Ok(())
    }

    fn vote(&mut self, scene: &Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let (Some((head, _)), Some(data)) = (&self.tip, scene.honest_data(node)) else {
            return Ok(());
        };
        let data = AttestationData {
            head: *head,
            ..data
        };
        for validator_id in self.validators.iter().copied() {
            if validator_id != scene.proposer(scene.now.slot) {
                let vote = Attestation { validator_id, data };
                self.votes.push(scene.peer.sign(vote)?);
            }
        }
        Ok(())
    }

    fn show(&mut self, scene: &Scene<'_>) {
        let nodes = scene.running();
        for block in self.chain.drain(..) {
            scene.send_block(&nodes, &block);
        }
        for vote in self.votes.drain(..) {
            scene.send_vote(&nodes, vote);
        }
        self.tip = None;
    }
}

impl Act for BuildInPrivate {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let slot = scene.now.slot;
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        match scene.now.ms {
            START => {
                if self.validators.contains(&scene.proposer(slot)) {
                    self.propose(scene, node)?;
                }
                let first = self.chain.first().map(|block| block.block().slot);
                let is_old = first.is_some_and(|first| first + PATIENCE < slot);
                if self.chain.len() >= self.blocks || is_old {
                    self.show(scene);
                }
                Ok(())
            }
            VOTE => self.vote(scene, node),
            _ => Ok(()),
        }
    }
}
