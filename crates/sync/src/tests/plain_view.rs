//! A chain whose head is genesis, for tests of one part of sync.

use std::collections::BTreeSet;

use quartet_types::{Checkpoint, Root, Slot};

use crate::ChainView;

/// What the chain is said to have.
pub(super) struct PlainView {
    pub(super) roots: BTreeSet<Root>,
    pub(super) pending: BTreeSet<Root>,
    pub(super) current_slot: Slot,
}

impl PlainView {
    /// Nothing, in this slot.
    pub(super) fn at(current_slot: Slot) -> Self {
        Self {
            roots: BTreeSet::new(),
            pending: BTreeSet::new(),
            current_slot,
        }
    }
}

impl ChainView for PlainView {
    fn in_chain(&self, root: &Root) -> bool {
        self.roots.contains(root)
    }

    fn pending(&self, root: &Root) -> bool {
        self.pending.contains(root)
    }

    fn missing_ancestor(&self, root: Root) -> Root {
        root
    }

    fn head_slot(&self) -> Slot {
        0
    }

    fn canonical_root(&self, _: Slot) -> Option<Root> {
        None
    }

    fn finalized(&self) -> Checkpoint {
        Checkpoint::default()
    }

    fn current_slot(&self) -> Slot {
        self.current_slot
    }
}
