//! What a validator of this node attests.

use quartet_types::{
    AttestationData, Checkpoint, JUSTIFICATION_LOOKBACK_SLOTS, Slot, is_justifiable_after,
};

use crate::{ForkChoice, NoTarget, tree::NodeIndex};

impl ForkChoice {
    /// The checkpoint to attest as target: from the head up to three blocks back towards the safe target, then on to
    /// a block whose slot is justifiable.
    ///
    /// The walk never goes below the finalized slot, where the specification fails: a node that catches up may finalize
    /// what is newer than its safe target, and has a vote to give all the same.
    ///
    /// Source: leanSpec `Store.get_attestation_target`.
    ///
    /// # Errors
    /// When the head's chain has no justifiable block, which takes a head on another branch than the finalized block.
    pub fn attestation_target(&self) -> Result<Checkpoint, NoTarget> {
        let finalized_slot = self.latest_finalized.slot;
        let back = |index: NodeIndex| {
            let parent = self.tree.parent(index)?;
            (self.tree.slot(parent) >= finalized_slot).then_some(parent)
        };

        let mut index = self.head;
        for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
            match back(index) {
                Some(parent) if self.tree.slot(index) > self.safe_target.slot => index = parent,
                _ => break,
            }
        }
        std::iter::successors(Some(index), |index| back(*index))
            .map(|index| self.tree.block(index).checkpoint())
            .find(|block| is_justifiable_after(block.slot, finalized_slot) == Ok(true))
            .ok_or(NoTarget {
                head: self.head(),
                finalized_slot,
            })
    }

    /// What to attest in `slot`: the head, the target, and the latest justified checkpoint as source.
    ///
    /// A safe target that lags can put the target before the source. Every store refuses such an attestation, and a
    /// block that is proposed with it; there, where the specification would give it all the same, the source is
    /// attested as target too, so that the vote for the head is heard.
    ///
    /// Source: leanSpec `Store.produce_attestation_data`.
    ///
    /// # Errors
    /// When there is no target.
    pub fn attestation_data(&self, slot: Slot) -> Result<AttestationData, NoTarget> {
        let source = self.latest_justified;
        let target = self.attestation_target()?;
        Ok(AttestationData {
            slot,
            head: self.head(),
            target: if target.slot < source.slot {
                source
            } else {
                target
            },
            source,
        })
    }
}
