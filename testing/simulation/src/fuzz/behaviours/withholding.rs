//! Blocks that are published long after their slots.

use std::sync::Arc;

use quartet_types::{
    AttestationData, Checkpoint, SignedBlockWithAttestation, Slot, ValidatorIndex,
};

use rand::RngExt as _;

use super::{Act, START, VOTE};
use crate::{SimulationError, fuzz::scene::Scene};

/// How often a block on the oldest block comes beside one on the head, so that the slot is not empty.
const BESIDE_HEAD: f64 = 0.6;

/// Builds the blocks of its slots in time and sends them late.
pub(super) struct Withhold {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) slots: Slot,
    pub(super) to_half: bool,
    /// Blocks with the slots in which they are sent.
    pub(super) held: Vec<(Slot, Arc<SignedBlockWithAttestation>)>,
}

impl Act for Withhold {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        if scene.now.ms != START {
            return Ok(());
        }
        let slot = scene.now.slot;
        let nodes = if self.to_half {
            scene.parts(2).swap_remove(0)
        } else {
            scene.running()
        };
        for (_, block) in self.held.extract_if(.., |(until, _)| *until <= slot) {
            scene.send_block(&nodes, &block);
        }
        if !self.validators.contains(&scene.proposer(slot)) {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let Some(parent) = scene.parent(node) else {
            return Ok(());
        };
        if let Some(built) = scene.build_full(node, parent, |_| true)
            && let Some(block) = scene.bound(node, built)?
        {
            self.held.push((slot + self.slots, block));
        }
        Ok(())
    }
}

/// Proposes on the oldest block that nodes keep, now and then beside a block on the head. When finality has
/// passed that oldest block, so that no node can import what builds on it any more, it votes for its own.
pub(super) struct ReviveOldest {
    pub(super) validators: Vec<ValidatorIndex>,
    /// Its blocks, with the slots of their parents.
    pub(super) revived: Vec<(Checkpoint, Slot)>,
}

impl ReviveOldest {
    fn propose(&mut self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let Some(parent) = scene
            .chain(node)
            .map(|chain| chain.fork_choice().oldest_block().checkpoint())
        else {
            return Ok(());
        };
        if parent.slot >= scene.now.slot {
            return Ok(());
        }
        if scene.random.random_bool(BESIDE_HEAD)
            && let Some(head) = scene.parent(node)
            && let Some(built) = scene.build_full(node, head, |_| true)
            && let Some(block) = scene.bound(node, built)?
        {
            scene.send_block(&scene.running(), &block);
        }
        let Some(built) = scene.build(node, parent, Vec::new()) else {
            return Ok(());
        };
        let own = built.checkpoint();
        if let Some(block) = scene.bound(node, built)? {
            scene.send_block(&scene.running(), &block);
            self.revived.push((own, parent.slot));
        }
        Ok(())
    }

    fn vote(&self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let finalized = scene
            .chain(node)
            .map(|chain| chain.latest_finalized().slot)
            .unwrap_or_default();
        let passed = self
            .revived
            .iter()
            .rev()
            .find(|(_, parent)| *parent < finalized);
        let Some(data) = scene.honest_data(node) else {
            return Ok(());
        };
        let head = passed.map_or(data.head, |(own, _)| *own);
        let data = AttestationData { head, ..data };
        let nodes = scene.running();
        for validator in &self.validators {
            scene.vote(&nodes, *validator, data)?;
        }
        Ok(())
    }
}

impl Act for ReviveOldest {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let (slot, ms) = (scene.now.slot, scene.now.ms);
        if ms != START && ms != VOTE {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        if ms == START && self.validators.contains(&scene.proposer(slot)) {
            self.propose(scene, node)?;
        }
        if ms == VOTE {
            self.vote(scene, node)?;
        }
        Ok(())
    }
}
