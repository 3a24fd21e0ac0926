//! Applying blocks again that have been checked before.

use quartet_types::{Block, Root, State};

use crate::{Error, process_block, slots::advance};

/// Applies a block that has been found valid before, root and all, to the state of its parent, whose root is
/// `pre_root`: the parent's own `state_root`. The result is that of [`state_transition`](crate::state_transition), but
/// no state is hashed. For blocks from our own database.
///
/// No state is hashed to check its arguments either: the block must name the parent whose header `pre` and `pre_root`
/// make. Whether the result has the block's state root is not checked.
///
/// # Errors
/// When the block is invalid on this state; see [`Error`].
pub fn replay_block(pre: &State, pre_root: Root, block: &Block) -> Result<State, Error> {
    let mut state = pre.clone();
    advance(&mut state, block.slot, |_| Ok(pre_root))?;
    process_block(&mut state, block)?;
    Ok(state)
}
