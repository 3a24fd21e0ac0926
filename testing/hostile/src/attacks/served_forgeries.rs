//! Forged blocks that are not gossiped but claimed and served: a node that catches up may be less careful.

use quartet_types::{Checkpoint, SignedAttestation, Slot, State, Status};

use super::votes_before;
use crate::{
    attacker::Stage,
    forge::{Draft, Forged},
};

/// Blocks of a claimed chain.
const LENGTH: Slot = 3;

/// Slots whose votes go into the bodies.
const BODY_SLOTS: Slot = 4;

/// Claims, each slot, a chain of forged blocks on the head's parent that ends in the current slot, and serves
/// its blocks to peers that request them.
pub(super) async fn claim_and_serve(stage: Stage) {
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        if tick.interval != 1 {
            continue;
        }
        let speaker = stage.speaker().await;
        let Some((base, proposer)) = start(&stage, tick.slot) else {
            continue;
        };
        let Some(head) = extend(&stage, &base, tick.slot, &proposer) else {
            continue;
        };
        // Claims of another finalized checkpoint would be seen through at once.
        let finalized = base.latest_finalized;
        stage.claim(&speaker, Status { finalized, head }).await;
        // It stays for the rest of the slot, to be asked.
        while ticks.next().await.interval != 3 {}
        speaker.leave().await;
    }
}

/// The state to build on, and a vote to put in the place of the proposers' attestations.
fn start(stage: &Stage, slot: Slot) -> Option<(State, SignedAttestation)> {
    let base = stage.chain().base_for((slot + 1).checked_sub(LENGTH)?)?;
    let vote = votes_before(stage, slot, 2).first()?.clone();
    Some((State::clone(&base.state), vote))
}

/// Forges the chain's blocks, up to `slot`, and serves them; returns the last one.
fn extend(
    stage: &Stage,
    base: &State,
    slot: Slot,
    proposer: &SignedAttestation,
) -> Option<Checkpoint> {
    let mut state = base.clone();
    let mut head = None;
    for slot in slot + 1 - LENGTH..=slot {
        let draft = Draft::new(&state, slot).ok()?;
        let votes = draft.fitting(votes_before(stage, slot, BODY_SLOTS));
        let forged: Forged = draft.forge(votes).ok()?;
        stage.serve_forged(&forged, proposer);
        head = Some(Checkpoint {
            root: forged.root,
            slot,
        });
        state = forged.state;
    }
    head
}
