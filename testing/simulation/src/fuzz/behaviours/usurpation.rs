//! Validators that take others' turns, or none.

use quartet_types::{Attestation, ValidatorIndex};
use rand::RngExt as _;

use super::{Act, START};
use crate::{SimulationError, fuzz::scene::Scene};

/// Proposes in all others' slots, with an attestation of its own beside the block.
pub(super) struct ProposeForAll {
    pub(super) validators: Vec<ValidatorIndex>,
}

impl Act for ProposeForAll {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let validator_id = self.validators[0];
        if scene.now.ms != START || validator_id == scene.proposer(scene.now.slot) {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let Some(parent) = scene.parent(node) else {
            return Ok(());
        };
        // Another block than the proposer's, which may carry all votes.
        let without = scene.random.random_range(0..scene.validators);
        let Some(built) = scene.build_full(node, parent, |validator| validator != without) else {
            return Ok(());
        };
        let Some(data) = scene.proposer_data(node, &built) else {
            return Ok(());
        };
        let nodes = scene.running();
        let own = scene.peer.sign(Attestation { validator_id, data })?;
        let block = scene.envelope(built, own)?;
        scene.send_forged(&nodes, &block);
        Ok(())
    }
}

/// Does nothing.
pub(super) struct Silence;

impl Act for Silence {
    fn act(&mut self, _: &mut Scene<'_>) -> Result<(), SimulationError> {
        Ok(())
    }
}
