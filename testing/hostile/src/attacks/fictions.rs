//! Invented chains, which are claimed and served block by block.

use std::sync::Arc;

use parking_lot::Mutex;
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, BlockSignatures, BlockWithAttestation,
    Checkpoint, Root, Signature, SignedBlockWithAttestation, Slot, Status, proposer_index,
};
use tree_hash::TreeHash as _;

use crate::attacker::{Claim, IdentityConfig, Speaker, Stage};

/// Most blocks of a fiction.
const LENGTH: Slot = 256;

/// An identity that claims an invented chain.
struct Liar {
    claim: Arc<Mutex<Claim>>,
    speaker: Speaker,
}

/// This many identities claim a made-up chain each, another one in every slot, and serve its blocks but for the
/// oldest one's parent. Those who have been shown out come back as somebody else.
pub(super) async fn claim(stage: Stage, identities: usize) {
    lie(stage, identities, true).await;
}

/// This many identities claim a chain that is ahead and answer no request for its blocks.
pub(super) async fn claim_and_be_silent(stage: Stage, identities: usize) {
    lie(stage, identities, false).await;
}

async fn lie(stage: Stage, identities: usize, serves: bool) {
    let mut liars = Vec::new();
    let mut ticks = stage.clock.ticks();
    loop {
        let slot = stage.clock.slot();
        liars.retain(|liar: &Liar| !liar.speaker.is_shown_out());
        // What they claim is there before they come: nodes ask at once.
        let missing = identities - liars.len();
        let fresh = (0..missing).map(|_| introduce(&stage, slot, serves));
        liars.extend(futures::future::join_all(fresh).await.into_iter().flatten());
        for liar in &liars {
            if let Some(status) = invent(&stage, &liar.claim, slot, serves) {
                liar.speaker.tell(&status).await;
            }
        }
        while ticks.next().await.interval != 0 {}
    }
}

async fn introduce(stage: &Stage, slot: Slot, serves: bool) -> Option<Liar> {
    let claim = Arc::default();
    invent(stage, &claim, slot, serves)?;
    let identity_config = IdentityConfig {
        claim: Some(claim.clone()),
        withholds: true,
        ..IdentityConfig::default()
    };
    let speaker = stage.identity(identity_config).await;
    Some(Liar { claim, speaker })
}

/// Puts a new fiction into a claim.
fn invent(stage: &Stage, claim: &Mutex<Claim>, slot: Slot, serves: bool) -> Option<Status> {
    let honest = stage.honest_status()?;
    let validators = stage.chain().head()?.state.validator_count();
    let first = (honest.finalized.slot + 1).max(slot.saturating_sub(LENGTH));
    let chain = fiction(first, slot, validators);
    let newest = chain.last()?.block();
    let mut claim = claim.lock();
    *claim = Claim::default();
    let status = Status {
        finalized: honest.finalized,
        head: newest.checkpoint(),
    };
    claim.set(status);
    for envelope in chain.iter().filter(|_| serves) {
        claim.serve(envelope.block().tree_hash_root(), envelope);
    }
    Some(status)
}

/// Blocks of these slots, on a parent that nobody has, in the order of their slots.
fn fiction(first: Slot, last: Slot, validators: u64) -> Vec<SignedBlockWithAttestation> {
    let mut parent_root = Root::from(rand::random::<[u8; 32]>());
    let mut chain = Vec::new();
    for slot in first..=last {
        let envelope = made_up(slot, parent_root, validators);
        parent_root = envelope.block().tree_hash_root();
        chain.push(envelope);
    }
    chain
}

/// A block whose state nobody has, with an attestation that binds it to its proposer but for the signature.
pub(super) fn made_up(
    slot: Slot,
    parent_root: Root,
    validators: u64,
) -> SignedBlockWithAttestation {
    let block = Block {
        slot,
        proposer_index: proposer_index(slot, validators).unwrap_or_default(),
        parent_root,
        state_root: Root::from(rand::random::<[u8; 32]>()),
        body: BlockBody::default(),
    };
    let checkpoint = |root, slot| Checkpoint { root, slot };
    let parent = checkpoint(parent_root, slot.saturating_sub(1));
    let proposer_attestation = Attestation {
        validator_id: block.proposer_index,
        data: AttestationData {
            slot,
            head: block.checkpoint(),
            target: parent,
            source: parent,
        },
    };
    SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block,
            proposer_attestation,
        },
        signature: BlockSignatures::try_from(vec![Signature::default()]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fiction_hangs_together_and_begins_nowhere() {
        let chain = fiction(3, 9, 4);
        assert_eq!(chain.len(), 7);
        for pair in chain.windows(2) {
            let [parent, child] = [pair[0].block(), pair[1].block()];
            assert_eq!(child.parent_root, parent.tree_hash_root());
            assert_eq!(child.slot, parent.slot + 1);
            assert_eq!(child.proposer_index, child.slot % 4);
        }
        let other = fiction(3, 9, 4);
        assert_ne!(chain[0].block().parent_root, other[0].block().parent_root);
    }
}
