//! Blocks that are valid or nearly so, and what must be true of each.

use proptest::prelude::*;
use quartet_oracle::State as Naive;
use quartet_state_transition::{
    apply_block, process_slots, replay_block, seal_block, state_transition,
};
use quartet_types::{Attestation, AttestationData, Block, Checkpoint, PublicKey, Root, State};
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

/// One attestation to be, relative to the state it meets.
#[derive(Debug, Clone)]
pub(crate) struct Vote {
    validator: u64,
    source: (prop::sample::Index, RootChoice),
    target: (prop::sample::Index, RootChoice),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum RootChoice {
    OfTheSlot,
    OfTheSlotBefore,
    Zero,
    Random(u8),
}

/// One block to be.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) empty_slots: u64,
    pub(crate) proposer_off_by: u64,
    pub(crate) wrong_parent: bool,
    pub(crate) votes: Vec<Vote>,
}

fn root_choice() -> impl Strategy<Value = RootChoice> {
    prop_oneof![
        40 => Just(RootChoice::OfTheSlot),
        1 => Just(RootChoice::OfTheSlotBefore),
        1 => Just(RootChoice::Zero),
        1 => any::<u8>().prop_map(RootChoice::Random),
    ]
}

fn vote() -> impl Strategy<Value = Vote> {
    let checkpoint = || (any::<prop::sample::Index>(), root_choice());
    // Small numbers are taken modulo the registry's length.
    let validator = prop_oneof![250 => 0u64..6, 1 => Just(6), 1 => Just(u64::MAX)];
    (validator, checkpoint(), checkpoint()).prop_map(|(validator, source, target)| Vote {
        validator,
        source,
        target,
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    (
        prop_oneof![4 => Just(0u64), 2 => 1u64..4, 1 => 4u64..30],
        prop_oneof![30 => Just(0u64), 1 => 1u64..4],
        prop_oneof![30 => Just(false), 1 => Just(true)],
        prop::collection::vec(vote(), 0..32),
    )
        .prop_map(|(empty_slots, proposer_off_by, wrong_parent, votes)| Step {
            empty_slots,
            proposer_off_by,
            wrong_parent,
            votes,
        })
}

pub(crate) fn genesis(validators: u8) -> State {
    let keys: Vec<_> = (0..validators).map(|byte| PublicKey([byte; 52])).collect();
    State::genesis(1_700_000_000, &keys).unwrap()
}

/// The checkpoint that a choice names. Slots are drawn from near the justified ones, so that votes often count.
fn checkpoint(
    history: &[Root],
    slots: &[u64],
    (index, root): &(prop::sample::Index, RootChoice),
) -> Checkpoint {
    let slot = *index.get(slots);
    let at = |slot: u64| history.get(slot as usize).copied().unwrap_or_default();
    let root = match root {
        RootChoice::OfTheSlot => at(slot),
        RootChoice::OfTheSlotBefore => at(slot.saturating_sub(1)),
        RootChoice::Zero => Root::ZERO,
        RootChoice::Random(byte) => Root::repeat_byte(*byte),
    };
    Checkpoint { root, slot }
}

/// The block that a step asks for on top of `state`.
pub(crate) fn block(state: &State, step: &Step) -> Block {
    let slot = state.slot + 1 + step.empty_slots;
    let mut advanced = state.clone();
    process_slots(&mut advanced, slot).unwrap();
    let parent_root = advanced.latest_block_header.tree_hash_root();

    let mut history: Vec<Root> = state.historical_block_hashes.iter().copied().collect();
    history.push(parent_root);
    history.resize(slot as usize, Root::ZERO);
    let justified: Vec<bool> = state.justified_slots.iter().collect();
    let sources: Vec<u64> = (0..slot)
        .filter(|slot| *slot == 0 || justified.get(*slot as usize) == Some(&true))
        .chain([slot.saturating_sub(1)])
        .collect();
    let targets: Vec<u64> = (slot.saturating_sub(8)..slot)
        .chain((0..4).map(|back| slot - 1 - back * (slot - 1) / 4))
        .collect();

    let votes = step.votes.iter().map(|vote| Attestation {
        validator_id: if vote.validator < 6 {
            vote.validator % state.validator_count()
        } else {
            vote.validator
        },
        data: AttestationData {
            slot,
            head: Checkpoint::default(),
            source: checkpoint(&history, &sources, &vote.source),
            target: checkpoint(&history, &targets, &vote.target),
        },
    });
    Block {
        slot,
        proposer_index: (slot + step.proposer_off_by) % state.validator_count(),
        parent_root: if step.wrong_parent {
            Root::repeat_byte(1)
        } else {
            parent_root
        },
        state_root: Root::ZERO,
        body: quartet_types::BlockBody {
            attestations: votes.collect::<Vec<_>>().try_into().unwrap(),
        },
    }
}

/// Builds a chain, block by block, and holds every post-state against the specification's.
pub(crate) fn assert_agreement(validators: u8, steps: &[Step]) {
    let mut state = genesis(validators);
    for step in steps {
        let block = block(&state, step);
        let expected = Naive::of(&state).apply(&block).ok();
        let found = apply_block(&state, &block);
        let Some(expected) = expected else {
            assert!(found.is_err(), "the specification refuses {block:?}");
            let replayed = replay_block(&state, state.tree_hash_root(), &block);
            assert_eq!(replayed.map(drop), found.map(drop));
            continue;
        };
        let post = found.unwrap();
        assert_eq!(Naive::of(&post), expected);
        // Cached hashes must equal those of a state that has none.
        let uncached = State::from_ssz_bytes(&post.as_ssz_bytes()).unwrap();
        assert_eq!(post.tree_hash_root(), uncached.tree_hash_root());

        let (sealed, post) = seal_block(&state, block.clone()).unwrap();
        let checked = state_transition(&state, &sealed);
        assert_eq!(checked.as_ref(), Ok(&post));
        assert!(
            state_transition(&state, &block).is_err(),
            "a zero state root is wrong"
        );
        let root = state.tree_hash_root();
        let replayed = replay_block(&state, root, &sealed).unwrap();
        assert_eq!(replayed.tree_hash_root(), sealed.state_root);
        assert_eq!(&replayed, &post);
        let wrong = replay_block(&state, Root::repeat_byte(9), &sealed);
        assert!(
            wrong.is_err() || state.slot == 0 && !state.latest_block_header.state_root.is_zero()
        );
        state = post;
    }
}
