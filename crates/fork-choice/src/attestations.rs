//! Votes: which are accepted, and where they go.

use quartet_types::{Attestation, AttestationData, Checkpoint};

use crate::{AttestationError, BlockInfo, CheckpointRole, ForkChoice, tree::NodeIndex};

/// How an attestation came, which decides on the set it enters and on how far ahead it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationOrigin {
    /// In the body of a block. It counts at once, and may be one slot ahead.
    Block,
    /// By itself, or as the proposer's attestation beside a block. It waits for the end of the slot.
    Gossip,
}

/// What an accepted attestation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationOutcome {
    /// It is the validator's latest vote of its set.
    Recorded,
    /// The set has a vote of the same or a later slot by this validator, which stays.
    Superseded,
}

impl ForkChoice {
    /// Checks an attestation without recording it; its signature is the caller's to verify.
    ///
    /// Blocks that it names must be in the tree. What the tree has dropped, or never had because the node started from
    /// a later anchor, cannot be asked for: a checkpoint at or before the oldest block's slot is taken as it
    /// is, and a vote for such a head has no weight. (leanSpec, which never forgets a block and anchors
    /// nowhere but at genesis in practice, refuses it.)
    ///
    /// Source: leanSpec `Store.validate_attestation`, with the check of `Store.on_attestation`.
    ///
    /// # Errors
    /// When the attestation is refused.
    pub fn validate_attestation(
        &self,
        attestation: &Attestation,
        origin: AttestationOrigin,
    ) -> Result<(), AttestationError> {
        self.check(attestation, origin, None).map(drop)
    }

    /// Checks an attestation and records it as its validator's latest, if it is.
    ///
    /// Source: leanSpec `Store.on_attestation`.
    ///
    /// # Errors
    /// When the attestation is refused, as by [`validate_attestation`](Self::validate_attestation); nothing has
    /// changed then.
    pub fn on_attestation(
        &mut self,
        attestation: &Attestation,
        origin: AttestationOrigin,
    ) -> Result<AttestationOutcome, AttestationError> {
        let node = self.check(attestation, origin, None)?;
        Ok(self.record(attestation, origin, node))
    }

    /// Whether a vote of the same or a later slot by the same validator already waits for the end of the slot, so
    /// that this one, coming by gossip, would change nothing.
    pub fn is_superseded(&self, attestation: &Attestation) -> bool {
        let validator = usize::try_from(attestation.validator_id).ok();
        let waiting = validator.and_then(|validator| self.new.get(validator));
        waiting.is_some_and(|vote| vote.data.slot >= attestation.data.slot)
    }

    /// Checks an attestation as if `incoming` were in the tree already, and finds its head there.
    pub(crate) fn check(
        &self,
        attestation: &Attestation,
        origin: AttestationOrigin,
        incoming: Option<&BlockInfo>,
    ) -> Result<Option<NodeIndex>, AttestationError> {
        use CheckpointRole::{Head, Source, Target};
        if attestation.validator_id >= self.validators {
            return Err(AttestationError::BeyondRegistry {
                validator: attestation.validator_id,
                validators: self.validators,
            });
        }
        let data = &attestation.data;
        let source = self.locate(Source, data.source, incoming)?;
        let target = self.locate(Target, data.target, incoming)?;
        let head = self.locate(Head, data.head, incoming)?;
        if data.source.slot > data.target.slot {
            return Err(AttestationError::SourceAfterTarget {
                source_slot: data.source.slot,
                target_slot: data.target.slot,
            });
        }
        // The slot of the head is not checked: nothing depends on it.
        source.check_slot(Source, data.source)?;
        target.check_slot(Target, data.target)?;

        let latest = match origin {
            // A block may carry votes of its own slot when our clock has not reached it.
            AttestationOrigin::Block => self.current_slot().saturating_add(1),
            AttestationOrigin::Gossip => self.current_slot(),
        };
        if data.slot > latest {
            return Err(AttestationError::FutureSlot {
                slot: data.slot,
                latest,
            });
        }
        Ok(head.index)
    }

    fn locate(
        &self,
        role: CheckpointRole,
        checkpoint: Checkpoint,
        incoming: Option<&BlockInfo>,
    ) -> Result<Located, AttestationError> {
        let found = |index, slot| Ok(Located { index, slot });
        if let Some(index) = self.tree.find(&checkpoint.root) {
            return found(Some(index), Some(self.tree.slot(index)));
        }
        if let Some(block) = incoming.filter(|block| block.root == checkpoint.root) {
            return found(Some(self.tree.next_index()), Some(block.slot));
        }
        if let Some(slot) = self.abandoned.get(&checkpoint.root) {
            return found(None, Some(*slot));
        }
        // Before genesis there is nothing that could have been forgotten.
        let oldest = self.tree.oldest().slot;
        if oldest > 0 && checkpoint.slot <= oldest {
            return found(None, None);
        }
        Err(AttestationError::UnknownBlock { role, checkpoint })
    }

    /// Puts a checked attestation into its set, if it is newer than what the set has.
    pub(crate) fn record(
        &mut self,
        attestation: &Attestation,
        origin: AttestationOrigin,
        node: Option<NodeIndex>,
    ) -> AttestationOutcome {
        let validator = attestation.validator_id as usize;
        let data = attestation.data;
        let set = match origin {
            AttestationOrigin::Block => &self.known,
            AttestationOrigin::Gossip => &self.new,
        };
        let outcome = match set.get(validator) {
            Some(held) if held.data.slot >= data.slot => AttestationOutcome::Superseded,
            _ => AttestationOutcome::Recorded,
        };
        match (origin, outcome) {
            (AttestationOrigin::Gossip, AttestationOutcome::Recorded) => {
                self.new.replace(validator, data, node);
            }
            (AttestationOrigin::Block, AttestationOutcome::Recorded) => {
                self.set_known(validator, data, node);
            }
            (_, AttestationOutcome::Superseded) => {}
        }
        // What a block has carried need not wait any longer, nor what is older than it.
        let waiting = self.new.get(validator).map(|vote| vote.data.slot);
        if origin == AttestationOrigin::Block && waiting.is_some_and(|slot| slot <= data.slot) {
            self.new.remove(validator);
        }
        outcome
    }

    /// Makes a vote the validator's known one and moves its weight there.
    pub(crate) fn set_known(
        &mut self,
        validator: usize,
        data: AttestationData,
        node: Option<NodeIndex>,
    ) {
        let earlier = self.known.replace(validator, data, node);
        self.tree
            .move_vote(earlier.and_then(|vote| vote.node), node);
    }
}

/// What is known of a block that an attestation names.
struct Located {
    /// Its position, unless the tree has forgotten it.
    index: Option<NodeIndex>,
    /// Its slot, unless that has been forgotten too.
    slot: Option<u64>,
}

impl Located {
    fn check_slot(
        &self,
        role: CheckpointRole,
        checkpoint: Checkpoint,
    ) -> Result<(), AttestationError> {
        match self.slot {
            Some(expected) if expected != checkpoint.slot => Err(AttestationError::WrongSlot {
                role,
                root: checkpoint.root,
                expected,
                found: checkpoint.slot,
            }),
            _ => Ok(()),
        }
    }
}
