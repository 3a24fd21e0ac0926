//! Votes: which are accepted, and where they go.

use quartet_types::{Attestation, AttestationData, Checkpoint, CheckpointRole, Slot};

use crate::{AttestationError, BlockInfo, ForkChoice, nodes::NodeIndex, votes::Votes};

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

/// Whether the blocks that a block's attestations name have to be at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBlocks {
    /// Each has to be in the tree or remembered, as the specification wants it.
    Known,
    /// More than a third of the validators vouch for the block, so an honest one has known them all. Blocks that are
    /// not at hand are not checked, and votes for them have no weight.
    Vouched,
}

impl ForkChoice {
    /// Checks an attestation without recording it; its signature is the caller's to verify.
    ///
    /// Blocks that it names must be in the tree or remembered.
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
        self.check_alone(attestation, origin).map(drop)
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
        let node = self.check_alone(attestation, origin)?;
        let outcome = self.record(attestation, origin, node);
        self.tree.apply_moves();
        Ok(outcome)
    }

    /// Whether this attestation, coming by gossip, would change nothing: a vote of the same or a later slot by the same
    /// validator waits for the end of the slot, or counts already.
    pub fn is_superseded(&self, attestation: &Attestation) -> bool {
        let validator = usize::try_from(attestation.validator_id).ok();
        validator.is_some_and(|validator| {
            self.is_overtaken(validator, attestation.data.slot, AttestationOrigin::Gossip)
        })
    }

    /// Whether the set that a vote would enter, or by the rules the other one, has one that is as new.
    fn is_overtaken(&self, validator: usize, slot: Slot, origin: AttestationOrigin) -> bool {
        let as_new = |votes: &Votes| {
            votes
                .get(validator)
                .is_some_and(|vote| vote.data.slot >= slot)
        };
        match origin {
            AttestationOrigin::Block => as_new(&self.known),
            AttestationOrigin::Gossip => {
                as_new(&self.new) || self.rules.votes_only_get_newer && as_new(&self.known)
            }
        }
    }

    /// Checks an attestation that comes by itself or is looked at by itself.
    fn check_alone(
        &self,
        attestation: &Attestation,
        origin: AttestationOrigin,
    ) -> Result<Option<NodeIndex>, AttestationError> {
        let head = self.check(attestation, origin, None, NamedBlocks::Known)?;
        if origin == AttestationOrigin::Gossip && self.rules.votes_follow_one_chain {
            self.check_chain(&attestation.data, head)?;
        }
        Ok(head)
    }

    /// Whether source, target and head are on one chain, as far as the tree can tell.
    fn check_chain(
        &self,
        data: &AttestationData,
        head: Option<NodeIndex>,
    ) -> Result<(), AttestationError> {
        use CheckpointRole::{Head, Source, Target};
        let find = |checkpoint: Checkpoint| self.tree.find(&checkpoint.root);
        let (source, target) = (find(data.source), find(data.target));
        let is_ancestor = |ancestor: Option<NodeIndex>, descendant: Option<NodeIndex>| {
            let both = ancestor.zip(descendant);
            both.is_none_or(|(ancestor, index)| self.tree.is_ancestor(ancestor, index))
        };
        if let Some(slot) = head
            .map(|head| self.tree.slot(head))
            .filter(|slot| *slot != data.head.slot)
        {
            return Err(AttestationError::WrongSlot {
                role: Head,
                root: data.head.root,
                expected: slot,
                found: data.head.slot,
            });
        }
        if data.slot < data.head.slot {
            return Err(AttestationError::BeforeHead {
                slot: data.slot,
                head: data.head,
            });
        }
        let off_chain = |ancestor, expected, descendant, found| AttestationError::OffChain {
            ancestor,
            expected,
            descendant,
            found,
        };
        if !is_ancestor(source, target) {
            return Err(off_chain(Source, data.source, Target, data.target));
        }
        if !is_ancestor(target, head) {
            return Err(off_chain(Target, data.target, Head, data.head));
        }
        Ok(())
    }

    /// Checks an attestation as if `incoming` were in the tree already, and finds its head there.
    pub(crate) fn check(
        &self,
        attestation: &Attestation,
        origin: AttestationOrigin,
        incoming: Option<&BlockInfo>,
        names: NamedBlocks,
    ) -> Result<Option<NodeIndex>, AttestationError> {
        use CheckpointRole::{Head, Source, Target};
        if attestation.validator_id >= self.validators {
            return Err(AttestationError::ValidatorNotInRegistry {
                validator: attestation.validator_id,
                validators: self.validators,
            });
        }
        let data = &attestation.data;
        let source = self.locate(Source, data.source, incoming, names)?;
        let target = self.locate(Target, data.target, incoming, names)?;
        let head = self.locate(Head, data.head, incoming, names)?;
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
        names: NamedBlocks,
    ) -> Result<Located, AttestationError> {
        let found = |index, slot| Ok(Located { index, slot });
        if let Some(index) = self.tree.find(&checkpoint.root) {
            return found(Some(index), Some(self.tree.slot(index)));
        }
        if let Some(block) = incoming.filter(|block| block.root == checkpoint.root) {
            return found(Some(self.tree.next_index()), Some(block.slot));
        }
        if let Some(slot) = self.dropped.slot(&checkpoint.root) {
            return found(None, Some(slot));
        }
        if names == NamedBlocks::Vouched {
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
        let is_weightless = self.rules.equivocations_have_no_weight
            && self.equivocated.get(validator) == Some(&Some(data.slot));
        let node = node.filter(|_| !is_weightless);
        let outcome = if self.is_overtaken(validator, data.slot, origin) {
            AttestationOutcome::Superseded
        } else {
            AttestationOutcome::Recorded
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

    /// Makes a vote the validator's known one and moves its weight there, once the tree has applied its moves.
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
    /// Its position, unless the tree does not have it.
    index: Option<NodeIndex>,
    /// Its slot, unless it is not at hand and vouched for.
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
