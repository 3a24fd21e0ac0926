//! Honest messages with one part exchanged, so that they name unknown blocks, or no longer fit together.

use std::time::Duration;

use quartet_types::{Root, SignedAttestation, SignedBlockWithAttestation};
use tokio::time::{MissedTickBehavior, interval};
use tree_hash::TreeHash as _;

use super::votes_before;
use crate::attacker::Stage;

/// Messages a second.
const RATE: u64 = 20;

/// What is exchanged, in turn.
const KINDS: u64 = 6;

/// After this many messages another identity goes on.
const LIFETIME: u64 = 2 * RATE;

/// Most votes, less one, that are picked for a body.
const MAX_PICKED: u8 = 8;

/// Alters the newest block and its votes in one way after another.
pub(super) async fn alter(stage: Stage) {
    let mut pace = interval(Duration::from_millis(1000 / RATE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut speaker = stage.speaker().await;
    for number in 1.. {
        pace.tick().await;
        if number % LIFETIME == 0 {
            speaker.leave().await;
            speaker = stage.speaker().await;
        }
        let Some(newest) = stage.chain().newest() else {
            continue;
        };
        if number % KINDS == 0 {
            let slot = newest.block().slot;
            if let Some(vote) = votes_before(&stage, slot + 1, 2).first() {
                stage.count("votes", 1);
                stage.send_vote(&speaker, &with_invented_head(vote)).await;
            }
            continue;
        }
        let mut envelope = SignedBlockWithAttestation::clone(&newest);
        exchange(&mut envelope, number % KINDS);
        let root = envelope.block().tree_hash_root();
        if root == newest.block().tree_hash_root() {
            stage.count("envelopes", 1);
            stage.send_copy(&speaker, &envelope).await;
        } else {
            stage.send_altered(&speaker, root, &envelope).await;
        }
    }
}

/// A vote for an unknown head. Its signature no longer fits.
fn with_invented_head(vote: &SignedAttestation) -> SignedAttestation {
    let mut vote = vote.clone();
    vote.message.data.head.root = invented();
    vote
}

fn exchange(envelope: &mut SignedBlockWithAttestation, kind: u64) {
    let block = &mut envelope.message.block;
    let attestations: Vec<_> = block.body.attestations.iter().copied().collect();
    match kind {
        1 => block.parent_root = invented(),
        2 => block.state_root = invented(),
        // Other votes of the same body, signed all right; the state is not the one that they lead to.
        3 if !attestations.is_empty() => {
            let picked: Vec<_> = (0..=rand::random::<u8>() % MAX_PICKED)
                .map(|_| usize::from(rand::random::<u8>()) % attestations.len())
                .collect();
            let votes: Vec<_> = picked.iter().map(|at| attestations[*at]).collect();
            let own = envelope.signature.len() - 1;
            let signatures = picked.iter().chain([&own]);
            let signatures: Vec<_> = signatures
                .map(|at| envelope.signature[*at].clone())
                .collect();
            block.body.attestations = votes.try_into().unwrap_or_default();
            envelope.signature = signatures.try_into().unwrap_or_default();
        }
        // The same block, whose root must not be condemned, with another validator's vote as its proposer's.
        4 if !attestations.is_empty() => {
            envelope.message.proposer_attestation = attestations[0];
            let mut signatures = envelope.signature.to_vec();
            let own = signatures.len() - 1;
            signatures[own] = signatures[0].clone();
            envelope.signature = signatures.try_into().unwrap_or_default();
        }
        // The first vote is for an invented head, with a signature over another one.
        _ => {
            let mut altered = attestations;
            match altered.first_mut() {
                Some(first) => first.data.head.root = invented(),
                None => block.parent_root = invented(),
            }
            block.body.attestations = altered.try_into().unwrap_or_default();
        }
    }
}

fn invented() -> Root {
    Root::from(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::{blocks, vote};

    #[test]
    fn a_block_in_another_envelope_is_the_same_block() {
        let mut envelope = SignedBlockWithAttestation::clone(&blocks(1)[0]);
        let own = envelope.message.proposer_attestation;
        let other = vote(3, 0, own.data.source);
        envelope.message.block.body.attestations = vec![other.message].try_into().unwrap();
        let signatures = vec![other.signature.clone(); 2];
        envelope.signature = signatures.try_into().unwrap();
        let root = envelope.block().tree_hash_root();
        exchange(&mut envelope, 4);
        assert_eq!(envelope.block().tree_hash_root(), root);
        assert_eq!(envelope.message.proposer_attestation, other.message);
    }

    #[test]
    fn whatever_is_exchanged_makes_another_block_with_as_many_signatures_as_votes() {
        for kind in 1..KINDS {
            let mut envelope = SignedBlockWithAttestation::clone(&blocks(1)[0]);
            let root = envelope.block().tree_hash_root();
            exchange(&mut envelope, kind);
            assert_ne!(envelope.block().tree_hash_root(), root, "kind {kind}");
            assert_eq!(envelope.attestations().count(), envelope.signature.len());
        }
    }

    #[test]
    fn an_invented_head_is_another_each_time() {
        let vote = vote(0, 1, Default::default());
        assert_ne!(with_invented_head(&vote), with_invented_head(&vote));
    }
}
