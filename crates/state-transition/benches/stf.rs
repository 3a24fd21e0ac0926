//! The state transition with its shared, cached lists, beside the same function on a state that is read from its bytes.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use common::{long_state, next_block, targets, vote};
use criterion::{Criterion, criterion_group, criterion_main};
use quartet_state_transition::{Selection, build_block, replay_block, state_transition};
use quartet_types::{Attestation, Block, Slot, State};
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

/// A block of few votes in a network of some size.
fn small(criterion: &mut Criterion) {
    const VALIDATORS: usize = 96;
    const HISTORY: Slot = 100_000;
    let state = long_state(VALIDATORS, HISTORY, &[], |_| false);
    for count in [1, 4, 64] {
        let votes = (0..count).map(|validator| vote(validator, HISTORY, 1));
        let block = next_block(&state, votes.collect()).0;
        compare(criterion, &format!("attestations={count}"), &state, &block);
    }
}

const HISTORY: Slot = 1 << 17;
/// Attestations of a block; the list's limit.
const VOTES: u64 = 4096;
/// Targets with votes.
const TALLIED: usize = 600;

/// Blocks of as many votes as there can be, of every shape that costs something of its own.
fn full(criterion: &mut Criterion) {
    for validators in [4096, 4093] {
        let justifiable = targets(HISTORY);
        let (tallied, fresh) = justifiable.split_at(TALLIED);
        let half = long_state(validators, HISTORY, tallied, |index| index % 2 == 0);
        let nearly = long_state(validators, HISTORY, tallied, |index| {
            3 * index < 2 * validators - 36
        });
        let spread = |targets: &[Slot]| -> Vec<Attestation> {
            let nth = |vote: u64| targets[vote as usize % targets.len()];
            let by = |vote: u64| (validators as u64 - 1).saturating_sub(vote / 2);
            (0..VOTES)
                .map(|number| vote(by(number), HISTORY, nth(number)))
                .collect()
        };
        let distinct = |votes: Vec<Attestation>| -> Vec<Attestation> {
            let with_slot = |(mut vote, slot): (Attestation, Slot)| {
                vote.data.head.slot = slot;
                vote
            };
            votes.into_iter().zip(0..).map(with_slot).collect()
        };
        let shapes = [
            ("one_tallied", &half, spread(&tallied[..1])),
            ("one_new", &half, spread(&fresh[..1])),
            ("all_tallied", &half, spread(tallied)),
            ("many_new", &half, spread(fresh)),
            ("many_justified", &nearly, spread(&tallied[..300])),
            ("many_new_distinct_data", &half, distinct(spread(fresh))),
        ];
        for (shape, state, votes) in shapes {
            let block = next_block(state, votes).0;
            let name = format!("validators={validators}/{shape}");
            compare(criterion, &name, state, &block);
        }
    }
}

/// Applying blocks again that the database has.
fn replay(criterion: &mut Criterion) {
    let justifiable = targets(100_000);
    let state = long_state(64, 100_000, &justifiable[..600], |index| index % 2 == 0);
    let votes = (0..32).map(|validator| vote(validator, 100_000, justifiable[0]));
    let block = next_block(&state, votes.collect()).0;
    let root = state.tree_hash_root();
    criterion.bench_function("state_transition::replay_block", |b| {
        b.iter(|| replay_block(black_box(&state), root, black_box(&block)).unwrap());
    });
    criterion.bench_function("state_transition::replay_by_state_transition", |b| {
        b.iter(|| state_transition(black_box(&state), black_box(&block)).unwrap());
    });
}

/// Building a block of as many votes as validators can have at hand, four each.
fn build(criterion: &mut Criterion) {
    const VALIDATORS: u64 = 4096;
    let justifiable = targets(100_000);
    let (tallied, fresh) = justifiable.split_at(600);
    let state = long_state(VALIDATORS as usize, 100_000, tallied, |index| {
        index % 2 == 0
    });
    let voters = || 0..VALIDATORS * 3 / 4;
    let one = voters().map(|validator| vote(validator, 100_000, tallied[0]));
    let four = voters().flat_map(|validator| {
        let targets = [tallied[0], tallied[1], tallied[2], fresh[0]];
        let slots = 99_997..;
        targets
            .into_iter()
            .zip(slots)
            .map(move |(target, slot)| vote(validator, slot, target))
    });
    for (name, votes) in [
        ("one_each", one.collect::<Vec<_>>()),
        ("four_each", four.collect()),
    ] {
        criterion.bench_function(&format!("state_transition::build_block/{name}"), |b| {
            let selection = Selection::AllThatCount;
            b.iter(|| {
                build_block(black_box(&state), 100_001, black_box(&votes), selection).unwrap()
            });
        });
    }
}

/// A history as it was.
fn history(criterion: &mut Criterion) {
    let state = long_state(1, HISTORY, &[], |_| false);
    let history = &state.historical_block_hashes;
    criterion.bench_function("state_transition::history_truncated", |b| {
        b.iter(|| black_box(history).truncated(HISTORY as usize - 130));
    });
    criterion.bench_function("state_transition::history_root", |b| {
        b.iter(|| black_box(history).tree_hash_root())
    });
    criterion.bench_function("state_transition::history_compact", |b| {
        b.iter(|| black_box(&state).compact())
    });
}

fn compare(criterion: &mut Criterion, name: &str, state: &State, block: &Block) {
    state.tree_hash_root();
    criterion.bench_function(&format!("state_transition::state_transition/{name}"), |b| {
        b.iter(|| state_transition(black_box(state), black_box(block)).unwrap());
    });
    let bytes = state.as_ssz_bytes();
    criterion.bench_function(&format!("state_transition::full_copy/{name}"), |b| {
        b.iter(|| {
            let state = State::from_ssz_bytes(black_box(&bytes)).unwrap();
            state_transition(&state, black_box(block)).unwrap()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = small, full, replay, build, history
}
criterion_main!(benches);
