//! The reader that finds blocks and states in memory or in the database.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use quartet_state_transition::replay_block;
use quartet_storage::{Database, Finality};
use quartet_types::{Root, SignedBlockWithAttestation, Slot, State};
use tree_hash::TreeHash as _;

use crate::{ImportError, SharedChain, StoreError};

/// The post-state of the first block of so many slots on each branch is stored; others are rebuilt from the nearest one. A
/// transition costs less than reading a state of this size would, and a state rebuilt takes at most so many.
pub(crate) const STATE_INTERVAL: Slot = 128;
/// Most blocks that are applied to rebuild a state: more than lie between two stored ones in any database that was written by
/// this version.
const MAX_REPLAYED: usize = 4 * STATE_INTERVAL as usize;
/// Rebuilt states that are remembered: a reader that needs one asks for its neighbours next.
const MAX_REBUILT: usize = 4;

/// States by the root of their block, the one that was rebuilt first in front.
type Rebuilt = VecDeque<(Root, Arc<State>)>;

/// Reads the chain and what lies behind it: recent blocks and states from memory, older ones from the database.
#[derive(Clone, Debug)]
pub struct ChainReader {
    chain: SharedChain,
    store: Arc<Database>,
    /// States that were rebuilt last, at most [`MAX_REBUILT`].
    rebuilt: Arc<Mutex<Rebuilt>>,
}

impl ChainReader {
    /// A reader of `chain` and of the `store` that its service writes.
    pub fn new(chain: SharedChain, store: Arc<Database>) -> Self {
        Self {
            chain,
            store,
            rebuilt: Arc::default(),
        }
    }

    /// The chain. Hold its lock for moments only, and never across an await.
    pub fn chain(&self) -> &SharedChain {
        &self.chain
    }

    /// The database.
    pub fn store(&self) -> &Arc<Database> {
        &self.store
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

    /// The post-state of the block with this root, from memory, or rebuilt from the nearest one in the database. `None` when
    /// the block is unknown, or too old for its state to be rebuilt. May read the disk, and take up to some hundred transitions.
    ///
    /// # Errors
    /// When the store fails, or what it holds does not fit together.
    pub fn state(&self, root: Root) -> Result<Option<Arc<State>>, StoreError> {
        let mut path = Vec::new();
        let mut at = root;
        let mut state = loop {
            if let Some(state) = self.state_at_hand(at)? {
                break state;
            }
            let Some(parent) = self.parent_of(at)? else {
                return Ok(None);
            };
            if path.len() == MAX_REPLAYED {
                return Ok(None);
            }
            path.push(at);
            at = parent;
        };
        if path.is_empty() {
            return Ok(Some(state));
        }
        let below = self.block_without_signatures(at)?;
        let mut state_root = below.map_or_else(|| state.tree_hash_root(), |block| block.state_root);
        for root in path.into_iter().rev() {
            let Some(block) = self.block_without_signatures(root)? else {
                return Ok(None);
            };
            let applied = replay_block(&state, state_root, &block)
                .map_err(|error| StoreError(format!("block {root} cannot be applied: {error}")))?;
            state = Arc::new(applied);
            state_root = block.state_root;
        }
        let mut rebuilt = self.rebuilt.lock();
        rebuilt.push_back((root, state.clone()));
        if rebuilt.len() > MAX_REBUILT {
            rebuilt.pop_front();
        }
        Ok(Some(state))
    }

    /// The post-state of a block that is in the tree.
    pub(crate) fn parent_state(&self, root: Root) -> Result<Arc<State>, ImportError> {
        let missing = || StoreError(format!("the state of block {root} cannot be rebuilt"));
        Ok(self.state(root)?.ok_or_else(missing)?)
    }

    fn state_at_hand(&self, root: Root) -> Result<Option<Arc<State>>, StoreError> {
        let (recent, like) = {
            let chain = self.chain.read();
            (chain.state(root), chain.head_state().cloned())
        };
        if recent.is_some() {
            return Ok(recent);
        }
        let rebuilt = self.rebuilt.lock();
        let rebuilt = rebuilt.iter().find(|(other, _)| *other == root);
        if let Some((_, state)) = rebuilt {
            return Ok(Some(state.clone()));
        }
        Ok(self.store.state(root, like.as_deref())?.map(Arc::new))
    }

    fn parent_of(&self, root: Root) -> Result<Option<Root>, StoreError> {
        let in_tree = self.chain.read().fork_choice().parent_of(&root);
        match in_tree {
            Some(parent) => Ok(Some(parent)),
            None => Ok(self.store.entry(root)?.map(|entry| entry.parent_root)),
        }
    }

    fn block_without_signatures(
        &self,
        root: Root,
    ) -> Result<Option<quartet_types::Block>, StoreError> {
        let recent = self.chain.read().block(root);
        match recent {
            Some(block) => Ok(Some(block.block().clone())),
            None => Ok(self.store.message(root)?.map(|message| message.block)),
        }
    }

    /// When finality moved to a slot from `start` on: at most `limit` moves, in ascending order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finality(&self, start: Slot, limit: usize) -> Result<Vec<Finality>, StoreError> {
        Ok(self.store.finality(start, limit)?)
    }
}

/// The root of the block inside a signed envelope.
pub(crate) fn block_root(block: &SignedBlockWithAttestation) -> Root {
    block.block().tree_hash_root()
}

#[cfg(test)]
mod tests;
