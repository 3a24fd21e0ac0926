//! Blocks in envelopes that their proposers have not signed, by somebody without any key.

use quartet_types::{SignedAttestation, Slot};
use rand::{RngExt as _, seq::SliceRandom as _};

use super::{Act, MORNING, START, VOTE};
use crate::{
    SimulationError,
    fuzz::{
        plan::Body,
        scene::{Built, Scene},
    },
};

/// Blocks with more attestations than this are sent every few slots only: their hashes take long.
const FAT: u32 = 500;
const FAT_EVERY: Slot = 8;
/// How many slots back votes are looked for that can be reused.
const REUSABLE: Slot = 1;

/// Takes an attestation that somebody has sent as the proposer's, for blocks of this slot, and sends those
/// with the largest roots, which win where weights are equal.
pub(super) struct ForgeBlocks {
    pub(super) body: Body,
    pub(super) tries: u32,
    pub(super) count: u32,
}

impl ForgeBlocks {
    fn forge(&self, scene: &mut Scene<'_>, node: usize) -> Vec<Built> {
        let Some(parent) = scene.parent(node) else {
            return Vec::new();
        };
        let votes = scene.votes(node, parent);
        let mut built = Vec::new();
        for _ in 0..self.tries {
            let body = match self.body {
                Body::Empty => Vec::new(),
                Body::Full => some_of(scene, votes.clone()),
                Body::Copies(count) => {
                    let one = votes.first().into_iter().cloned();
                    one.cycle().take(count as usize).collect()
                }
            };
            built.extend(scene.build(node, parent, body));
            if self.body == Body::Empty {
                // There is but one.
                break;
            }
        }
        built.sort_by_key(|built| std::cmp::Reverse(built.root));
        built.truncate(self.count as usize);
        built
    }
}

/// Some of the votes, in some order.
fn some_of(scene: &mut Scene<'_>, mut votes: Vec<SignedAttestation>) -> Vec<SignedAttestation> {
    votes.shuffle(scene.random);
    votes.truncate(scene.random.random_range(0..=votes.len()));
    votes
}

impl Act for ForgeBlocks {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        let is_fat = matches!(self.body, Body::Copies(count) if count > FAT);
        let rests = is_fat && !scene.now.slot.is_multiple_of(FAT_EVERY);
        if scene.now.ms != START || rests {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let nodes = scene.running();
        for built in self.forge(scene, node) {
            let somebodys = {
                let observer = scene.world.observer();
                let votes: Vec<_> = observer.log.newest().copied().collect();
                if votes.is_empty() {
                    return Ok(());
                }
                let vote = votes[scene.random.random_range(0..votes.len())];
                observer.log.signed(&vote)
            };
            let Some(somebodys) = somebodys else {
                continue;
            };
            let block = scene.envelope(built, somebodys)?;
            scene.send_forged(&nodes, &block);
        }
        Ok(())
    }
}

/// Takes an attestation of a slot's proposer whose head is an older block, and makes it the envelope of
/// another block of that slot on that older block.
pub(super) struct ReuseParentVotes;

impl Act for ReuseParentVotes {
    fn act(&mut self, scene: &mut Scene<'_>) -> Result<(), SimulationError> {
        if ![START, MORNING, VOTE].contains(&scene.now.ms) {
            return Ok(());
        }
        let Some(node) = scene.anyone() else {
            return Ok(());
        };
        let slot = scene.now.slot;
        let reusable: Vec<SignedAttestation> = {
            let observer = scene.world.observer();
            let recent = observer.log.votes().iter().rev();
            let recent = recent.take_while(|vote| vote.data.slot + REUSABLE + 1 > slot);
            let names_parent = |vote: &&quartet_types::Attestation| {
                vote.data.head.slot < vote.data.slot
                    && vote.validator_id == scene.proposer(vote.data.slot)
            };
            recent
                .filter(names_parent)
                .filter_map(|vote| observer.log.signed(vote))
                .collect()
        };
        let nodes = scene.running();
        for vote in reusable {
            let now = scene.now;
            scene.now.slot = vote.message.data.slot;
            let parent = vote.message.data.head;
            let votes = scene.votes(node, parent);
            let votes = some_of(scene, votes);
            let built = scene.build(node, parent, votes);
            scene.now = now;
            if let Some(built) = built {
                let block = scene.envelope(built, vote)?;
                scene.send_forged(&nodes, &block);
            }
        }
        Ok(())
    }
}
