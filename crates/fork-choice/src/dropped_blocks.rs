//! Blocks that the tree has dropped, or that came before its anchor: votes may still name them.

use std::collections::{HashMap, VecDeque};

use quartet_types::{Checkpoint, Root, Slot};

/// Most blocks that are remembered, the last that were noted: nine hours of slots, and besides as many as the
/// attestations of one block can name. When an older one is named, it is looked up in the database and noted again; it
/// must not be the first to be forgotten then, or it would be looked up again at once.
const MAX_REMEMBERED: usize = 1 << 15;

/// Slots of blocks by root, at most [`MAX_REMEMBERED`].
#[derive(Debug, Clone, Default)]
pub(crate) struct DroppedBlocks {
    slots: HashMap<Root, Slot>,
    order: VecDeque<Root>,
}

impl DroppedBlocks {
    pub(crate) fn slot(&self, root: &Root) -> Option<Slot> {
        self.slots.get(root).copied()
    }

    /// What is remembered, in the order in which it was noted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Checkpoint> {
        let slots = self.order.iter();
        slots.filter_map(|root| {
            let slot = self.slot(root)?;
            Some(Checkpoint { root: *root, slot })
        })
    }

    /// Remembers blocks; of more than can be remembered, the last ones.
    pub(crate) fn extend(&mut self, blocks: &[Checkpoint]) {
        let first = blocks.len().saturating_sub(MAX_REMEMBERED);
        for block in &blocks[first..] {
            self.insert(block.root, block.slot);
        }
    }

    /// Remembers a block; when full, the one that was noted first is forgotten.
    pub(crate) fn insert(&mut self, root: Root, slot: Slot) {
        if self.slots.insert(root, slot).is_some() {
            return;
        }
        self.order.push_back(root);
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.slots.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_that_were_noted_last_are_remembered() {
        let mut dropped = DroppedBlocks::default();
        let root = |slot: Slot| Root::left_padding_from(&slot.to_be_bytes());
        let slots = MAX_REMEMBERED as Slot + 10;
        for slot in 0..slots {
            dropped.insert(root(slot), slot);
            dropped.insert(root(slot), slot);
        }
        assert_eq!(dropped.slots.len(), MAX_REMEMBERED);
        assert_eq!(dropped.slots.len(), dropped.order.len());
        assert_eq!(dropped.slot(&root(9)), None);
        assert_eq!(dropped.slot(&root(10)), Some(10));
        // Once looked up, both stay, whichever is older.
        dropped.insert(root(5), 5);
        dropped.insert(root(4), 4);
        assert_eq!(
            [5, 4].map(|slot| dropped.slot(&root(slot))),
            [Some(5), Some(4)]
        );
        assert_eq!(dropped.slots.len(), MAX_REMEMBERED);
    }
}
