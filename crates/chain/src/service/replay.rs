//! Replaying the store at start-up.

use std::sync::Arc;

use quartet_fork_choice::Names;
use quartet_state_transition::state_transition;
use quartet_types::{INTERVALS_PER_SLOT, Root, Slot};
use tracing::{info, warn};

use super::ChainService;
use crate::{ImportError, ImportableBlock, StoreError, envelope::Binding};

/// Blocks that are listed at a time.
const PAGE: usize = 1024;

impl ChainService {
    /// Imports the blocks of the store that come after the anchor. Their signatures were verified when
    /// they were stored; their transitions are run again.
    pub(super) fn replay(&mut self) -> Result<(), StoreError> {
        let anchor = self.chain.read().head();
        let mut last = (anchor.slot, Root::repeat_byte(0xff));
        let mut count = 0u64;
        loop {
            let page = self.store.after(last, PAGE)?;
            let Some(end) = page.last().copied() else {
                break;
            };
            last = end;
            for (slot, root) in page {
                count += u64::from(self.replay_block(slot, root)?);
            }
        }
        if count > 0 {
            let head = self.chain.read().head();
            info!(
                blocks = count,
                head = head.slot,
                "replayed the blocks of the data directory"
            );
        }
        Ok(())
    }

    /// Whether the block is in the chain now. One that cannot be imported is left out, and what builds on it;
    /// peers have it too.
    fn replay_block(&mut self, slot: Slot, root: Root) -> Result<bool, StoreError> {
        let Some(block) = self.store.get(root)? else {
            return Ok(false);
        };
        let parent = self.chain.read().state(block.block().parent_root);
        let Some(parent) = parent else {
            // It builds on a block that was never stored, or that finality has left behind.
            return Ok(false);
        };
        // A vote of a later slot than the block's had its block wait for that slot.
        let votes = block.attestations().map(|vote| vote.data.slot);
        let due = votes.fold(slot, Slot::max);
        let binding = Binding::of(root, &block.message);
        let replayed = state_transition(&parent, block.block()).map_err(ImportError::from);
        let replayed = replayed.and_then(|post_state| {
            let mut chain = self.chain.write();
            chain.advance(due.saturating_mul(INTERVALS_PER_SLOT));
            let importable = ImportableBlock {
                root,
                block: Arc::new(block),
                post_state: Arc::new(post_state),
            };
            // It was imported before: what it names was known then, or vouched for.
            chain.import_block_with(importable, Names::Vouched)
        });
        if replayed.is_ok() {
            self.admissions.admit(slot, root, binding);
        }
        if let Err(error) = &replayed {
            warn!(%root, slot, %error, "a stored block cannot be replayed; it will be fetched from peers");
        }
        Ok(replayed.is_ok())
    }
}
