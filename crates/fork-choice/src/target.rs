//! What a validator of this node attests.

use quartet_types::{AttestationData, Checkpoint, JUSTIFICATION_LOOKBACK_SLOTS, Slot};

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
        let below = self.tree.parent(self.head);
        self.target(self.head(), below, basis.finalized.slot)
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
        let target = self.target(block.checkpoint(), parent, basis.finalized.slot);
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

    /// The target on the chain of `tip`, whose parent is `below`.
    fn target(
        &self,
        tip: Checkpoint,
        below: Option<NodeIndex>,
        finalized_slot: Slot,
    ) -> Option<Checkpoint> {
        let checkpoint = |index| self.tree.block(index).checkpoint();
        let (mut candidate, mut below) = (tip, below);
        for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
            let parent = below.filter(|parent| self.tree.slot(*parent) >= finalized_slot);
            let Some(parent) = parent.filter(|_| candidate.slot > self.safe_target.slot) else {
                break;
            };
            (candidate, below) = (checkpoint(parent), self.tree.parent(parent));
        }
        loop {
            let justifiable = last_justifiable(candidate.slot, finalized_slot)?;
            if candidate.slot == justifiable {
                return Some(candidate);
            }
            // What is between cannot be justified, however many blocks that are.
            let next = self.tree.nodes().ancestor_at(below?, justifiable)?;
            (candidate, below) = (checkpoint(next), self.tree.parent(next));
        }
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

/// The last slot that is justifiable after `finalized`, up to `slot`, or `None` before it. Justifiable are the
/// distances up to 5, squares, and products of a number and the next (`quartet_types::is_justifiable_after`).
fn last_justifiable(slot: Slot, finalized: Slot) -> Option<Slot> {
    let distance = slot.checked_sub(finalized)?;
    let root = distance.isqrt();
    let square = root * root;
    let last = match distance {
        0..=5 => distance,
        _ if square + root <= distance => square + root,
        _ => square,
    };
    Some(finalized + last)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use quartet_types::is_justifiable_after;

    use super::*;

    #[test]
    fn the_last_justifiable_slot_is_what_a_search_finds() {
        let is_justifiable = |slot: &Slot| is_justifiable_after(*slot, 7) == Ok(true);
        for slot in 0..2_000 {
            let searched = (7..=slot).rev().find(is_justifiable);
            assert_eq!(last_justifiable(slot, 7), searched, "slot {slot}");
        }
        for slot in [u64::MAX, u64::MAX - 1, (1 << 63) + 1] {
            let found = last_justifiable(slot, 7).unwrap();
            assert!(is_justifiable(&found) && found <= slot);
            assert!(
                (found + 1..=slot)
                    .take(1_000)
                    .all(|slot| !is_justifiable(&slot))
            );
        }
    }
}
