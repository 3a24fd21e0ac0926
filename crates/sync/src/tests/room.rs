//! Where blocks wait for their parents, like the chain's parking: at most so many of them, and the newest is dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quartet_types::{Root, SignedBlockWithAttestation, Slot};

/// As many as wait with the chain.
const PLACES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Room {
    blocks: BTreeMap<Root, Arc<SignedBlockWithAttestation>>,
    by_slot: BTreeSet<(Slot, Root)>,
}

impl Room {
    pub(super) fn contains(&self, root: &Root) -> bool {
        self.blocks.contains_key(root)
    }

    pub(super) fn missing_ancestor(&self, mut root: Root) -> Root {
        while let Some(block) = self.blocks.get(&root) {
            root = block.block().parent_root;
        }
        root
    }

    pub(super) fn park(&mut self, root: Root, block: Arc<SignedBlockWithAttestation>) {
        self.by_slot.insert((block.block().slot, root));
        self.blocks.insert(root, block);
        if self.blocks.len() > PLACES
            && let Some((_, newest)) = self.by_slot.pop_last()
        {
            self.blocks.remove(&newest);
        }
    }

    pub(super) fn take(&mut self, root: &Root) -> Option<Arc<SignedBlockWithAttestation>> {
        let block = self.blocks.remove(root)?;
        self.by_slot.remove(&(block.block().slot, *root));
        Some(block)
    }

    /// Takes out what waits for a block.
    pub(super) fn release(&mut self, parent: &Root) -> Vec<Arc<SignedBlockWithAttestation>> {
        let waiting = self.blocks.iter();
        let waiting = waiting.filter(|(_, block)| block.block().parent_root == *parent);
        let roots: Vec<Root> = waiting.map(|(root, _)| *root).collect();
        roots.iter().filter_map(|root| self.take(root)).collect()
    }
}
