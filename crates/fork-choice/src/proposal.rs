//! What a proposer attests for the block that it is about to publish.

use quartet_types::{
    AttestationData, Checkpoint, JUSTIFICATION_LOOKBACK_SLOTS, Root, is_justifiable_after,
};

use crate::{ForkChoice, NoTarget};

impl ForkChoice {
    /// What to attest with `block` as head, a block that builds on `parent_root` and is not in the tree yet, once it
    /// has raised the checkpoints to `justified` and `finalized`: the same target and source that the other
    /// validators will choose when they have imported it.
    ///
    /// # Errors
    /// When there is no target.
    pub fn attestation_data_for(
        &self,
        block: Checkpoint,
        parent_root: Root,
        justified: Checkpoint,
        finalized: Checkpoint,
    ) -> Result<AttestationData, NoTarget> {
        let parent = self.block(&parent_root).map(|block| block.checkpoint());
        let ancestors = std::iter::successors(parent, |ancestor| {
            let parent_root = self.parent_of(&ancestor.root)?;
            Some(self.block(&parent_root)?.checkpoint())
        });
        let chain = std::iter::once(block)
            .chain(ancestors)
            .take_while(|ancestor| ancestor.slot >= finalized.slot);
        let mut lookback = JUSTIFICATION_LOOKBACK_SLOTS;
        let target = chain
            .skip_while(|ancestor| {
                let skip = lookback > 0 && ancestor.slot > self.safe_target().slot;
                lookback = lookback.saturating_sub(1);
                skip
            })
            .find(|ancestor| is_justifiable_after(ancestor.slot, finalized.slot) == Ok(true))
            .ok_or(NoTarget {
                head: block,
                finalized_slot: finalized.slot,
            })?;
        Ok(AttestationData {
            slot: block.slot,
            head: block,
            target,
            source: justified,
        })
    }
}
