//! States of long chains, and the blocks that are applied to them.
#![allow(dead_code)]

use quartet_state_transition::{process_slots, seal_block};
use quartet_types::{
    Attestation, AttestationData, Bitlist, Block, BlockBody, BlockHeader, Checkpoint,
    HistoricalBlockHashes, JustificationRoots, JustificationValidators, PublicKey, Root, Slot,
    State, is_justifiable_after,
};

/// Root of the block of a slot in a made-up history.
pub(crate) fn root_at(slot: Slot) -> Root {
    let mut bytes = [0x5a; 32];
    // The low byte first, so that the roots' order is not that of the slots.
    bytes[..8].copy_from_slice(&slot.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[24..].copy_from_slice(&slot.to_be_bytes());
    Root::from(bytes)
}

/// The checkpoint of a slot in a made-up history.
pub(crate) fn checkpoint(slot: Slot) -> Checkpoint {
    let root = root_at(slot);
    Checkpoint { root, slot }
}

/// Slots that votes may justify while slot 0 is finalized, before `history`, the newest first.
pub(crate) fn targets(history: Slot) -> Vec<Slot> {
    let slots = (1..history).rev();
    slots
        .filter(|slot| is_justifiable_after(*slot, 0) == Ok(true))
        .collect()
}

/// A state of `history` slots with a block in each, of which slot 0 alone is justified; `tallied` are the targets that
/// have votes, each with those of the validators that `voted` says.
pub(crate) fn long_state(
    validators: usize,
    history: Slot,
    tallied: &[Slot],
    voted: impl Fn(usize) -> bool,
) -> State {
    let key = |index: usize| {
        let mut key = [1; 52];
        key[..8].copy_from_slice(&index.to_le_bytes());
        PublicKey(key)
    };
    let keys: Vec<_> = (0..validators).map(key).collect();
    let mut state = State::genesis(0, &keys).unwrap();
    state.slot = history;
    state.latest_block_header = BlockHeader {
        slot: history,
        proposer_index: history % validators as u64,
        parent_root: root_at(history - 1),
        ..state.latest_block_header
    };
    state.latest_justified = checkpoint(0);
    state.latest_finalized = checkpoint(0);
    state.historical_block_hashes =
        HistoricalBlockHashes::try_from_iter((0..history).map(root_at)).unwrap();
    state.justified_slots = Bitlist::new();
    state
        .justified_slots
        .extend_zeros(history as usize)
        .unwrap();
    state.justified_slots.set(0, true).unwrap();
    let mut roots: Vec<Root> = tallied.iter().map(|slot| root_at(*slot)).collect();
    roots.sort();
    let row = || (0..validators).map(&voted);
    state.justifications_validators =
        JustificationValidators::try_from_iter(roots.iter().flat_map(|_| row())).unwrap();
    state.justifications_roots = JustificationRoots::try_from_iter(roots).unwrap();
    state
}

/// A vote of slot 0's checkpoint for the one of `target`.
pub(crate) fn vote(validator_id: u64, slot: Slot, target: Slot) -> Attestation {
    Attestation {
        validator_id,
        data: AttestationData {
            slot,
            head: checkpoint(target),
            target: checkpoint(target),
            source: checkpoint(0),
        },
    }
}

/// The block of the next slot with these votes, and the state after it.
pub(crate) fn next_block(pre: &State, attestations: Vec<Attestation>) -> (Block, State) {
    let slot = pre.slot + 1;
    let mut advanced = pre.clone();
    process_slots(&mut advanced, slot).unwrap();
    let block = Block {
        slot,
        proposer_index: slot % pre.validator_count(),
        parent_root: tree_hash::TreeHash::tree_hash_root(&advanced.latest_block_header),
        state_root: Root::ZERO,
        body: BlockBody {
            attestations: attestations.try_into().unwrap(),
        },
    };
    seal_block(pre, block).unwrap()
}
