//! Blocks and votes that one node can take and another cannot, for what it knows or for what time it is.

use std::sync::Arc;

use quartet_types::{
    Attestation, AttestationData, Checkpoint, Root, SignedAttestation, SignedBlockWithAttestation,
    Slot, ValidatorIndex,
};
use rand::RngExt as _;

use super::{Act, MORNING, START, VOTE};
use crate::{
    SimulationError,
    fuzz::scene::{Built, Scene},
};

/// A block that some nodes get later than others.
pub(super) struct Late {
    slot: Slot,
    ms: u64,
    nodes: Vec<usize>,
    block: Arc<SignedBlockWithAttestation>,
}

fn send_due(late: &mut Vec<Late>, scene: &Scene<'_>) {
    let due = |late: &mut Late| (late.slot, late.ms) <= (scene.now.slot, scene.now.ms);
    for Late { nodes, block, .. } in late.extract_if(.., due) {
        scene.send_block(&nodes, &block);
    }
}

/// The block that an honest proposer would build, with one more vote in its body, by `validator`.
fn with_vote(
    scene: &Scene<'_>,
    node: usize,
    parent: Checkpoint,
    validator_id: ValidatorIndex,
    data: AttestationData,
) -> Result<Option<Built>, SimulationError> {
    let message = Attestation { validator_id, data };
    let signed = scene.peer.sign(message)?;
    let Some(full) = scene.build_full(node, parent, |other| other != validator_id) else {
        return Ok(None);
    };
    let messages = full.block.body.attestations.iter();
    let votes = messages.zip(full.signatures);
    let mut votes: Vec<SignedAttestation> = votes
        .map(|(message, signature)| SignedAttestation {
            message: *message,
            signature,
        })
        .collect();
    votes.push(signed);
    Ok(scene.build(node, parent, votes))
}

/// Proposes two blocks of which one names the other as a head; half of the nodes get the one that names
/// before the one that is named.
pub(super) struct NameSibling {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) late: Vec<Late>,
}

impl NameSibling {
    fn propose(&mut self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let Some(parent) = scene.parent(node) else {
            return Ok(());
        };
        let (Some(sibling), Some(data)) = (
            scene.build(node, parent, Vec::new()),
            scene.honest_data(node),
        ) else {
            return Ok(());
        };
        let data = AttestationData {
            head: sibling.checkpoint(),
            ..data
        };
        let voter = self.validators[0];
        let Some(naming) = with_vote(scene, node, parent, voter, data)? else {
            return Ok(());
        };
        let (Some(sibling), Some(naming)) =
            (scene.bound(node, sibling)?, scene.bound(node, naming)?)
        else {
            return Ok(());
        };
        let halves = scene.parts(2);
        for (nodes, [first, second]) in halves
            .into_iter()
            .zip([[&sibling, &naming], [&naming, &sibling]])
        {
            scene.send_block(&nodes, first);
            self.late.push(Late {
                slot: scene.now.slot,
                ms: MORNING,
                nodes,
                block: second.clone(),
            });
        }
        Ok(())
    }
}

impl Act for NameSibling {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        send_due(&mut self.late, scene);
        match turn(&self.validators, scene) {
            Some(node) => self.propose(scene, node),
            None => Ok(()),
        }
    }
}

/// A node to propose on, at the moment when it is the turn of one of these validators.
fn turn(validators: &[ValidatorIndex], scene: &mut Scene<'_>) -> Option<usize> {
    let proposer = scene.proposer(scene.now.slot);
    let is_due = scene.now.ms == START && validators.contains(&proposer);
    is_due.then(|| scene.anyone()).flatten()
}

/// Proposes blocks that carry a vote of a slot to come; half of the nodes get them when that slot is near.
pub(super) struct VoteAhead {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) slots: Slot,
    pub(super) late: Vec<Late>,
}

impl VoteAhead {
    fn propose(&mut self, scene: &mut Scene<'_>, node: usize) -> Result<(), SimulationError> {
        let (Some(parent), Some(data)) = (scene.parent(node), scene.honest_data(node)) else {
            return Ok(());
        };
        let slot = scene.now.slot;
        let data = AttestationData {
            slot: slot + self.slots,
            ..data
        };
        let Some(built) = with_vote(scene, node, parent, self.validators[0], data)? else {
            return Ok(());
        };
        let Some(block) = scene.bound(node, built)? else {
            return Ok(());
        };
        let mut halves = scene.parts(2);
        scene.send_block(&halves[0], &block);
        self.late.push(Late {
            slot: slot + 1,
            ms: START,
            nodes: halves.swap_remove(1),
            block,
        });
        Ok(())
    }
}

impl Act for VoteAhead {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        send_due(&mut self.late, scene);
        match turn(&self.validators, scene) {
            Some(node) => self.propose(scene, node),
            None => Ok(()),
        }
    }
}

/// Votes for unknown heads, at slots whose blocks nodes have dropped.
pub(super) struct InventRoots {
    pub(super) validators: Vec<ValidatorIndex>,
}

impl Act for InventRoots {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        if scene.now.ms != VOTE {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let Some(data) = scene.honest_data(node) else {
            return Ok(());
        };
        let oldest = scene
            .chain(node)
            .map(|chain| chain.fork_choice().oldest_block().slot)
            .unwrap_or_default();
        let nodes = scene.running();
        for validator in &self.validators {
            let root = Root::from(scene.random.random::<[u8; 32]>());
            let slot = scene.random.random_range(0..=oldest);
            let head = Checkpoint { root, slot };
            scene.vote(&nodes, *validator, AttestationData { head, ..data })?;
        }
        Ok(())
    }
}
