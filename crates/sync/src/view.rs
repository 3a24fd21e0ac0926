//! What sync is shown of the chain.

use quartet_types::{Checkpoint, Root, Slot};

/// Why a block is needed that is not accepted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Attestations of others name it.
    Name,
    /// A block that is to be had builds on it.
    Ancestor,
}

/// What sync needs to know of the chain and of the blocks that wait to be imported. Each call must be cheap: it is made
/// for many blocks at a time.
pub trait ChainView {
    /// Whether the block is in the chain.
    fn in_chain(&self, root: &Root) -> bool;
    /// Whether the block has been received and waits for its parent or is being verified.
    fn pending(&self, root: &Root) -> bool;
    /// The oldest ancestor of a waiting block that has not been received; the block itself when it does not wait.
    fn missing_ancestor(&self, root: Root) -> Root;
    /// Slot of the head.
    fn head_slot(&self) -> Slot;
    /// Root of the block of the head's chain at a slot; `None` where the slot is empty, or not known.
    fn canonical_root(&self, slot: Slot) -> Option<Root>;
    /// The latest finalized checkpoint.
    fn finalized(&self) -> Checkpoint;
    /// The current slot.
    fn current_slot(&self) -> Slot;
}
