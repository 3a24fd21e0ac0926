//! A store as a database has kept it.

use quartet_types::Attestation;

use crate::{BlockInfo, Checkpoints, ForkChoice, Rules};

/// A block without its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a block is there without its parent")]
pub struct RestoreError;

impl ForkChoice {
    /// Temporary.
    ///
    /// # Errors
    /// Temporary.
    pub fn restore(
        anchor: BlockInfo,
        checkpoints: Checkpoints,
        blocks: impl IntoIterator<Item = (BlockInfo, Checkpoints)>,
        votes: impl IntoIterator<Item = Attestation>,
        validators: u64,
        rules: Rules,
    ) -> Result<Self, RestoreError> {
        let mut store = Self::new(anchor, checkpoints, validators, rules);
        let mut newest = anchor.slot;
        for (block, checkpoints) in blocks {
            let parent = store.tree.find(&block.parent_root).ok_or(RestoreError)?;
            store.tree.insert(block, checkpoints, parent);
            newest = newest.max(block.slot);
            if checkpoints.justified.slot > store.latest_justified.slot {
                store.latest_justified = checkpoints.justified;
            }
            if checkpoints.finalized.slot > store.latest_finalized.slot {
                store.latest_finalized = checkpoints.finalized;
            }
        }
        store.time = newest * quartet_types::INTERVALS_PER_SLOT;
        for vote in votes {
            let node = store.tree.find(&vote.data.head.root);
            store.set_known(vote.validator_id as usize, vote.data, node);
        }
        store.update_head();
        store.prune();
        Ok(store)
    }
}
