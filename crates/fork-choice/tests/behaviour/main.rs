//! What the specification's store does not show: refusals that name their cause, and life after pruning.
#![allow(clippy::unwrap_used)]

mod blocks;
mod votes;

use quartet_fork_choice::{
    AttestationError, AttestationOrigin, AttestationOutcome, BlockError, BlockInfo, BlockOutcome,
    Checkpoints, ForkChoice, NamedBlocks, Rules,
};
use quartet_types::{Attestation, AttestationData, Checkpoint, CheckpointRole, Root};

const VALIDATORS: u64 = 4;

fn root(byte: u8) -> Root {
    Root::repeat_byte(byte)
}

fn block(byte: u8, parent: u8, slot: u64) -> BlockInfo {
    BlockInfo {
        root: root(byte),
        parent_root: root(parent),
        slot,
    }
}

fn attestation(
    validator_id: u64,
    slot: u64,
    head: Checkpoint,
    target: Checkpoint,
    source: Checkpoint,
) -> Attestation {
    Attestation {
        validator_id,
        data: AttestationData {
            slot,
            head,
            target,
            source,
        },
    }
}

/// A post-state that has the same checkpoint justified and finalized.
fn both(checkpoint: Checkpoint) -> Checkpoints {
    Checkpoints {
        justified: checkpoint,
        finalized: checkpoint,
    }
}

/// An anchor at `slot`, and the time well past it.
fn store(slot: u64) -> ForkChoice {
    let anchor = block(1, 0, slot);
    let checkpoints = both(anchor.checkpoint());
    let mut store = ForkChoice::new(anchor, checkpoints, VALIDATORS, Rules::QUARTET);
    store.advance_to(4 * (slot + 20));
    store
}

/// Imports a block that carries nothing, with a proposer's vote for the anchor.
fn import(
    store: &mut ForkChoice,
    block: BlockInfo,
    finalized: Checkpoint,
) -> Result<BlockOutcome, BlockError> {
    let oldest = store.oldest_block().checkpoint();
    let own = attestation(0, 0, oldest, oldest, oldest);
    store.on_block(block, both(finalized), &[], &own, NamedBlocks::Known)
}
