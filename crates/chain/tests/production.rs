//! Blocks and votes that this node makes, on trees in which some blocks build on old parents, some slots
//! stay empty, and some votes are lost.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::{
    collection::vec, prelude::*, sample::Index, strategy::ValueTree as _, test_runner::TestRunner,
};
use quartet_chain::{ImportableBlock, LeanChain, ProducedBlock};
use quartet_fork_choice::{AttestationOrigin, Rules};
use quartet_state_transition::{Selection, build_block};
use quartet_types::{
    Attestation, Block, BlockSignatures, BlockWithAttestation, Checkpoint, INTERVALS_PER_SLOT,
    PublicKey, Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, State,
};
use tree_hash::TreeHash as _;

/// How many of the newest blocks somebody who knows another part of the network may build on.
const RECENT: usize = 8;

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
    (4usize..10).prop_flat_map(|validators| (Just(validators), vec(round(validators), 1..80)))
}

fn genesis(validators: usize, rules: Rules) -> LeanChain {
    let keys: Vec<PublicKey> = (0..validators)
        .map(|index| PublicKey([index as u8; 52]))
        .collect();
    let state = State::genesis(0, &keys).unwrap();
    let mut anchor = SignedBlockWithAttestation::default();
    anchor.message.block = Block::genesis(&state);
    LeanChain::with_rules(anchor, state, rules)
}

/// By the specification's rules a validator may attest what its own store refuses.
fn is_ours(chain: &LeanChain) -> bool {
    chain.fork_choice().rules() == Rules::QUARTET
}

/// Plays a slot; signatures are not looked at here. `cast` is every vote so far, whether it has reached us or not.
fn play(chain: &mut LeanChain, cast: &mut Vec<Attestation>, slot: Slot, round: &Round) {
    chain.advance(slot * INTERVALS_PER_SLOT);
    match &round.proposal {
        Proposal::OnTheHead => propose(chain, slot),
        Proposal::OnARecentBlock(index) => propose_elsewhere(chain, cast, slot, index),
        Proposal::None => {}
    }
    chain.advance(slot * INTERVALS_PER_SLOT + 1);
    let data = chain.attestation_data(slot);
    for (is_in_time, validator_id) in round.votes.iter().zip(0..) {
        let message = Attestation { validator_id, data };
        cast.push(message);
        if *is_in_time {
            let signature = Signature::default();
            let signed = SignedAttestation { message, signature };
            let counted = chain.import_attestation(&signed);
            assert!(counted.is_ok() || !is_ours(chain), "{counted:?}");
        }
    }
    chain.advance(slot * INTERVALS_PER_SLOT + 3);
}

/// Proposes as the validator service does, and compares what the proposer attests with what everybody
/// else will.
fn propose(chain: &mut LeanChain, slot: Slot) {
    chain.accept_new_attestations();
    let produced = chain.proposal_basis().unwrap().build(slot).unwrap();
    assert_eq!(
        produced.signatures.len(),
        produced.block.body.attestations.len()
    );
    let data = produced.attestation_data(chain);
    let head = produced.block.checkpoint();
    import(chain, produced, data);
    // A block on the head is not always the new head: what it justifies may lie on another branch.
    if chain.head() == head && is_ours(chain) {
        assert_eq!(chain.attestation_data(slot), data);
    }
}

/// Somebody who knows other votes than we do proposes on a block that may not be the head: what that block justifies and
/// finalizes, the head's chain may never be able to.
fn propose_elsewhere(chain: &mut LeanChain, cast: &[Attestation], slot: Slot, index: &Index) {
    let roots: Vec<Root> = chain
        .fork_choice()
        .blocks()
        .map(|weighed| weighed.block.root)
        .collect();
    let recent = &roots[roots.len().saturating_sub(RECENT)..];
    let parent = recent[index.index(recent.len())];
    let state = chain.state(parent).unwrap();
    let known = |vote: &&Attestation| {
        let origin = AttestationOrigin::Block;
        chain
            .fork_choice()
            .validate_attestation(vote, origin)
            .is_ok()
    };
    let candidates: Vec<Attestation> = cast.iter().filter(known).copied().collect();
    let (block, post_state) =
        build_block(&state, slot, &candidates, Selection::AllThatCount).unwrap();
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
    let imported = chain.import_block(importable);
    assert!(imported.is_ok() || !is_ours(chain), "{imported:?}");
}

/// Plays a healthy network from a slot on: what is wrong, if finality does not move within 2·√d + 8 slots, or does not
/// get back to its usual three slots behind the head.
fn recover(
    chain: &mut LeanChain,
    cast: &mut Vec<Attestation>,
    validators: usize,
    calm: Slot,
) -> Option<String> {
    let healthy = Round {
        proposal: Proposal::OnTheHead,
        votes: vec![true; validators],
    };
    let Checkpoint { slot: stuck, .. } = chain.latest_finalized();
    let behind = (calm - stuck) as f64;
    let bound = (2.0 * behind.sqrt()) as Slot + 8;
    for slot in calm..calm + bound {
        play(chain, cast, slot, &healthy);
    }
    let finalized = chain.latest_finalized().slot;
    if finalized <= stuck {
        return Some(format!(
            "finalized {stuck}, still so {bound} slots after {calm}"
        ));
    }
    for slot in calm + bound..calm + bound + 40 {
        play(chain, cast, slot, &healthy);
    }
    let (finalized, head) = (chain.latest_finalized().slot, chain.head().slot);
    (finalized + 3 != head).then(|| format!("head {head}, finalized {finalized}"))
}

#[test]
fn the_generator_reaches_what_the_specifications_rules_do_not_recover_from() {
    let mut runner = TestRunner::deterministic();
    let mut stuck = 0;
    for _ in 0..300 {
        let (validators, rounds) = scenario().new_tree(&mut runner).unwrap().current();
        let (mut chain, mut cast) = (genesis(validators, Rules::SPECIFICATION), Vec::new());
        for (round, slot) in rounds.iter().zip(1..) {
            play(&mut chain, &mut cast, slot, round);
        }
        let calm = rounds.len() as Slot + 1;
        stuck += usize::from(recover(&mut chain, &mut cast, validators, calm).is_some());
    }
    assert!(stuck > 3, "only {stuck}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_a_proposer_attests_is_what_others_attest_once_they_have_its_block(
        (validators, rounds) in scenario(),
    ) {
        let (mut chain, mut cast) = (genesis(validators, Rules::QUARTET), Vec::new());
        for (round, slot) in rounds.iter().zip(1..) {
            play(&mut chain, &mut cast, slot, round);
        }
    }

    #[test]
    fn whatever_happened_before_a_healthy_network_finalizes_again(
        (validators, rounds) in scenario(),
    ) {
        let (mut chain, mut cast) = (genesis(validators, Rules::QUARTET), Vec::new());
        for (round, slot) in rounds.iter().zip(1..) {
            play(&mut chain, &mut cast, slot, round);
        }
        let stuck = recover(&mut chain, &mut cast, validators, rounds.len() as Slot + 1);
        prop_assert_eq!(stuck, None);
    }
}

#[test]
fn a_verified_attestation_with_another_signature_is_not_verified() {
    let mut chain = genesis(4, Rules::QUARTET);
    chain.advance(INTERVALS_PER_SLOT + 1);
    let data = chain.attestation_data(1);
    let message = Attestation {
        validator_id: 2,
        data,
    };
    let signature = Signature::default();
    let signed = SignedAttestation { message, signature };
    assert!(!chain.has_verified(&message, &signed.signature));
    chain.import_attestation(&signed).unwrap();
    assert!(chain.has_verified(&message, &signed.signature));
    let another = Signature::from([1; quartet_types::SIGNATURE_BYTES]);
    assert!(!chain.has_verified(&message, &another));
}
