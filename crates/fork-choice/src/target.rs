//! What a validator of this node attests.

use std::iter::{once, successors};

use quartet_types::{
    AttestationData, Checkpoint, JUSTIFICATION_LOOKBACK_SLOTS, Root, Slot, is_justifiable_after,
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
        self.target(self.chain(Some(self.head)), self.latest_finalized.slot)
            .ok_or(NoTarget {
                head: self.head(),
                finalized_slot: self.latest_finalized.slot,
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
        let target = self.attestation_target()?;
        Ok(data(slot, self.head(), target, self.latest_justified))
    }

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
        let chain = once(block).chain(self.chain(self.tree.find(&parent_root)));
        let target = self.target(chain, finalized.slot).ok_or(NoTarget {
            head: block,
            finalized_slot: finalized.slot,
        })?;
        Ok(data(block.slot, block, target, justified))
    }

    /// The target on a chain that is given from its head downwards.
    fn target(
        &self,
        chain: impl Iterator<Item = Checkpoint>,
        finalized_slot: Slot,
    ) -> Option<Checkpoint> {
        let mut chain = chain.take_while(|block| block.slot >= finalized_slot);
        let mut candidate = chain.next()?;
        for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
            if candidate.slot <= self.safe_target.slot {
                break;
            }
            match chain.next() {
                Some(parent) => candidate = parent,
                None => break,
            }
        }
        once(candidate)
            .chain(chain)
            .find(|block| is_justifiable_after(block.slot, finalized_slot) == Ok(true))
    }

    /// The chain that ends in a block, from there downwards.
    fn chain(&self, tip: Option<NodeIndex>) -> impl Iterator<Item = Checkpoint> {
        successors(tip, |index| self.tree.parent(*index))
            .map(|index| self.tree.block(index).checkpoint())
    }
}

fn data(slot: Slot, head: Checkpoint, target: Checkpoint, source: Checkpoint) -> AttestationData {
    let target = if target.slot < source.slot {
        source
    } else {
        target
    };
    AttestationData {
        slot,
        head,
        target,
        source,
    }
}
