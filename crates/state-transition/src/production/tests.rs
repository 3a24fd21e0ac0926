use proptest::{collection::vec, prelude::*};
use quartet_types::{AttestationData, Checkpoint, PublicKey};

use super::*;
use crate::state_transition;

const BY_SOURCE: Selection = Selection::LatestSource;

fn vote(validator_id: u64, source: Checkpoint, target: Checkpoint) -> Attestation {
    Attestation {
        validator_id,
        data: AttestationData {
            slot: target.slot,
            head: target,
            target,
            source,
        },
    }
}

#[test]
fn votes_that_become_valid_within_the_block_join_and_those_that_would_spoil_it_do_not() {
    let keys: Vec<_> = (0..3).map(|byte| PublicKey([byte; 52])).collect();
    let genesis = State::genesis(0, &keys).unwrap();
    let (first, state) = build_block(&genesis, 1, &[], BY_SOURCE).unwrap();
    let (_, state) = build_block(&state, 2, &[], BY_SOURCE).unwrap();
    let genesis = Checkpoint {
        root: first.parent_root,
        slot: 0,
    };
    let justified = first.checkpoint();
    let second = Checkpoint {
        root: state.latest_block_header.tree_hash_root(),
        slot: 2,
    };
    let beyond = Checkpoint { slot: 9, ..second };

    let early = [0, 1].map(|validator| vote(validator, genesis, justified));
    let late = vote(2, justified, Checkpoint { slot: 1, ..second });
    let spoiling = [vote(2, genesis, beyond), vote(3, genesis, justified)];
    let foreign = vote(2, second, beyond);
    let candidates = [spoiling[0], late, early[0], spoiling[1], foreign, early[1]];

    let (block, post) = build_block(&state, 3, &candidates, BY_SOURCE).unwrap();
    let carried: Vec<_> = block.body.attestations.iter().copied().collect();
    assert_eq!(carried, [early[0], early[1], late]);
    assert_eq!(post.latest_justified, justified);
    assert_eq!(state_transition(&state, &block), Ok(post));
}

/// Source, target and slot of a vote as parts of the history, and who votes.
type Draw = (u8, u8, u8, u64);

/// A chain with a block in each slot but every fifth, some of which carry votes, and votes for what comes next.
fn draws() -> impl Strategy<Value = (usize, Vec<Vec<Draw>>, Vec<Draw>)> {
    let draw = || (any::<u8>(), any::<u8>(), any::<u8>(), 0u64..10);
    let blocks = vec(vec(draw(), 0..12), 4..40);
    (1usize..9, blocks, vec(draw(), 0..60))
}

/// The vote that is drawn: mostly from a justified slot to a later one, sometimes of nobody or beyond the history.
fn drawn(state: &State, draw: &Draw) -> Attestation {
    let (source, target, slot, validator) = *draw;
    let length = state.historical_block_hashes.len();
    let at = |index: usize| {
        let root = state.historical_block_hashes.get(index).copied();
        Checkpoint {
            root: root.unwrap_or(Root::repeat_byte(3)),
            slot: index as u64,
        }
    };
    let justified: Vec<usize> = (0..length)
        .filter(|slot| state.justified_slots.get(*slot) == Some(true))
        .collect();
    let source = match source {
        0..3 => length + 2,
        _ => *justified
            .get(usize::from(source) % justified.len().max(1))
            .unwrap_or(&0),
    };
    let target = match target {
        0..3 => length + 1,
        _ => (source + 1 + usize::from(target) % 8).min(length.saturating_sub(1)),
    };
    let mut vote = vote(
        validator % (state.validator_count() + u64::from(slot == 0)),
        at(source),
        at(target),
    );
    vote.data.slot = u64::from(slot % 64);
    vote
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn blocks_are_those_of_a_transition_for_each_round((validators, blocks, last) in draws()) {
        let keys: Vec<_> = (0..validators).map(|byte| PublicKey([byte as u8; 52])).collect();
        let mut state = State::genesis(0, &keys).unwrap();
        for (draws, slot) in blocks.iter().chain([&last]).zip(1..) {
            if slot % 5 == 0 {
                continue;
            }
            let votes: Vec<Attestation> = draws.iter().map(|draw| drawn(&state, draw)).collect();
            for selection in [Selection::LatestSource, Selection::AllThatCount] {
                let built = build_block(&state, slot, &votes, selection);
                prop_assert_eq!(&built, &plain::build_block(&state, slot, &votes, selection));
                let (block, post) = built.unwrap();
                let checked = state_transition(&state, &block);
                prop_assert_eq!(checked.as_ref(), Ok(&post));
                if selection == Selection::AllThatCount {
                    state = post;
                }
            }
        }
    }
}

#[test]
fn the_drawn_chains_carry_votes_justify_and_finalize() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut carried, mut left_out, mut justified, mut finalized) = (0, 0, 0, 0);
    for _ in 0..100 {
        let (validators, blocks, _) = draws().new_tree(&mut runner).unwrap().current();
        let keys: Vec<_> = (0..validators)
            .map(|byte| PublicKey([byte as u8; 52]))
            .collect();
        let mut state = State::genesis(0, &keys).unwrap();
        for (draws, slot) in blocks.iter().zip(1..) {
            let votes: Vec<Attestation> = draws.iter().map(|draw| drawn(&state, draw)).collect();
            let (block, post) = build_block(&state, slot, &votes, Selection::AllThatCount).unwrap();
            carried += block.body.attestations.len();
            left_out += votes.len() - block.body.attestations.len();
            state = post;
        }
        justified += usize::from(state.latest_justified.slot > 0);
        finalized += usize::from(state.latest_finalized.slot > 0);
    }
    let seen = [carried, left_out, justified, finalized];
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}
