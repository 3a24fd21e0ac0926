//! A hundred thousand blocks without finality, in trees of every shape: ours beside the tree that is walked block by
//! block.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures")]
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use common::{
    import,
    shapes::{SHAPES, Shape, mix},
    store_of, unjustified, vote,
    walking::WalkingTree,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use quartet_fork_choice::{
    AttestationOrigin, BlockInfo, Checkpoints, ForkChoice, NamedBlocks, Rules,
};
use quartet_types::Attestation;

const BLOCKS: u64 = 100_000;
const VALIDATORS: u64 = 4_096;
/// The shapes that the walking tree is measured on; it takes too long on all.
const WALKED: [Shape; 3] = [Shape::Forks, Shape::Comb, Shape::LateComb];

/// Where the votes are cast.
#[derive(Debug, Clone, Copy)]
enum Votes {
    /// All for the same block, the newest or one some slots older.
    Agreeing,
    /// Each for some block of the tree, old or new, and for another one each time.
    Anywhere,
    /// A third anywhere, the others agreeing: what a third can do to them.
    ThirdAnywhere,
}

impl Votes {
    /// By validator, the position of the block that it votes for in this round.
    fn heads(self, round: u64) -> Vec<usize> {
        let head = |validator| match self {
            Self::Agreeing => BLOCKS - 1 - 8 * (round % 2),
            Self::ThirdAnywhere if validator % 3 > 0 => BLOCKS - 1 - 8 * (round % 2),
            Self::Anywhere | Self::ThirdAnywhere => mix(round * VALIDATORS + validator) % BLOCKS,
        };
        (0..VALIDATORS)
            .map(|validator| head(validator) as usize)
            .collect()
    }

    /// The round as votes by gossip.
    fn cast(self, blocks: &[BlockInfo], round: u64) -> Vec<Attestation> {
        let anchor = blocks[0].checkpoint();
        let heads = (0..).zip(self.heads(round));
        heads
            .map(|(validator, head)| {
                vote(validator, BLOCKS + round, blocks[head].checkpoint(), anchor)
            })
            .collect()
    }
}

fn hear(store: &mut ForkChoice, votes: &[Attestation]) {
    for vote in votes {
        store
            .on_attestation(vote, AttestationOrigin::Gossip)
            .unwrap();
    }
}

/// A store in which every validator has voted.
fn voted(blocks: &[BlockInfo]) -> ForkChoice {
    let mut store = store_of(blocks, VALIDATORS);
    hear(&mut store, &Votes::Anywhere.cast(blocks, 1));
    store.accept_new_attestations();
    store
}

fn head_after_one_vote(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fork_choice::head_after_one_vote_across_the_tree");
    for shape in SHAPES {
        let blocks = shape.blocks(BLOCKS);
        let anchor = blocks[0].checkpoint();
        let ends = [1, BLOCKS as usize - 1];
        let mut store = voted(&blocks);
        let mut slot = BLOCKS + 10;
        group.bench_function(BenchmarkId::new("paths", format!("{shape:?}")), |b| {
            b.iter(|| {
                slot += 1;
                let head = blocks[ends[slot as usize % 2]].checkpoint();
                let vote = vote(7, slot, head, anchor);
                store
                    .on_attestation(&vote, AttestationOrigin::Block)
                    .unwrap();
                store.update_head();
                store.head()
            });
        });
        if !WALKED.contains(&shape) {
            continue;
        }
        let mut walking = WalkingTree::new(blocks.iter().copied());
        walking.recount(Votes::Anywhere.heads(1).into_iter().chain([ends[0]]));
        group.sample_size(20);
        group.bench_function(BenchmarkId::new("walking", format!("{shape:?}")), |b| {
            b.iter(|| {
                slot += 1;
                let turn = slot as usize % 2;
                walking.move_vote(Some(ends[turn]), Some(ends[1 - turn]));
                walking.move_vote(Some(ends[1 - turn]), Some(ends[turn]));
                walking.heaviest_leaf(0)
            });
        });
    }
    group.finish();
}

fn head_after_all_votes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fork_choice::head_after_4096_votes");
    group.sample_size(10);
    for shape in SHAPES {
        let blocks = shape.blocks(BLOCKS);
        let mut store = voted(&blocks);
        let mut round = 1;
        for votes in [Votes::Agreeing, Votes::ThirdAnywhere, Votes::Anywhere] {
            let id = BenchmarkId::new("paths", format!("{shape:?}/{votes:?}"));
            group.bench_function(id, |b| {
                b.iter_custom(|iterations| {
                    timed(iterations, || {
                        round += 1;
                        hear(&mut store, &votes.cast(&blocks, round));
                        let start = Instant::now();
                        store.accept_new_attestations();
                        black_box(store.head());
                        start.elapsed()
                    })
                });
            });
        }
        if !WALKED.contains(&shape) {
            continue;
        }
        let mut walking = WalkingTree::new(blocks.iter().copied());
        let mut before = Votes::Anywhere.heads(1);
        walking.recount(before.iter().copied());
        let id = BenchmarkId::new("walking", format!("{shape:?}/Anywhere"));
        group.bench_function(id, |b| {
            b.iter(|| {
                round += 1;
                let after = Votes::Anywhere.heads(round);
                for (from, to) in before.iter().zip(&after) {
                    walking.move_vote(Some(*from), Some(*to));
                }
                before = after;
                walking.heaviest_leaf(0)
            });
        });
    }
    group.finish();
}

/// Runs what times itself.
fn timed(times: u64, mut run: impl FnMut() -> Duration) -> Duration {
    (0..times).map(|_| run()).sum()
}

fn safe_target(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fork_choice::safe_target_of_4096_new_votes");
    group.sample_size(20);
    for shape in SHAPES {
        let blocks = shape.blocks(BLOCKS);
        let mut store = store_of(&blocks, VALIDATORS);
        for (round, votes) in (1..).zip([Votes::Agreeing, Votes::Anywhere]) {
            hear(&mut store, &votes.cast(&blocks, round));
            let id = BenchmarkId::new("paths", format!("{shape:?}/{votes:?}"));
            group.bench_function(id, |b| {
                b.iter(|| {
                    store.update_safe_target();
                    store.safe_target()
                });
            });
        }
        if !WALKED.contains(&shape) {
            continue;
        }
        let walking = WalkingTree::new(blocks.iter().copied());
        let heads = Votes::Anywhere.heads(2);
        let id = BenchmarkId::new("walking", format!("{shape:?}/Anywhere"));
        group.bench_function(id, |b| {
            b.iter(|| {
                let threshold = (2 * VALIDATORS).div_ceil(3);
                walking.newest_supported(0, heads.iter().copied(), threshold)
            });
        });
    }
    group.finish();
}

fn whole_trees(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fork_choice::tree_of_100000_blocks");
    group.sample_size(10);
    for shape in SHAPES {
        let blocks = shape.blocks(BLOCKS);
        group.bench_function(format!("insert_all/{shape:?}"), |b| {
            b.iter(|| store_of(&blocks, 64));
        });
        let anchor = unjustified(blocks[0].checkpoint());
        group.bench_function(format!("restore/{shape:?}"), |b| {
            b.iter(|| {
                let rest = blocks[1..].iter().map(|block| (*block, anchor));
                ForkChoice::restore(blocks[0], anchor, rest, [], 64, Rules::QUARTET).unwrap()
            });
        });
        let store = voted(&blocks);
        group.bench_function(format!("list/{shape:?}"), |b| {
            b.iter(|| store.blocks().map(|node| node.weight).sum::<u64>());
        });
        for (name, finalized) in [("to_the_tip", BLOCKS as usize - 1), ("to_the_second", 2)] {
            let finalized = blocks[finalized];
            let child = BlockInfo {
                root: quartet_types::Root::repeat_byte(0xee),
                parent_root: finalized.root,
                slot: BLOCKS + 1,
            };
            let mut store = store.clone();
            let finalized = finalized.checkpoint();
            import(&mut store, child, unjustified(finalized));
            group.bench_function(format!("prune_{name}_block/{shape:?}"), |b| {
                b.iter_custom(|times| {
                    timed(times, || {
                        let mut store = store.clone();
                        let start = Instant::now();
                        let pruned = store.prune();
                        let elapsed = start.elapsed();
                        black_box((store, pruned));
                        elapsed
                    })
                });
            });
        }
    }
    group.finish();
}

fn validators(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fork_choice::with_4096_validators");
    group.sample_size(20);
    let blocks = Shape::Forks.blocks(BLOCKS);
    let anchor = blocks[0].checkpoint();
    let store = voted(&blocks);
    group.bench_function("known_attestations", |b| {
        b.iter(|| store.known_attestations().count());
    });
    let votes = Votes::Anywhere.cast(&blocks, 5);
    group.bench_function("hear_4096_votes", |b| {
        b.iter_custom(|times| {
            timed(times, || {
                let mut store = store.clone();
                let start = Instant::now();
                hear(&mut store, &votes);
                start.elapsed()
            })
        });
    });
    let child = BlockInfo {
        root: quartet_types::Root::repeat_byte(0xee),
        parent_root: blocks[BLOCKS as usize - 1].root,
        slot: BLOCKS + 1,
    };
    let own = vote(0, 0, anchor, anchor);
    let checkpoints: Checkpoints = unjustified(anchor);
    group.bench_function("block_with_4096_votes", |b| {
        b.iter_custom(|times| {
            timed(times, || {
                let mut store = store.clone();
                let start = Instant::now();
                store
                    .on_block(child, checkpoints, &votes, &own, NamedBlocks::Known)
                    .unwrap();
                start.elapsed()
            })
        });
    });
    group.bench_function("attestation_data", |b| {
        b.iter(|| store.attestation_data(BLOCKS + 5));
    });
    let ends = [1, BLOCKS as usize - 1].map(|at| blocks[at].root);
    group.bench_function("reorg_depth", |b| {
        b.iter(|| store.reorg_depth(&ends[1], &ends[0]));
    });
    group.finish();
}

criterion_group!(
    benches,
    head_after_one_vote,
    head_after_all_votes,
    safe_target,
    whole_trees,
    validators
);
criterion_main!(benches);
