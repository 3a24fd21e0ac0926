//! A block's place in the tree.

use quartet_types::{Checkpoint, Root, Slot};

use crate::tables::Links;

/// A block's place in the tree: the block tree is built from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The block's root.
    pub root: Root,
    /// The block's slot.
    pub slot: Slot,
    /// The block that it builds on.
    pub parent_root: Root,
    /// The justified checkpoint of its post-state.
    pub justified: Checkpoint,
    /// The finalized checkpoint of its post-state.
    pub finalized: Checkpoint,
}

impl Entry {
    /// The block by root and slot.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot,
        }
    }

    pub(crate) fn new(slot: Slot, root: Root, links: Links) -> Self {
        let Links {
            parent_root,
            justified,
            finalized,
        } = links;
        Self {
            root,
            slot,
            parent_root,
            justified,
            finalized,
        }
    }

    pub(crate) fn links(&self) -> Links {
        Links {
            parent_root: self.parent_root,
            justified: self.justified,
            finalized: self.finalized,
        }
    }
}
