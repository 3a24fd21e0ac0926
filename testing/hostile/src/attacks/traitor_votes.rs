//! Votes that a validator signs beside its one of a slot.

use quartet_types::{AttestationData, Checkpoint, Root, SignedAttestation, Slot};

use super::{nothing, votes_before};
use crate::{
    attacker::{Speaker, Stage},
    chain::Known,
    traitor::Traitor,
};

/// How far behind the head the old checkpoints lie.
const OLD: Slot = 6;

/// Several votes each slot, when honest validators attest. Each node hears another one first.
pub(super) async fn lie(stage: Stage) {
    let Some(traitor) = stage.traitor() else {
        return nothing(stage).await;
    };
    let mut speakers: Vec<Speaker> = Vec::new();
    let mut ticks = stage.clock.ticks();
    loop {
        let tick = ticks.next().await;
        if tick.interval != 1 {
            continue;
        }
        if speakers.is_empty() || speakers.iter().any(Speaker::is_shown_out) {
            speakers = stage.speaker_for_each_node().await;
        }
        let lies = lies(&stage, &traitor, tick.slot);
        for turn in 0..lies.len() {
            for (at, speaker) in speakers.iter().enumerate() {
                let lie = &lies[(turn + at) % lies.len()];
                stage.send_vote(speaker, lie).await;
            }
        }
    }
}

/// Votes of one slot that contradict each other, all signed.
fn lies(stage: &Stage, traitor: &Traitor, slot: Slot) -> Vec<SignedAttestation> {
    let head = stage.chain().head();
    let like = votes_before(stage, slot + 1, 2).into_iter().next();
    let (Some(head), Some(like)) = (head, like) else {
        return Vec::new();
    };
    let old = stage.chain().base_for(head.slot.saturating_sub(OLD));
    let old = old.as_ref().map_or_else(Checkpoint::default, checkpoint);
    let made_up = |slot| Checkpoint {
        root: Root::from(rand::random::<[u8; 32]>()),
        slot,
    };
    let honest = AttestationData {
        slot,
        head: checkpoint(&head),
        ..like.message.data
    };
    let lies = [
        honest,
        AttestationData {
            head: old,
            ..honest
        },
        AttestationData {
            head: made_up(honest.head.slot),
            ..honest
        },
        AttestationData {
            target: checkpoint(&head),
            ..honest
        },
        AttestationData {
            target: made_up(honest.target.slot),
            ..honest
        },
        AttestationData {
            source: old,
            target: old,
            ..honest
        },
    ];
    lies.into_iter()
        .filter_map(|data| traitor.sign(data))
        .collect()
}

fn checkpoint(known: &Known) -> Checkpoint {
    Checkpoint {
        root: known.root,
        slot: known.slot,
    }
}
