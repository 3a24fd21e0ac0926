//! The state transition with its shared, cached lists, beside the same function on a state without any cache.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quartet_state_transition::{process_slots, seal_block, state_transition};
use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, Checkpoint, PublicKey, Root, State,
};
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

const VALIDATORS: u8 = 96;
const HISTORY: u64 = 100_000;

fn block(pre: &State, slot: u64, attestations: Vec<Attestation>) -> Block {
    let mut advanced = pre.clone();
    process_slots(&mut advanced, slot).unwrap();
    Block {
        slot,
        proposer_index: slot % u64::from(VALIDATORS),
        parent_root: advanced.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody {
            attestations: attestations.try_into().unwrap(),
        },
    }
}

/// A state with a history of [`HISTORY`] slots, and a block of `count` attestations that count.
fn long_chain(count: u64) -> (State, Block) {
    let keys: Vec<_> = (0..VALIDATORS).map(|byte| PublicKey([byte; 52])).collect();
    let genesis = State::genesis(0, &keys).unwrap();
    let (_, state) = seal_block(&genesis, block(&genesis, 1, Vec::new())).unwrap();
    let (_, state) = seal_block(&state, block(&state, HISTORY, Vec::new())).unwrap();
    let target = Checkpoint {
        root: state.historical_block_hashes.get(1).copied().unwrap(),
        slot: 1,
    };
    let votes = (0..count).map(|validator_id| Attestation {
        validator_id,
        data: AttestationData {
            slot: HISTORY,
            head: target,
            target,
            source: state.latest_justified,
        },
    });
    let (block, _) = seal_block(&state, block(&state, HISTORY + 1, votes.collect())).unwrap();
    state.tree_hash_root();
    (state, block)
}

fn bench(criterion: &mut Criterion) {
    for count in [1, 4, 64] {
        let (state, block) = long_chain(count);
        criterion.bench_function(
            &format!("stf::state_transition/attestations={count}"),
            |b| {
                b.iter(|| state_transition(black_box(&state), black_box(&block)).unwrap());
            },
        );
        let bytes = state.as_ssz_bytes();
        criterion.bench_function(&format!("stf::uncached/attestations={count}"), |b| {
            b.iter_batched(
                || State::from_ssz_bytes(&bytes).unwrap(),
                |state| state_transition(black_box(&state), black_box(&block)).unwrap(),
                BatchSize::LargeInput,
            );
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
