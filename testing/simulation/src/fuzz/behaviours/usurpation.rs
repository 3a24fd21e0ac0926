//! Validators that take others' turns, none, or only those that do not matter.

use quartet_types::{Attestation, ValidatorIndex};
use rand::RngExt as _;

use super::{Act, START};
use crate::{
    SimulationError,
    fuzz::{
        duties::{Duties, PROPOSAL},
        scene::Scene,
    },
};

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

/// Distances up to this are all justifiable.
const ALL_JUSTIFIABLE: u64 = 5;

/// Does its duties, but leaves each slot empty that is a square away from the finalized one. Between any two
/// distances of the form n(n+1) lies a square; when all squares are empty no two neighbours among the
/// justifiable slots get justified, and nothing is finalized.
pub(super) struct SkipSquares {
    pub(super) duties: Duties,
}

impl Act for SkipSquares {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let finalized = scene
            .anyone()
            .and_then(|node| scene.chain(node).map(|chain| chain.latest_finalized().slot));
        let distance = scene.now.slot.saturating_sub(finalized.unwrap_or_default());
        let is_square = distance.isqrt().pow(2) == distance;
        if scene.now.ms == PROPOSAL && distance > ALL_JUSTIFIABLE && is_square {
            return Ok(());
        }
        self.duties.act(scene)
    }
}
