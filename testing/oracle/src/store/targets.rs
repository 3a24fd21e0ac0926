//! What to attest.

use quartet_types::{AttestationData, Checkpoint, Root, Slot};

use super::Store;
use crate::is_justifiable_after;

/// `JUSTIFICATION_LOOKBACK_SLOTS`.
const LOOKBACK: usize = 3;

impl Store {
    /// `get_attestation_target`, measured from a finalized slot. `None` where the specification raises.
    pub fn attestation_target(&self, finalized: Slot) -> Option<Checkpoint> {
        let mut root = self.head;
        for _ in 0..LOOKBACK {
            if self.block(root)?.slot > self.slot(self.safe_target) {
                root = self.block(root)?.parent_root;
            } else {
                break;
            }
        }
        while !is_justifiable_after(self.block(root)?.slot, finalized)? {
            root = self.block(root)?.parent_root;
        }
        Some(self.block(root)?.checkpoint())
    }

    /// The same walk, which stays where the specification's would fail: above the finalized slot and what is kept.
    pub fn cautious_target(&self, finalized: Slot) -> Option<Checkpoint> {
        let kept_parent = |root: Root| {
            let parent = self.block(root)?.parent_root;
            let parent = self.block(parent)?;
            (!self.forgotten.contains(&parent.root)).then_some(*parent)
        };
        let mut candidate = *self.block(self.head)?;
        for _ in 0..LOOKBACK {
            let parent = kept_parent(candidate.root).filter(|parent| parent.slot >= finalized);
            match parent {
                Some(parent) if candidate.slot > self.slot(self.safe_target) => candidate = parent,
                _ => break,
            }
        }
        while !is_justifiable_after(candidate.slot, finalized)? {
            candidate = kept_parent(candidate.root)?;
        }
        Some(candidate.checkpoint())
    }

    /// The justified and finalized checkpoints that a vote builds on.
    fn basis(&self) -> (Checkpoint, Checkpoint) {
        match self.block(self.head) {
            Some(head) if self.deviations.votes_build_on_the_head => {
                (head.justified, head.finalized)
            }
            _ => (self.latest_justified, self.latest_finalized),
        }
    }

    /// The target of a vote by the walk that cannot fail, and by the specification's.
    pub fn targets(&self) -> (Option<Checkpoint>, Option<Checkpoint>) {
        let (_, finalized) = self.basis();
        (
            self.cautious_target(finalized.slot),
            self.attestation_target(finalized.slot),
        )
    }

    /// `produce_attestation_data`; where there is no target, the source is the target.
    pub fn attestation_data(&self, slot: Slot) -> AttestationData {
        let (source, finalized) = self.basis();
        let clamps = self.deviations.targets_never_precede_sources;
        let target = self.cautious_target(finalized.slot);
        let target = target.filter(|target| !clamps || target.slot >= source.slot);
        AttestationData {
            slot,
            head: Checkpoint {
                root: self.head,
                slot: self.slot(self.head),
            },
            target: target.unwrap_or(source),
            source,
        }
    }
}
