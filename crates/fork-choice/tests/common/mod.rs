//! What tests and benchmarks of large trees share.
#![allow(dead_code)]

pub(crate) mod shapes;
pub(crate) mod walking;

use quartet_fork_choice::{BlockInfo, Checkpoints, ForkChoice, NamedBlocks, Rules};
use quartet_types::{Attestation, AttestationData, Checkpoint};

/// A time that no vote of the tests reaches, in intervals.
pub(crate) const FAR: u64 = 1 << 40;

/// A vote with `anchor` as source and target.
pub(crate) fn vote(
    validator_id: u64,
    slot: u64,
    head: Checkpoint,
    anchor: Checkpoint,
) -> Attestation {
    Attestation {
        validator_id,
        data: AttestationData {
            slot,
            head,
            target: anchor,
            source: anchor,
        },
    }
}

/// A post-state that knows of nothing justified after `anchor`.
pub(crate) fn unjustified(anchor: Checkpoint) -> Checkpoints {
    Checkpoints {
        justified: anchor,
        finalized: anchor,
    }
}

/// Imports a block without votes, but for one of slot 0 by its proposer.
pub(crate) fn import(store: &mut ForkChoice, block: BlockInfo, checkpoints: Checkpoints) {
    let oldest = store.oldest_block().checkpoint();
    let own = vote(0, 0, oldest, oldest);
    store
        .on_block(block, checkpoints, &[], &own, NamedBlocks::Known)
        .unwrap();
}

/// A store of these blocks, long after their time.
pub(crate) fn store_of(blocks: &[BlockInfo], validators: u64) -> ForkChoice {
    let anchor = blocks[0].checkpoint();
    let mut store = ForkChoice::new(blocks[0], unjustified(anchor), validators, Rules::QUARTET);
    store.advance_to(FAR);
    for block in &blocks[1..] {
        import(&mut store, *block, unjustified(anchor));
    }
    store
}
