//! Useless gossip.

use std::time::Duration;

use quartet_network::wire::{self, Topic};
use quartet_types::{
    Attestation, AttestationData, Checkpoint, Root, Signature, SignedAttestation, Slot,
};
use tokio::time::{MissedTickBehavior, interval};

use super::{fictions::made_up, votes_before};
use crate::attacker::{Speaker, Stage};

/// Batches a second.
const BATCHES: u64 = 50;

/// Votes for random roots, a second and to each of four nodes: 20,000 in all.
const VOTES_PER_SECOND: u64 = 5_000;

/// Messages that are sent between two checks whether a node still takes them.
const BURST: usize = 200;

/// Messages of the far future, a second.
const FAR_PER_SECOND: u64 = 200;

/// Identities that listen to topics, and how many topics each listens to.
const LISTENERS: usize = 8;
const TOPICS: usize = 2_000;

/// Bytes that a bomb becomes: what a message may be, and a hundred times less on the wire.
const BOMB_BYTES: usize = wire::MAX_MESSAGE_BYTES;

/// Votes for unknown roots, with signatures of zeros.
pub(super) async fn random_votes(stage: Stage) {
    let mut pace = interval(Duration::from_millis(1000 / BATCHES));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut speaker = stage.speaker().await;
    loop {
        pace.tick().await;
        speaker = still_heard(&stage, speaker).await;
        let slot = stage.clock.slot();
        for _ in 0..VOTES_PER_SECOND / BATCHES {
            stage.send_vote(&speaker, &random_vote(slot)).await;
        }
    }
}

/// Bytes without meaning, bombs, and heard votes with other signatures, in turn.
pub(super) async fn garbage(stage: Stage) {
    let bomb = wire::compress(&vec![0; BOMB_BYTES]).unwrap_or_default();
    // Says that it is four gigabytes long, and is not.
    let lie = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 32]].concat();
    let mut speaker = stage.speaker().await;
    loop {
        speaker = still_heard(&stage, speaker).await;
        let vote = votes_before(&stage, stage.clock.slot() + 1, 2)
            .into_iter()
            .next();
        for number in 0..BURST {
            let topic = Topic::ALL[number % Topic::ALL.len()];
            match (number % 8, &vote) {
                // A number at the end makes each another message.
                (0, _) if number == 0 => speaker.utter(topic, numbered(&bomb)).await,
                (1, _) => speaker.utter(topic, numbered(&lie)).await,
                (2 | 3, Some(vote)) => {
                    stage.send_vote(&speaker, &with_bad_signature(vote)).await;
                }
                _ => {
                    speaker
                        .utter(topic, rand::random::<[u8; 32]>().to_vec())
                        .await
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Blocks and votes of slots that will not come for long.
pub(super) async fn far_future(stage: Stage) {
    let mut pace = interval(Duration::from_millis(1000 / FAR_PER_SECOND));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut speaker = stage.speaker().await;
    for number in 0_u64.. {
        pace.tick().await;
        let now = stage.clock.slot();
        let far = [now + 2, now + 1_000, u64::from(u32::MAX), Slot::MAX];
        let slot = far[(number / 2 % 4) as usize];
        let root = Root::from(rand::random::<[u8; 32]>());
        match number % 2 {
            0 => stage.send_copy(&speaker, &made_up(slot, root, 4)).await,
            _ => stage.send_vote(&speaker, &random_vote(slot)).await,
        }
        if number % FAR_PER_SECOND == 0 {
            speaker = still_heard(&stage, speaker).await;
        }
    }
}

/// Subscribes to invented topics, and stays.
pub(super) async fn topics(stage: Stage) {
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        listeners.push(stage.speaker().await);
    }
    for _ in 0..TOPICS {
        for listener in &listeners {
            let name = Root::from(rand::random::<[u8; 32]>());
            listener
                .subscribe(format!("/leanconsensus/{name}/block/ssz_snappy"))
                .await;
        }
    }
    std::future::pending().await
}

/// The same identity while any node listens to it, then another one.
async fn still_heard(stage: &Stage, speaker: Speaker) -> Speaker {
    if speaker.is_shown_out() {
        stage.speaker().await
    } else {
        speaker
    }
}

fn numbered(bytes: &[u8]) -> Vec<u8> {
    [bytes, &rand::random::<[u8; 8]>()].concat()
}

/// The same vote with a signature that begins otherwise each time.
fn with_bad_signature(vote: &SignedAttestation) -> SignedAttestation {
    let mut signature = *vote.signature.as_bytes();
    signature[..8].copy_from_slice(&rand::random::<[u8; 8]>());
    SignedAttestation {
        message: vote.message,
        signature: signature.into(),
    }
}

/// A vote of a random validator for unknown roots.
fn random_vote(slot: Slot) -> SignedAttestation {
    let checkpoint = |slot| Checkpoint {
        root: Root::from(rand::random::<[u8; 32]>()),
        slot,
    };
    SignedAttestation {
        message: Attestation {
            validator_id: u64::from(rand::random::<u8>() % 4),
            data: AttestationData {
                slot,
                head: checkpoint(slot),
                target: checkpoint(slot.saturating_sub(1)),
                source: checkpoint(slot.saturating_sub(3)),
            },
        },
        signature: Signature::default(),
    }
}

#[cfg(test)]
mod tests {
    use ssz::Encode as _;

    use super::*;

    #[test]
    fn random_votes_differ_and_are_short_on_the_wire() {
        assert_ne!(random_vote(1), random_vote(1));
        let data = wire::compress(&random_vote(1).as_ssz_bytes()).unwrap();
        assert!(data.len() < 600, "{}", data.len());
    }

    #[test]
    fn a_bomb_is_small() {
        let bomb = wire::compress(&vec![0; BOMB_BYTES]).unwrap();
        assert!(bomb.len() < BOMB_BYTES / 15);
        assert!(wire::decompress(&numbered(&bomb), BOMB_BYTES).is_err());
    }
}
