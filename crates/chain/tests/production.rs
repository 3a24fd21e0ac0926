//! Blocks and votes that this node makes, on trees in which some blocks build on old parents, some slots
//! stay empty, and some votes are lost.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::Index};
use quartet_chain::{ImportableBlock, LeanChain, ProducedBlock};
use quartet_state_transition::{Selection, build_block};
use quartet_types::{
    Attestation, BlockSignatures, BlockWithAttestation, Checkpoint, INTERVALS_PER_SLOT, PublicKey,
    Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, State,
};
use tree_hash::TreeHash as _;

/// How many of the newest blocks somebody who knows less may build on.
const RECENT: usize = 4;

/// What happens in a slot.
#[derive(Clone, Debug)]
struct Round {
    proposal: Proposal,
    /// Whose vote comes in time, validator by validator.
    votes: Vec<bool>,
}

#[derive(Clone, Debug)]
enum Proposal {
    OnTheHead,
    OnARecentBlock(Index),
    None,
}

fn round(validators: usize) -> impl Strategy<Value = Round> {
    let proposal = prop_oneof![
        4 => Just(Proposal::OnTheHead),
        3 => any::<Index>().prop_map(Proposal::OnARecentBlock),
        1 => Just(Proposal::None),
    ];
    let votes = vec(proptest::bool::weighted(0.8), validators);
    (proposal, votes).prop_map(|(proposal, votes)| Round { proposal, votes })
}

/// With fewer than four validators, one that proposes beside the head is a third of them or more.
fn scenario() -> impl Strategy<Value = (usize, Vec<Round>)> {
    (4usize..10).prop_flat_map(|validators| (Just(validators), vec(round(validators), 1..40)))
}

fn genesis(validators: usize) -> LeanChain {
    let keys: Vec<PublicKey> = (0..validators)
        .map(|index| PublicKey([index as u8; 52]))
        .collect();
    LeanChain::from_genesis(State::genesis(0, &keys).unwrap())
}

/// Plays a slot; signatures are not looked at here.
fn play(chain: &mut LeanChain, slot: Slot, round: &Round) {
    chain.advance(slot * INTERVALS_PER_SLOT);
    match &round.proposal {
        Proposal::OnTheHead => propose(chain, slot),
        Proposal::OnARecentBlock(index) => propose_elsewhere(chain, slot, index),
        Proposal::None => {}
    }
    chain.advance(slot * INTERVALS_PER_SLOT + 1);
    let data = chain.attestation_data(slot);
    let in_time = round.votes.iter().zip(0..).filter(|(votes, _)| **votes);
    for (_, validator_id) in in_time {
        let message = Attestation { validator_id, data };
        let signature = Signature::default();
        let signed = SignedAttestation { message, signature };
        chain.import_attestation(&signed).unwrap();
    }
    chain.advance(slot * INTERVALS_PER_SLOT + 3);
}

/// Proposes as the validator service does, and compares what the proposer attests with what everybody
/// else will.
fn propose(chain: &mut LeanChain, slot: Slot) {
    chain.accept_new_attestations();
    let produced = chain.proposal_basis().build(slot).unwrap();
    assert_eq!(
        produced.signatures.len(),
        produced.block.body.attestations.len()
    );
    let data = produced.attestation_data(chain);
    let head = produced.block.checkpoint();
    import(chain, produced, data);
    // A block on the head is not always the new head: what it justifies may lie on another branch.
    if chain.head() == head {
        assert_eq!(chain.attestation_data(slot), data);
    }
}

/// Somebody who knows less proposes on a block that may not be the head.
fn propose_elsewhere(chain: &mut LeanChain, slot: Slot, index: &Index) {
    let roots: Vec<Root> = chain
        .fork_choice()
        .blocks()
        .map(|weighed| weighed.block.root)
        .collect();
    let recent = &roots[roots.len().saturating_sub(RECENT)..];
    let parent = recent[index.index(recent.len())];
    let state = chain.state(parent).unwrap();
    let candidates: Vec<Attestation> = chain.fork_choice().known_attestations().collect();
    let (block, post_state) =
        build_block(&state, slot, &candidates, Selection::LatestSource).unwrap();
    let signatures = vec![Signature::default(); block.body.attestations.len()];
    let produced = ProducedBlock {
        root: block.tree_hash_root(),
        block,
        post_state,
        signatures,
    };
    let data = produced.attestation_data(chain);
    import(chain, produced, data);
}

fn import(chain: &mut LeanChain, produced: ProducedBlock, data: quartet_types::AttestationData) {
    let ProducedBlock {
        root,
        block,
        post_state,
        mut signatures,
    } = produced;
    signatures.push(Signature::default());
    let proposer_attestation = Attestation {
        validator_id: block.proposer_index,
        data,
    };
    let message = BlockWithAttestation {
        block,
        proposer_attestation,
    };
    let signature = BlockSignatures::try_from(signatures).unwrap();
    let importable = ImportableBlock {
        root,
        block: Arc::new(SignedBlockWithAttestation { message, signature }),
        post_state: Arc::new(post_state),
    };
    chain.import_block(importable).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_a_proposer_attests_is_what_others_attest_once_they_have_its_block(
        (validators, rounds) in scenario(),
    ) {
        let mut chain = genesis(validators);
        for (round, slot) in rounds.iter().zip(1..) {
            play(&mut chain, slot, round);
        }
    }

    #[test]
    fn whatever_happened_before_a_healthy_network_finalizes_again(
        (validators, rounds) in scenario(),
    ) {
        let mut chain = genesis(validators);
        for (round, slot) in rounds.iter().zip(1..) {
            play(&mut chain, slot, round);
        }
        let healthy = Round {
            proposal: Proposal::OnTheHead,
            votes: vec![true; validators],
        };
        let calm = rounds.len() as Slot + 1;
        let Checkpoint { slot: stuck, .. } = chain.latest_finalized();
        // The longer finality has been away, the fewer slots are justifiable.
        for slot in calm..calm + 40 {
            play(&mut chain, slot, &healthy);
        }
        let finalized = chain.latest_finalized().slot;
        prop_assert!(finalized > calm, "finalized {stuck}, then {finalized}, calm since {calm}");
        prop_assert_eq!(finalized + 3, chain.head().slot);
    }
}
