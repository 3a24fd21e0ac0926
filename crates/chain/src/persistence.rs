//! Where blocks outlive the process, and the reader that finds a block in memory or there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use parking_lot::RwLock;
use quartet_storage::{Database, DatabaseError, StoredBlock};
use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot};
use tree_hash::TreeHash as _;

use crate::SharedChain;

/// The store failed. The text is the store's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block store: {0}")]
pub struct StoreError(pub String);

/// Keeps imported blocks. Calls may touch a disk: never under the chain's lock.
pub trait BlockStore: Send + Sync + fmt::Debug {
    /// Keeps a block. Durable at the latest after [`BlockStore::flush`].
    fn put(&self, root: Root, block: &SignedBlockWithAttestation) -> Result<(), StoreError>;

    /// The block with this root.
    fn get(&self, root: Root) -> Result<Option<SignedBlockWithAttestation>, StoreError>;

    /// Roots of up to `limit` blocks that come after `(slot, root)`, ordered by slot, then root.
    fn after(&self, last: (Slot, Root), limit: usize) -> Result<Vec<(Slot, Root)>, StoreError>;

    /// Makes everything durable.
    fn flush(&self) -> Result<(), StoreError>;
}

impl BlockStore for Database {
    fn put(&self, root: Root, block: &SignedBlockWithAttestation) -> Result<(), StoreError> {
        let stored = StoredBlock {
            root,
            block: Arc::new(block.clone()),
            justified: Checkpoint::default(),
            finalized: Checkpoint::default(),
            state: None,
        };
        Ok(Database::put(self, stored)?)
    }

    fn get(&self, root: Root) -> Result<Option<SignedBlockWithAttestation>, StoreError> {
        Ok(Database::get(self, root)?)
    }

    fn after(&self, last: (Slot, Root), limit: usize) -> Result<Vec<(Slot, Root)>, StoreError> {
        let entries = self.entries_after(last, limit)?;
        Ok(entries
            .iter()
            .map(|entry| (entry.slot, entry.root))
            .collect())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(Database::flush(self)?)
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self(error.to_string())
    }
}

/// A store that lasts as long as the process, for tests and simulations.
#[derive(Debug, Default)]
pub struct MemoryStore(RwLock<MemoryTables>);

#[derive(Debug, Default)]
struct MemoryTables {
    blocks: BTreeMap<Root, SignedBlockWithAttestation>,
    order: BTreeSet<(Slot, Root)>,
}

impl BlockStore for MemoryStore {
    fn put(&self, root: Root, block: &SignedBlockWithAttestation) -> Result<(), StoreError> {
        let mut tables = self.0.write();
        tables.order.insert((block.block().slot, root));
        tables.blocks.insert(root, block.clone());
        Ok(())
    }

    fn get(&self, root: Root) -> Result<Option<SignedBlockWithAttestation>, StoreError> {
        Ok(self.0.read().blocks.get(&root).cloned())
    }

    fn after(&self, last: (Slot, Root), limit: usize) -> Result<Vec<(Slot, Root)>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let tables = self.0.read();
        let later = tables.order.range((Excluded(last), Unbounded));
        Ok(later.take(limit).copied().collect())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Reads the chain and the blocks behind it: recent ones from memory, older ones from the store.
#[derive(Clone, Debug)]
pub struct ChainReader {
    chain: SharedChain,
    store: Arc<dyn BlockStore>,
}

impl ChainReader {
    /// A reader of `chain` and of the `store` that its service writes.
    pub fn new(chain: SharedChain, store: Arc<dyn BlockStore>) -> Self {
        Self { chain, store }
    }

    /// The chain. Hold its lock for moments only, and never across an await.
    pub fn chain(&self) -> &SharedChain {
        &self.chain
    }

    /// The block with this root. May read the disk.
    ///
    /// # Errors
    /// When the store fails.
    pub fn block(&self, root: Root) -> Result<Option<Arc<SignedBlockWithAttestation>>, StoreError> {
        let recent = self.chain.read().block(root);
        match recent {
            Some(block) => Ok(Some(block)),
            None => Ok(self.store.get(root)?.map(Arc::new)),
        }
    }

    /// The block of the head's chain at this slot, or `None` where the slot is empty.
    ///
    /// # Errors
    /// When the store fails.
    pub fn block_at(
        &self,
        slot: Slot,
    ) -> Result<Option<Arc<SignedBlockWithAttestation>>, StoreError> {
        let root = self.chain.read().canonical_root(slot);
        root.map_or(Ok(None), |root| self.block(root))
    }

    /// Roots of the blocks of the head's chain in `count` slots from `start` on, in ascending order, all
    /// of the same chain. Reads memory only, whether or not their blocks are still there.
    pub fn canonical_roots(&self, start: Slot, count: u64) -> Vec<Root> {
        let chain = self.chain.read();
        let end = start
            .saturating_add(count)
            .min(chain.head().slot.saturating_add(1));
        let slots = start..end;
        slots
            .filter_map(|slot| chain.canonical_root(slot))
            .collect()
    }
}

/// The root of the block inside a signed envelope.
pub(crate) fn block_root(block: &SignedBlockWithAttestation) -> Root {
    block.block().tree_hash_root()
}
