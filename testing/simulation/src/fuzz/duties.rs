//! What honest validators do that are on none of our nodes.

use std::collections::VecDeque;

use quartet_types::{Attestation, AttestationData, Checkpoint, Slot, ValidatorIndex};
use rand::RngExt as _;

use super::{
    behaviours::Act,
    plan::{Manners, Source},
    scene::Scene,
};
use crate::SimulationError;

/// When they propose and attest, in milliseconds.
pub(super) const PROPOSAL: u64 = 5;
pub(super) const ATTESTATION: u64 = 1_010;
/// How many slots back a client remembers what was justified.
const MEMORY: usize = 16;
/// How often one that takes a source after the target does so.
const SOURCE_AFTER_TARGET: f64 = 0.15;

/// How honest validators of ours behave.
pub(super) const OURS: Manners = Manners {
    attests_to_parent: false,
    source: Source::Head,
    source_after_target: false,
    carries_own: true,
};

/// The duties of some validators, which see what a node sees.
pub(super) struct Duties {
    pub(super) validators: Vec<ValidatorIndex>,
    /// The node whose chain they see; whichever runs, when there is none.
    pub(super) host: Option<usize>,
    pub(super) manners: Manners,
    pub(super) proposes: bool,
    pub(super) attests: bool,
    /// What was justified in the last slots, newest first.
    justified: VecDeque<Checkpoint>,
    proposed: Option<Slot>,
}

impl Duties {
    pub(super) fn new(
        validators: Vec<ValidatorIndex>,
        host: Option<usize>,
        manners: Manners,
    ) -> Self {
        Self {
            validators,
            host,
            manners,
            proposes: true,
            attests: true,
            justified: VecDeque::new(),
            proposed: None,
        }
    }

    fn see(&self, scene: &mut Scene<'_>) -> Option<usize> {
        match self.host {
            Some(host) => scene.world.is_running(host).then_some(host),
            None => scene.anyone(),
        }
    }

    fn propose(&mut self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let slot = scene.now.slot;
        let proposer = scene.proposer(slot);
        if !self.validators.contains(&proposer) {
            return Ok(());
        }
        let Some(parent) = scene.parent(node) else {
            return Ok(());
        };
        let own = |validator| self.validators.contains(&validator);
        let carries = |validator| self.manners.carries_own || !own(validator);
        let Some(built) = scene.build_full(node, parent, carries) else {
            return Ok(());
        };
        let Some(mut data) = self.data(scene, node) else {
            return Ok(());
        };
        data.head = if self.manners.attests_to_parent {
            parent
        } else {
            built.checkpoint()
        };
        if self.manners.source == Source::Head {
            let justified = built.post_state.latest_justified;
            if justified.slot <= data.target.slot {
                data.source = justified;
            }
        }
        let validator_id = proposer;
        let own = scene.peer.sign(Attestation { validator_id, data })?;
        let block = scene.envelope(built, own)?;
        scene.send_block(&scene.running(), &block);
        self.proposed = Some(slot);
        Ok(())
    }

    fn attest(&mut self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let slot = scene.now.slot;
        let Some(data) = self.data(scene, node) else {
            return Ok(());
        };
        let proposer = scene.proposer(slot);
        let nodes = scene.running();
        for validator in &self.validators {
            if self.proposed == Some(slot) && *validator == proposer {
                continue;
            }
            scene.vote(&nodes, *validator, data)?;
        }
        Ok(())
    }

    fn data(&mut self, scene: &mut Scene<'_>, node: usize) -> Option<AttestationData> {
        let mut data = scene.honest_data(node)?;
        let (in_head, in_store) = {
            let chain = scene.chain(node)?;
            let in_head = chain.head_state()?.latest_justified;
            (in_head, chain.latest_justified())
        };
        data.source = match self.manners.source {
            Source::Head => in_head,
            Source::Store => in_store,
            Source::Older(slots) => {
                let older = self.justified.get(slots as usize);
                *older.or(self.justified.back()).unwrap_or(&in_head)
            }
        };
        if data.source.root.is_zero() {
            // Before the first block nothing is justified but genesis, which has no name in its state.
            data.source = in_store;
        }
        if data.target.slot < data.source.slot {
            data.target = data.source;
        }
        if self.manners.source_after_target && scene.random.random_bool(SOURCE_AFTER_TARGET) {
            data.source = data.head;
        }
        Some(data)
    }

    fn remember(&mut self, scene: &Scene<'_>, node: usize) {
        if let Some(chain) = scene.chain(node) {
            if let Some(state) = chain.head_state() {
                self.justified.push_front(state.latest_justified);
            }
            self.justified.truncate(MEMORY);
        }
    }
}

impl Act for Duties {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let ms = scene.now.ms;
        if ms != PROPOSAL && ms != ATTESTATION {
            return Ok(());
        }
        let Some(node) = self.see(scene) else {
            return Ok(());
        };
        if ms == PROPOSAL && self.proposes {
            self.propose(scene, node)?;
        }
        if ms == ATTESTATION && self.attests {
            self.remember(scene, node);
            self.attest(scene, node)?;
        }
        Ok(())
    }
}
