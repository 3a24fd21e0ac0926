//! Blocks that the tree has dropped, or that came before its anchor: votes may still name them.

use std::collections::{BTreeSet, HashMap};

use quartet_types::{Root, Slot};

/// Most blocks that are remembered, the newest first: nine hours of slots. Who names an older one is answered from the
/// database.
const MAX_REMEMBERED: usize = 8192;

/// Slots of blocks by root, at most [`MAX_REMEMBERED`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    slots: HashMap<Root, Slot>,
    order: BTreeSet<(Slot, Root)>,
}

impl Past {
    pub(crate) fn slot(&self, root: &Root) -> Option<Slot> {
        self.slots.get(root).copied()
    }

    /// Remembers a block; when full, the oldest is forgotten.
    pub(crate) fn insert(&mut self, root: Root, slot: Slot) {
        if self.slots.insert(root, slot).is_some() {
            return;
        }
        self.order.insert((slot, root));
        if self.order.len() > MAX_REMEMBERED
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.slots.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_blocks_are_remembered() {
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
    }
}
