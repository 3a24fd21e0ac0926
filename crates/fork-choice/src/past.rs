//! Blocks that the tree has dropped, or that came before its anchor: votes may still name them.

use std::collections::{HashMap, VecDeque};

use quartet_types::{Checkpoint, Root, Slot};

/// Most blocks that are remembered, the last that were noted: nine hours of slots, and besides as many as the attestations of
/// one block can name. Who names an older one is answered from the database, and it is noted again then: it must not be
/// the first to be forgotten, or it would be looked up again at once.
const MAX_REMEMBERED: usize = 1 << 15;

/// Slots of blocks by root, at most [`MAX_REMEMBERED`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    slots: HashMap<Root, Slot>,
    order: VecDeque<Root>,
}

impl Past {
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

    /// Remembers blocks, the last ones of more than can be remembered.
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
        let mut past = Past::default();
        let root = |slot: Slot| Root::left_padding_from(&slot.to_be_bytes());
        let slots = MAX_REMEMBERED as Slot + 10;
        for slot in 0..slots {
            past.insert(root(slot), slot);
            past.insert(root(slot), slot);
        }
        assert_eq!(past.slots.len(), MAX_REMEMBERED);
        assert_eq!(past.slots.len(), past.order.len());
        assert_eq!(past.slot(&root(9)), None);
        assert_eq!(past.slot(&root(10)), Some(10));
        // Looked up, both stay, whichever is older.
        past.insert(root(5), 5);
        past.insert(root(4), 4);
        assert_eq!(
            [5, 4].map(|slot| past.slot(&root(slot))),
            [Some(5), Some(4)]
        );
        assert_eq!(past.slots.len(), MAX_REMEMBERED);
    }
}
