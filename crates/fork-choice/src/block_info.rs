//! What fork choice is told of a block.

use quartet_types::{Checkpoint, Root, Slot};

/// What fork choice knows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// Root of the block.
    pub root: Root,
    /// Root of the block it builds on.
    pub parent_root: Root,
    /// Slot of the block.
    pub slot: Slot,
}

impl BlockInfo {
    /// The checkpoint that names the block.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot,
        }
    }
}

/// The justified and the finalized checkpoint of a block's post-state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoints {
    /// The latest justified checkpoint.
    pub justified: Checkpoint,
    /// The latest finalized checkpoint.
    pub finalized: Checkpoint,
}
