//! The block's header: is it the next block of this chain, and what follows from that alone.

use quartet_types::{Block, BlockHeader, HISTORICAL_ROOTS_LIMIT, Root, State, proposer_index};
use tree_hash::TreeHash as _;

use crate::Error;

/// Checks the block against slot, proposer and parent, then extends the history and sets the new header.
///
/// Source: leanSpec `State.process_block_header`.
pub(crate) fn process_block_header(state: &mut State, block: &Block) -> Result<(), Error> {
    let parent = state.latest_block_header;
    let parent_root = parent.tree_hash_root();

    if block.slot != state.slot {
        return Err(Error::BlockSlot {
            expected: state.slot,
            found: block.slot,
        });
    }
    if block.slot <= parent.slot {
        return Err(Error::BlockNotNewer {
            latest: parent.slot,
            block: block.slot,
        });
    }
    let proposer = proposer_index(block.slot, state.validator_count())
        .ok_or(Error::NoProposer { slot: block.slot })?;
    if block.proposer_index != proposer {
        return Err(Error::WrongProposer {
            slot: block.slot,
            expected: proposer,
            found: block.proposer_index,
        });
    }
    if block.parent_root != parent_root {
        return Err(Error::ParentRoot {
            expected: parent_root,
            found: block.parent_root,
        });
    }

    // A genesis state cannot name its own block; the first block does it in its place.
    let parent_is_genesis = parent.slot == 0;
    if parent_is_genesis {
        state.latest_justified.root = parent_root;
        state.latest_finalized.root = parent_root;
    }
    extend_history(
        state,
        parent_root,
        parent_is_genesis,
        block.slot - parent.slot - 1,
    )?;

    state.latest_block_header = BlockHeader {
        // Filled in when the next slot is processed: only then is the state after this block complete.
        state_root: Root::ZERO,
        ..block.header()
    };
    Ok(())
}

/// Appends the parent and the empty slots after it to the history, all or nothing.
fn extend_history(
    state: &mut State,
    parent_root: Root,
    justified: bool,
    empty_slots: u64,
) -> Result<(), Error> {
    // Before anything grows: a slot far in the future must not cost memory.
    let length = (state.historical_block_hashes.len() as u64)
        .saturating_add(1)
        .saturating_add(empty_slots);
    if length > HISTORICAL_ROOTS_LIMIT {
        return Err(Error::HistoryFull {
            length,
            limit: HISTORICAL_ROOTS_LIMIT,
        });
    }
    state.historical_block_hashes.push(parent_root)?;
    // At most the history's limit, so it fits.
    let empty_slots = empty_slots as usize;
    state.historical_block_hashes.extend_zeros(empty_slots)?;
    state.justified_slots.push(justified)?;
    state.justified_slots.extend_zeros(empty_slots)?;
    Ok(())
}
