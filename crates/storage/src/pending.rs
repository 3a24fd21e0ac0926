//! Blocks that were put and are not on disk yet: many are written in one transaction.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use quartet_types::{Root, Slot};

/// Most blocks that wait.
const MAX_BLOCKS: usize = 64;
/// Most bytes that wait.
const MAX_BYTES: usize = 1 << 20;

pub(crate) type Record = Arc<[u8]>;

/// Encoded blocks in the order of the store. Cloning shares the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    blocks: BTreeMap<(Slot, Root), Record>,
    bytes: usize,
}

impl Pending {
    pub(crate) fn insert(&mut self, key: (Slot, Root), record: Record) {
        self.bytes += record.len();
        if let Some(replaced) = self.blocks.insert(key, record) {
            self.bytes -= replaced.len();
        }
    }

    pub(crate) fn remove(&mut self, key: &(Slot, Root)) {
        if let Some(removed) = self.blocks.remove(key) {
            self.bytes -= removed.len();
        }
    }

    pub(crate) fn get(&self, root: Root) -> Option<Record> {
        // A scan of at most MAX_BLOCKS keys is cheaper than a second map.
        let found = self.blocks.iter().find(|((_, key), _)| *key == root);
        found.map(|(_, record)| Arc::clone(record))
    }

    pub(crate) fn after(&self, last: (Slot, Root)) -> impl Iterator<Item = (Slot, Root)> {
        let later = self.blocks.range((Excluded(last), Unbounded));
        later.map(|(key, _)| *key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(Slot, Root), &Record)> {
        self.blocks.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether it is time to write.
    pub(crate) fn is_full(&self) -> bool {
        self.blocks.len() >= MAX_BLOCKS || self.bytes >= MAX_BYTES
    }
}
