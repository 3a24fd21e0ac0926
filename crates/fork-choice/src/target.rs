//! What a validator of this node attests.

use std::iter::{once, successors};

use quartet_types::{
    AttestationData, Checkpoint, JUSTIFICATION_LOOKBACK_SLOTS, Slot, is_justifiable_after,
};

use crate::{BlockInfo, Checkpoints, ForkChoice, nodes::NodeIndex};

impl ForkChoice {
    /// The checkpoint to attest as target: from the head up to three blocks back towards the safe target, then on to
    /// a block whose slot is justifiable after the finalized slot.
    ///
    /// The walk never goes below the finalized slot, where the specification fails: a node that catches up may finalize
    /// what is newer than its safe target, and has a vote to give all the same. `None` when the tree has no such block.
    ///
    /// Source: leanSpec `Store.get_attestation_target`.
    pub fn attestation_target(&self) -> Option<Checkpoint> {
        let basis = self.basis(self.head_checkpoints());
        self.target(self.chain(Some(self.head)), basis.finalized.slot)
    }

    /// What to attest in `slot`: the head, the target, and the justified checkpoint to build on as source.
    ///
    /// Where there is no target, the source is attested as target too, so that the vote for the head is heard.
    ///
    /// Source: leanSpec `Store.produce_attestation_data`; [`Rules`](crate::Rules) say where ours differs.
    pub fn attestation_data(&self, slot: Slot) -> AttestationData {
        let basis = self.basis(self.head_checkpoints());
        self.data(
            slot,
            self.head(),
            self.attestation_target(),
            basis.justified,
        )
    }

    /// What the proposer of `block` attests, a block that is not in the tree yet, with the block as head: the same
    /// target and source that the other validators choose when they have imported it. `checkpoints` are those of the
    /// block's post-state.
    pub fn attestation_data_for(
        &self,
        block: &BlockInfo,
        checkpoints: Checkpoints,
    ) -> AttestationData {
        let basis = self.basis(checkpoints);
        let parent = self.tree.find(&block.parent_root);
        let chain = once(block.checkpoint()).chain(self.chain(parent));
        let target = self.target(chain, basis.finalized.slot);
        self.data(block.slot, block.checkpoint(), target, basis.justified)
    }

    /// The checkpoints that a vote builds on, when its head's post-state has these.
    fn basis(&self, of_head: Checkpoints) -> Checkpoints {
        if self.rules.votes_build_on_the_head {
            return of_head;
        }
        let newer = |ours: Checkpoint, theirs: Checkpoint| {
            if theirs.slot > ours.slot {
                theirs
            } else {
                ours
            }
        };
        Checkpoints {
            justified: newer(self.latest_justified, of_head.justified),
            finalized: newer(self.latest_finalized, of_head.finalized),
        }
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

    fn data(
        &self,
        slot: Slot,
        head: Checkpoint,
        target: Option<Checkpoint>,
        source: Checkpoint,
    ) -> AttestationData {
        let clamps = self.rules.targets_never_precede_sources;
        let target = target.filter(|target| !clamps || target.slot >= source.slot);
        AttestationData {
            slot,
            head,
            target: target.unwrap_or(source),
            source,
        }
    }
}
