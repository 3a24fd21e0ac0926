//! A slot's worth of votes, safe target and head, beside the specification's walk over all blocks.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use quartet_fork_choice::{
    AttestationOrigin, BlockInfo, Checkpoints, ForkChoice, NamedBlocks, Rules,
};
use quartet_oracle::{Deviations, KnownBlock, Origin, Store};
use quartet_types::{Attestation, AttestationData, Root};

const VALIDATORS: u64 = 64;
/// A time that no vote of the benchmark reaches.
const FAR: u64 = 1 << 40;

/// A chain without finality in which every eighth block has a rival.
fn chain(length: u64) -> Vec<BlockInfo> {
    let root = |number: u64, branch: u8| {
        let mut root = Root::left_padding_from(&number.to_be_bytes());
        root.0[0] = branch + 1;
        root
    };
    let block = |slot: u64, branch| BlockInfo {
        root: root(slot, branch),
        parent_root: root(slot.saturating_sub(1), 0),
        slot,
    };
    (0..length)
        .flat_map(|slot| {
            let rival = (slot % 8 == 7).then(|| block(slot, 1));
            [Some(block(slot, 0)), rival].into_iter().flatten()
        })
        .collect()
}

/// The votes of a slot: all for the tip or all for its grandparent, so that they move every time.
fn votes(blocks: &[BlockInfo], slot: u64) -> impl Iterator<Item = Attestation> {
    let genesis = blocks[0].checkpoint();
    let head = blocks[blocks.len() - 1 - 2 * (slot % 2) as usize].checkpoint();
    (0..VALIDATORS).map(move |validator_id| Attestation {
        validator_id,
        data: AttestationData {
            slot,
            head,
            target: genesis,
            source: genesis,
        },
    })
}

fn vote_for(block: &BlockInfo, genesis: &BlockInfo) -> Attestation {
    Attestation {
        validator_id: 0,
        data: AttestationData {
            slot: 0,
            head: block.checkpoint(),
            target: genesis.checkpoint(),
            source: genesis.checkpoint(),
        },
    }
}

fn bench(criterion: &mut Criterion) {
    for length in [32, 1_000, 10_000] {
        let blocks = chain(length);
        let genesis = blocks[0];
        let anchor = genesis.checkpoint();

        let checkpoints = Checkpoints {
            justified: anchor,
            finalized: anchor,
        };
        let mut store = ForkChoice::new(genesis, checkpoints, VALIDATORS, Rules::QUARTET);
        store.advance_to(FAR);
        for block in &blocks[1..] {
            let own = vote_for(block, &genesis);
            store
                .on_block(*block, checkpoints, &[], &own, NamedBlocks::Known)
                .unwrap();
        }
        let mut slot = 1;
        criterion.bench_function(&format!("fork_choice::slot/blocks={length}"), |b| {
            b.iter(|| {
                slot += 1;
                for vote in votes(&blocks, slot) {
                    store
                        .on_attestation(&vote, AttestationOrigin::Gossip)
                        .unwrap();
                }
                store.update_safe_target();
                store.accept_new_attestations();
                store.head()
            });
        });

        let known = |block: &BlockInfo| KnownBlock {
            root: block.root,
            parent_root: block.parent_root,
            slot: block.slot,
            justified: anchor,
            finalized: anchor,
        };
        let mut store = Store::new(known(&genesis), VALIDATORS, Deviations::default());
        store.time = FAR;
        let known: Vec<_> = blocks[1..].iter().map(known).collect();
        store.insert_all(&known);
        let mut slot = 1;
        let mut group = criterion.benchmark_group("fork_choice::naive_slot");
        group.sample_size(10);
        group.bench_function(format!("blocks={length}"), |b| {
            b.iter(|| {
                slot += 1;
                for vote in votes(&blocks, slot) {
                    store.on_attestation(&vote, Origin::Gossip).unwrap();
                }
                store.update_safe_target();
                store.accept_new_attestations();
                store.head
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
