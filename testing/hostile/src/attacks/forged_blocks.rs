//! Blocks that stand in for the honest one of their slot.

use std::time::Duration;

use quartet_types::{SECONDS_PER_INTERVAL, SignedAttestation, Slot};

use super::votes_before;
use crate::{
    attacker::Stage,
    chain::{Known, is_by_proposer},
    forge::{Draft, Forged},
};

/// Roots that are tried for a block: its first byte is 0xff, and so are some bits of the next.
const TRIES: u64 = 3000;

/// Roots that are tried when the block must leave at once.
const HURRIED_TRIES: u64 = 200;

/// Slots whose votes go into the bodies.
const BODY_SLOTS: Slot = 4;

/// By then all have heard the slot's votes, and the next block's parent is settled.
const SETTLED: Duration = Duration::from_millis(300);

/// How long the proposer's own block is waited for.
const PROPOSAL: Duration = Duration::from_secs(2 * SECONDS_PER_INTERVAL);

/// A block for the coming slot, made while the one before ends and sent as the slot begins. Its proposer's
/// attestation is a vote of another validator that was heard in the slot before.
pub(super) async fn replace_honest_blocks(stage: Stage) {
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        if tick.interval != 3 {
            continue;
        }
        tokio::time::sleep(SETTLED).await;
        let speaker = stage.speaker().await;
        let slot = tick.slot + 1;
        let votes = votes_before(&stage, slot, 1);
        let base = stage.chain().base_for(slot);
        let (Some(base), Some(vote)) = (base, votes.first()) else {
            continue;
        };
        let Some(forged) = forge(&stage, &base, slot, TRIES) else {
            continue;
        };
        // The next tick is the slot's first.
        ticks.next().await;
        stage.send_forged(&speaker, forged, vote).await;
        speaker.leave().await;
    }
}

/// Waits for the proposer's attestation of the slot and puts it into the envelope of another block on the
/// same parent. Where it names the parent, as some clients' do, nothing tells the two blocks' envelopes apart.
pub(super) async fn borrow_the_proposers_attestation(stage: Stage) {
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        if tick.interval != 3 {
            continue;
        }
        let speaker = stage.speaker().await;
        let slot = tick.slot + 1;
        ticks.next().await;
        let heard = stage.newest_reaches(slot);
        if tokio::time::timeout(PROPOSAL, heard).await.is_err() {
            stage.count("slots_without_a_proposal", 1);
            continue;
        }
        let Some((base, attestation)) = borrowed(&stage, slot) else {
            continue;
        };
        let Some(forged) = forge(&stage, &base, slot, HURRIED_TRIES) else {
            continue;
        };
        let half_bound = attestation.message.data.head.root == base.root;
        stage.count("half_bound", half_bound.into());
        stage.count("bound_to_another", (!half_bound).into());
        stage.send_forged(&speaker, forged, &attestation).await;
        speaker.leave().await;
    }
}

/// The attestation of the slot's proposer, and the parent of the block that it came with.
fn borrowed(stage: &Stage, slot: Slot) -> Option<(Known, SignedAttestation)> {
    let chain = stage.chain();
    let newest = chain.newest()?;
    let block = newest.block();
    let base = chain.known(&block.parent_root)?;
    let attestation = chain.vote(slot, block.proposer_index)?.clone();
    let validators = base.state.validator_count();
    is_by_proposer(&attestation.message, validators).then_some((base, attestation))
}

fn forge(stage: &Stage, base: &Known, slot: Slot, tries: u64) -> Option<Forged> {
    let draft = Draft::new(&base.state, slot).ok()?;
    let votes = draft.fitting(votes_before(stage, slot, BODY_SLOTS));
    draft.grind(&votes, tries)
}
