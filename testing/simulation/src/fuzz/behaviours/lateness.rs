//! What is made in time and shown late, within the slot or some slots after it.

use std::sync::Arc;

use quartet_types::{
    Attestation, SignedAttestation, SignedBlockWithAttestation, Slot, ValidatorIndex,
};

use super::{Act, START, VOTE};
use crate::{SimulationError, fuzz::scene::Scene};

/// Sends the blocks of its slots to half the nodes, at a moment of the slot at which it divides them.
pub(super) struct Linger {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) ms: u64,
    pub(super) ready: Option<Arc<SignedBlockWithAttestation>>,
}

impl Act for Linger {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let (slot, ms) = (scene.now.slot, scene.now.ms);
        if ms == START
            && self.validators.contains(&scene.proposer(slot))
            && let Some(node) = scene.anyone()
            && let Some(parent) = scene.parent(node)
            && let Some(built) = scene.build_full(node, parent, |_| true)
        {
            self.ready = scene.bound(node, built)?;
        }
        if ms == self.ms
            && let Some(block) = self.ready.take()
        {
            let half = scene.parts(2).swap_remove(0);
            scene.send_block(&half, &block);
        }
        Ok(())
    }
}

/// Votes as others do, and sends its votes some slots later.
pub(super) struct HoldVotes {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) slots: Slot,
    /// Votes with the slots in which they are sent.
    pub(super) held: Vec<(Slot, SignedAttestation)>,
}

impl Act for HoldVotes {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let slot = scene.now.slot;
        if scene.now.ms != VOTE {
            return Ok(());
        }
        let nodes = scene.running();
        for (_, vote) in self.held.extract_if(.., |(until, _)| *until <= slot) {
            scene.send_vote(&nodes, vote);
        }
        let data = scene.anyone().and_then(|node| scene.honest_data(node));
        let Some(data) = data else {
            return Ok(());
        };
        for validator_id in self.validators.iter().copied() {
            if validator_id != scene.proposer(slot) {
                let vote = scene.peer.sign(Attestation { validator_id, data })?;
                self.held.push((slot + self.slots, vote));
            }
        }
        Ok(())
    }
}
