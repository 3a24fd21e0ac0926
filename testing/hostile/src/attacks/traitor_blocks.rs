//! Blocks that a validator signs for slots of its own.

use std::time::Duration;

use quartet_types::{Root, SignedAttestation, SignedBlockWithAttestation, Slot};
use tree_hash::TreeHash as _;

use super::{fictions::made_up, nothing, votes_before};
use crate::{
    attacker::{Speaker, Stage},
    forge::{Draft, Forged, arrangement},
    traitor::Traitor,
};

/// Blocks of one slot.
const RIVALS: u64 = 64;

/// Blocks on made-up parents in each interval, which is a second.
const MADE_UP: usize = 32;

/// Its own slots that these are for.
const MADE_UP_SLOTS: usize = 8;

/// Slots whose votes go into the bodies.
const BODY_SLOTS: Slot = 4;

/// By then all have heard the slot's votes, and the next block's parent is settled.
const SETTLED: Duration = Duration::from_millis(300);

/// From the last interval's start until a withheld block is let go: what is left of the slot is less than a block
/// needs to come round.
const WITHHELD: Duration = Duration::from_millis(850);

/// A block and what its proposer has signed with it.
struct Rival {
    forged: Forged,
    own: SignedAttestation,
}

impl Rival {
    fn envelope(&self) -> SignedBlockWithAttestation {
        self.forged.seal(&self.own)
    }
}

/// Many blocks for each slot of its own. Each node hears another one first, then all hear all, and those of the slot
/// before are named by the attestations in their bodies.
pub(super) async fn second_blocks(stage: Stage) {
    let Some(traitor) = stage.traitor() else {
        return nothing(stage).await;
    };
    let mut before: Vec<SignedAttestation> = Vec::new();
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        let slot = tick.slot + 1;
        if tick.interval != 3 || !traitor.proposes_in(slot) {
            continue;
        }
        tokio::time::sleep(SETTLED).await;
        let speakers = stage.speaker_for_each_node().await;
        let rivals = rivals(&stage, &traitor, slot, &before);
        for rival in &rivals {
            stage.publish(&rival.forged, &rival.own);
        }
        // The next tick is the slot's first.
        ticks.next().await;
        for (speaker, rival) in speakers.iter().zip(&rivals) {
            stage.send_own(speaker, &rival.envelope()).await;
        }
        for rival in &rivals {
            for speaker in &speakers {
                stage.send_own(speaker, &rival.envelope()).await;
            }
        }
        stage.count("own_slots", 1);
        before = rivals.into_iter().map(|rival| rival.own).collect();
        leave(speakers).await;
    }
}

/// Its block of each own slot, let go when the slot is almost over, to one node at a time.
pub(super) async fn withheld_blocks(stage: Stage) {
    let Some(traitor) = stage.traitor() else {
        return nothing(stage).await;
    };
    let mut ticks = stage.clock.ticks();
    for turn in 0.. {
        let tick = loop {
            let tick = ticks.next().await;
            if tick.interval == 3 && traitor.proposes_in(tick.slot) {
                break tick;
            }
        };
        let mut speakers = stage.speaker_for_each_node().await;
        let Some(rival) = rivals(&stage, &traitor, tick.slot, &[]).pop() else {
            continue;
        };
        tokio::time::sleep(WITHHELD.saturating_sub(tick.late)).await;
        stage.publish(&rival.forged, &rival.own);
        let speaker = speakers.swap_remove(turn % speakers.len());
        stage.send_own(&speaker, &rival.envelope()).await;
        stage.count("own_slots", 1);
        speaker.leave().await;
    }
}

/// Signed blocks for its newest slots, on parents that nobody has.
pub(super) async fn made_up_parents(stage: Stage) {
    let Some(traitor) = stage.traitor() else {
        return nothing(stage).await;
    };
    let mut speaker = stage.speaker().await;
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        if speaker.is_shown_out() {
            speaker = stage.speaker().await;
        }
        let Some(like) = votes_before(&stage, tick.slot + 1, 2).into_iter().next() else {
            continue;
        };
        let validators = validator_count(&stage);
        let slots: Vec<_> = traitor.slots_until(tick.slot).take(MADE_UP_SLOTS).collect();
        for slot in slots.iter().cycle().take(MADE_UP) {
            let parent = Root::from(rand::random::<[u8; 32]>());
            let mut envelope = made_up(*slot, parent, validators);
            let head = envelope.block().checkpoint();
            let mut data = like.message.data;
            (data.slot, data.head) = (*slot, head);
            let Some(own) = traitor.sign(data) else {
                continue;
            };
            envelope.message.proposer_attestation = own.message;
            envelope.signature = vec![own.signature].try_into().unwrap_or_default();
            let root = envelope.block().tree_hash_root();
            stage.send_altered(&speaker, root, &envelope).await;
        }
    }
}

/// Valid blocks of `slot` on the head, each with one of the `named` attestations in its body while there are any left.
fn rivals(stage: &Stage, traitor: &Traitor, slot: Slot, named: &[SignedAttestation]) -> Vec<Rival> {
    let base = stage.chain().base_for(slot);
    let like = votes_before(stage, slot, 2).into_iter().next();
    let (Some(base), Some(like)) = (base, like) else {
        return Vec::new();
    };
    let Ok(draft) = Draft::new(&base.state, slot) else {
        return Vec::new();
    };
    let votes = draft.fitting(votes_before(stage, slot, BODY_SLOTS));
    let rival = |number: u64| {
        let mut body = arrangement(&votes, number);
        body.extend(named.get(number as usize).cloned());
        let forged = draft.forge(body).ok()?;
        let mut data = like.message.data;
        (data.slot, data.head) = (slot, forged.block.checkpoint());
        let own = traitor.sign(data)?;
        Some(Rival { forged, own })
    };
    (0..RIVALS).filter_map(rival).collect()
}

fn validator_count(stage: &Stage) -> u64 {
    let head = stage.chain().head();
    head.map_or(0, |head| head.state.validator_count())
}

async fn leave(speakers: Vec<Speaker>) {
    futures::future::join_all(speakers.into_iter().map(Speaker::leave)).await;
}
