//! Replaying the store at start-up.

use std::sync::Arc;

use quartet_state_transition::state_transition;
use quartet_types::{INTERVALS_PER_SLOT, Root, Slot};
use tracing::info;

use super::{ChainService, ChainServiceError};
use crate::{ImportError, ImportableBlock};

/// Blocks that are listed at a time.
const PAGE: usize = 1024;

impl ChainService {
    /// Imports the blocks of the store that come after the anchor. Their signatures were verified when
    /// they were stored; their transitions are run again.
    pub(super) fn replay(&mut self) -> Result<(), ChainServiceError> {
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

    fn replay_block(&mut self, slot: Slot, root: Root) -> Result<bool, ChainServiceError> {
        let Some(block) = self.store.get(root)? else {
            return Ok(false);
        };
        let broken = |reason: ImportError| ChainServiceError::Replay {
            root,
            slot,
            reason: Box::new(reason),
        };
        let parent = self.chain.read().state(block.block().parent_root);
        let Some(parent) = parent else {
            // It builds on a block that was never stored, or that finality has left behind.
            return Ok(false);
        };
        let post_state =
            state_transition(&parent, block.block()).map_err(|error| broken(error.into()))?;
        let importable = ImportableBlock {
            root,
            block: Arc::new(block),
            post_state: Arc::new(post_state),
        };
        let mut chain = self.chain.write();
        chain.advance(slot.saturating_mul(INTERVALS_PER_SLOT));
        chain.import_block(importable).map_err(broken)?;
        Ok(true)
    }
}
