//! Validators that say one thing to some and another to others.

use quartet_types::{AttestationData, ValidatorIndex};
use rand::RngExt as _;

use super::{Act, START, VOTE};
use crate::{SimulationError, fuzz::scene::Scene};

/// Proposes several blocks in its slots, each bound to it, and shows each to a part of the nodes.
pub(super) struct ProposeTwice {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) blocks: usize,
}

impl Act for ProposeTwice {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let proposer = scene.proposer(scene.now.slot);
        if scene.now.ms != START || !self.validators.contains(&proposer) {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let Some(parent) = scene.parent(node) else {
            return Ok(());
        };
        for (number, part) in scene.parts(self.blocks).iter().enumerate() {
            let built = match number {
                0 => scene.build_full(node, parent, |_| true),
                1 => scene.build(node, parent, Vec::new()),
                _ => {
                    let without = scene.random.random_range(0..scene.validators);
                    scene.build_full(node, parent, |validator| validator != without)
                }
            };
            let Some(built) = built else {
                continue;
            };
            if let Some(block) = scene.bound(node, built)? {
                scene.send_block(part, &block);
            }
        }
        Ok(())
    }
}

/// Votes twice in a slot, at a moment of its choice, once to each half.
pub(super) struct VoteTwice {
    pub(super) validators: Vec<ValidatorIndex>,
    pub(super) ms: u64,
}

impl Act for VoteTwice {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        if scene.now.ms != self.ms {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let Some(data) = scene.honest_data(node) else {
            return Ok(());
        };
        let Some(other) = another(scene, node, data) else {
            return Ok(());
        };
        let halves = scene.parts(2);
        for validator in &self.validators {
            scene.vote(&halves[0], *validator, data)?;
            scene.vote(&halves[1], *validator, other)?;
        }
        Ok(())
    }
}

/// What another view of the chain, or an older one, would make of a slot.
fn another(scene: &mut Scene<'_>, node: usize, data: AttestationData) -> Option<AttestationData> {
    let elsewhere = scene.anyone().and_then(|node| scene.honest_data(node));
    if let Some(elsewhere) = elsewhere.filter(|elsewhere| *elsewhere != data) {
        return Some(elsewhere);
    }
    let chain = scene.chain(node)?;
    let fork_choice = chain.fork_choice();
    let parent = fork_choice.parent_of(&data.head.root)?;
    let head = fork_choice.block(&parent)?.checkpoint();
    let target = if head.slot < data.target.slot {
        data.source
    } else {
        data.target
    };
    Some(AttestationData {
        head,
        target,
        ..data
    })
}

/// Votes as others do, but shows its votes only to some nodes.
pub(super) struct VoteToSome {
    pub(super) validators: Vec<ValidatorIndex>,
}

impl Act for VoteToSome {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        if scene.now.ms != VOTE {
            return Ok(());
        }
        for validator in self.validators.clone() {
            let Some(node) = scene.anyone() else {
                return Ok(());
            };
            let Some(data) = scene.honest_data(node) else {
                continue;
            };
            let count = scene.random.random_range(2..=4);
            let some = scene.parts(count);
            scene.vote(&some[0], validator, data)?;
        }
        Ok(())
    }
}
