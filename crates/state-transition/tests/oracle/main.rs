//! The state transition against the specification's transcription, on arbitrary blocks and states.
#![allow(clippy::unwrap_used)]

mod steps;

use std::collections::BTreeMap;

use proptest::prelude::*;
use quartet_oracle::State as Naive;
use quartet_state_transition::{apply_block, seal_block};
use quartet_types::{Attestation, AttestationData, Block, Checkpoint, PublicKey, Root, State};
use ssz::{Decode as _, Encode as _};
use steps::{Step, assert_agreement, block, genesis, step};
use tree_hash::TreeHash as _;

/// A chain of 60 slots, every seventh of them empty, that has justified its first block.
fn long_chain(validators: usize) -> State {
    let keys: Vec<_> = (0..validators)
        .map(|index| PublicKey([index as u8; 52]))
        .collect();
    let mut state = State::genesis(0, &keys).unwrap();
    for slot in (1u64..62).filter(|slot| !slot.is_multiple_of(7)) {
        let step = Step {
            empty_slots: slot - state.slot - 1,
            proposer_off_by: 0,
            wrong_parent: false,
            votes: Vec::new(),
        };
        state = seal_block(&state, block(&state, &step)).unwrap().1;
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn chains_of_random_blocks_agree_with_the_specification(
        validators in 1u8..7,
        steps in prop::collection::vec(step(), 1..14),
    ) {
        assert_agreement(validators, &steps);
    }

    #[test]
    fn tallies_of_any_shape_agree_with_the_specification(
        validators in prop_oneof![1usize..10, 60usize..70, 120usize..200],
        tallied in prop::collection::vec((0u64..60, any::<u64>()), 0..40),
        votes in prop::collection::vec((0u64..60, any::<prop::sample::Index>(), 1usize..60), 0..20),
        reversed in prop::bool::weighted(0.1),
    ) {
        let mut state = long_chain(validators);
        let mut rows: BTreeMap<Root, u64> = BTreeMap::new();
        rows.extend(tallied.iter().map(|(slot, pattern)| (state.historical_block_hashes.get(*slot as usize).copied().unwrap(), *pattern)));
        let mut rows: Vec<(Root, u64)> = rows.into_iter().collect();
        if reversed {
            rows.reverse();
            // The oracle has a dictionary for them: it cannot tell the root of a state that is out of order.
            state.latest_block_header.state_root = Root::repeat_byte(1);
        }
        // Most of them close to two thirds.
        let voted = |pattern: u64, validator: usize| pattern >> (validator % 64) & 1 == 1 || !validator.is_multiple_of(3);
        let bits = rows.iter().flat_map(|(_, pattern)| (0..validators).map(move |validator| voted(*pattern, validator)));
        state.justifications_validators = quartet_types::Bitlist::try_from_iter(bits).unwrap();
        state.justifications_roots = quartet_types::JustificationRoots::try_from_iter(rows.iter().map(|(root, _)| *root)).unwrap();
        let roots: Vec<Root> = state.historical_block_hashes.iter().copied().collect();
        let attestations = votes.iter().flat_map(|(slot, first, count)| {
            let target = Checkpoint { root: roots[*slot as usize], slot: *slot };
            let source = state.latest_justified;
            let data = AttestationData { slot: 60, head: target, target, source };
            let first = first.index(validators);
            (first..first + count).map(move |validator| Attestation { validator_id: (validator % validators) as u64, data })
        });
        let mut block = block(&state, &Step { empty_slots: 0, proposer_off_by: 0, wrong_parent: false, votes: Vec::new() });
        block.body.attestations = attestations.collect::<Vec<_>>().try_into().unwrap();
        let expected = Naive::of(&state).apply(&block).unwrap();
        let post = apply_block(&state, &block).unwrap();
        prop_assert_eq!(Naive::of(&post), expected);
        let uncached = State::from_ssz_bytes(&post.as_ssz_bytes()).unwrap();
        prop_assert_eq!(post.tree_hash_root(), uncached.tree_hash_root());
    }

    #[test]
    fn a_damaged_state_is_an_error_not_a_panic(
        roots in prop::collection::vec(any::<u8>(), 0..4),
        bits in 0usize..20,
        history in 0usize..6,
        justified in prop::collection::vec(any::<bool>(), 0..6),
        step in step(),
    ) {
        let mut state = genesis(4);
        let roots = roots.into_iter().map(Root::repeat_byte);
        state.justifications_roots = quartet_types::JustificationRoots::try_from_iter(roots).unwrap();
        state.justifications_validators.extend_zeros(bits).unwrap();
        state.historical_block_hashes = quartet_types::RootList::try_from_iter(vec![Root::repeat_byte(7); history]).unwrap();
        state.justified_slots = quartet_types::Bitlist::try_from_iter(justified).unwrap();
        let block = block(&state, &step);
        let _ = apply_block(&state, &block);
    }
}

/// A block without votes on a chain of 60 slots, and a vote for the block of slot 36, which counts.
fn one_vote(state: &State, validator_id: u64) -> (Block, Attestation) {
    let step = Step {
        empty_slots: 0,
        proposer_off_by: 0,
        wrong_parent: false,
        votes: Vec::new(),
    };
    // A square away from what is final, which is the genesis.
    let target = Checkpoint {
        root: *state.historical_block_hashes.get(36).unwrap(),
        slot: 36,
    };
    let data = AttestationData {
        slot: 60,
        head: target,
        target,
        source: Checkpoint {
            root: *state.historical_block_hashes.get(0).unwrap(),
            slot: 0,
        },
    };
    (block(state, &step), Attestation { validator_id, data })
}

#[test]
fn the_validator_right_behind_the_registry_is_refused() {
    for validators in [1, 4, 63, 64, 65] {
        let state = long_chain(validators);
        let verdict = |validator_id| {
            let (mut block, vote) = one_vote(&state, validator_id);
            block.body.attestations = vec![vote].try_into().unwrap();
            apply_block(&state, &block).map(drop)
        };
        let count = validators as u64;
        assert_eq!(verdict(count - 1), Ok(()));
        for validator in [count, count + 1, u64::MAX] {
            let refused = matches!(
                verdict(validator),
                Err(quartet_state_transition::Error::ValidatorNotInRegistry { .. })
            );
            assert!(refused, "{validator} of {validators}");
        }
    }
}

#[test]
fn of_two_tallies_for_one_target_the_last_one_counts() {
    let mut state = long_chain(4);
    let (mut block, vote) = one_vote(&state, 0);
    let target = vote.data.target.root;
    let bits = [false, true, true, true, false, false, false, false];
    state.justifications_roots =
        quartet_types::JustificationRoots::try_from_iter([target, target]).unwrap();
    state.justifications_validators = quartet_types::Bitlist::try_from_iter(bits).unwrap();
    // The root of such a state is not the oracle's to tell.
    state.latest_block_header.state_root = Root::repeat_byte(1);
    let step = Step {
        empty_slots: 0,
        proposer_off_by: 0,
        wrong_parent: false,
        votes: Vec::new(),
    };
    block.parent_root = self::block(&state, &step).parent_root;
    block.body.attestations = vec![vote].try_into().unwrap();
    let expected = Naive::of(&state).apply(&block).unwrap();
    let post = apply_block(&state, &block).unwrap();
    assert_eq!(Naive::of(&post), expected);
    assert_eq!(post.justifications_roots.len(), 1);
}

#[test]
fn the_generator_justifies_and_finalizes() {
    // The property above would say little if its random votes never passed the threshold.
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut justified, mut finalized, mut pending, mut refused) = (0, 0, 0, 0);
    for _ in 0..200 {
        let steps = prop::collection::vec(step(), 12).new_tree(&mut runner);
        let mut state = genesis(4);
        for step in steps.unwrap().current() {
            match seal_block(&state, block(&state, &step)) {
                Ok((_, post)) => state = post,
                Err(_) => refused += 1,
            }
        }
        justified += usize::from(state.latest_justified.slot > 0);
        finalized += usize::from(state.latest_finalized.slot > 0);
        pending += usize::from(!state.justifications_roots.is_empty());
    }
    let seen = [justified, finalized, pending, refused];
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}
