//! The largest possible blocks, with unknown parents.

use std::time::Duration;

use quartet_types::{
    BlockSignatures, Root, Signature, SignedAttestation, SignedBlockWithAttestation,
};
use tokio::time::{MissedTickBehavior, interval};
use tree_hash::TreeHash as _;

use super::{fictions::made_up, votes_before};
use crate::attacker::Stage;

/// Copies of a vote in a block: with their signatures, some 9.9 MB.
const COPIES: usize = 3048;

/// Identities that send them, in turn.
const IDENTITIES: usize = 20;

/// Between two blocks.
const PAUSE: Duration = Duration::from_millis(500);

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 3112;

/// Sends them from many identities in turn. One that is disconnected comes back with a new identity.
pub(super) async fn send(stage: Stage) {
    let arrivals = (0..IDENTITIES).map(|_| stage.speaker());
    let mut speakers = futures::future::join_all(arrivals).await;
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0.. {
        pace.tick().await;
        let at = turn % IDENTITIES;
        if speakers[at].is_shown_out() {
            speakers[at] = stage.speaker().await;
        }
        let slot = stage.clock.slot();
        let Some(vote) = votes_before(&stage, slot, 2).into_iter().next() else {
            continue;
        };
        let block = orphan(&vote, slot);
        let root = block.block().tree_hash_root();
        stage.send_altered(&speakers[at], root, &block).await;
    }
}

/// A block with a body of one vote, again and again, and signatures that cannot be compressed.
fn orphan(vote: &SignedAttestation, slot: u64) -> SignedBlockWithAttestation {
    let parent = Root::from(rand::random::<[u8; 32]>());
    let mut envelope = made_up(slot, parent, 4);
    let votes = vec![vote.message; COPIES];
    envelope.message.block.body.attestations = votes.try_into().unwrap_or_default();
    let own = &mut envelope.message.proposer_attestation;
    own.data.head.root = envelope.message.block.tree_hash_root();
    let signatures: Vec<_> = (0..=COPIES).map(|_| noise()).collect();
    envelope.signature = BlockSignatures::try_from(signatures).unwrap_or_default();
    envelope
}

fn noise() -> Signature {
    let mut bytes = [0; SIGNATURE_BYTES];
    rand::fill(&mut bytes);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use quartet_network::wire;
    use ssz::Encode as _;

    use super::*;
    use crate::chain::tests::vote;

    #[test]
    fn an_orphan_just_fits_and_cannot_be_compressed() {
        let orphan = orphan(&vote(0, 1, Default::default()), 2);
        let ssz = orphan.as_ssz_bytes();
        assert!((9_800_000..=wire::MAX_MESSAGE_BYTES).contains(&ssz.len()));
        assert!(wire::compress(&ssz).unwrap().len() > 9_000_000);
        assert_eq!(orphan.attestations().count(), orphan.signature.len());
    }
}
