//! Advancing a state through slots.

use quartet_types::{Root, Slot, State};
use tree_hash::TreeHash as _;

use crate::{Error, apply_pending};

/// Advances `state` to `target`, in constant time whatever the number of slots between.
///
/// Only the first slot after a block does more than count: it writes the root of the state as it was after that block
/// into the latest header, which until then holds zero. Source: leanSpec `State.process_slots`.
///
/// # Errors
/// When `target` is not after the state's slot.
pub fn process_slots(state: &mut State, target: Slot) -> Result<(), Error> {
    advance(state, target, |state| {
        apply_pending(state)?;
        Ok(state.tree_hash_root())
    })
}

/// As [`process_slots`]; `root` tells the state's root where it is needed.
pub(crate) fn advance(
    state: &mut State,
    target: Slot,
    root: impl FnOnce(&mut State) -> Result<Root, Error>,
) -> Result<(), Error> {
    if target <= state.slot {
        return Err(Error::SlotNotAfterState {
            state: state.slot,
            target,
        });
    }
    if state.latest_block_header.state_root == Root::ZERO {
        state.latest_block_header.state_root = root(state)?;
    }
    state.slot = target;
    Ok(())
}
