//! A store as it was, from blocks and votes that were accepted before.

use quartet_types::{Attestation, Checkpoint, INTERVALS_PER_SLOT, Slot, ValidatorIndex};

use crate::{AttestationError, BlockInfo, Checkpoints, ForkChoice, RestoreError, Rules};

/// What a running store knows beside its blocks and the votes that count: what a restart forgets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolatileState {
    /// Intervals since genesis.
    pub time: u64,
    /// The safe target.
    pub safe_target: Checkpoint,
    /// The votes that wait for the end of the slot, in order of arrival.
    pub new_votes: Vec<Attestation>,
    /// Of validators that have signed two votes for a slot, the newest such slot.
    pub equivocated: Vec<(ValidatorIndex, Slot)>,
    /// The blocks that are remembered.
    pub remembered: Vec<Checkpoint>,
}

impl ForkChoice {
    /// What [`restore`](Self::restore) cannot know.
    pub fn volatile_state(&self) -> VolatileState {
        let equivocated = (0..).zip(&self.equivocated);
        VolatileState {
            time: self.time,
            safe_target: self.safe_target,
            new_votes: self.new_attestations().collect(),
            equivocated: equivocated
                .filter_map(|(validator, slot)| Some((validator, (*slot)?)))
                .collect(),
            remembered: self.dropped.iter().collect(),
        }
    }

    /// Restores the volatile state of a store that was restored from its blocks and votes. Votes of validators that are
    /// not in the registry are left out.
    pub fn restore_volatile(&mut self, volatile: &VolatileState) {
        self.time = self.time.max(volatile.time);
        self.safe_target = volatile.safe_target;
        for block in &volatile.remembered {
            self.remember(*block);
        }
        for (validator, slot) in &volatile.equivocated {
            self.on_equivocation(*validator, *slot);
        }
        // Those of validators that are not there find no place.
        for Attestation { validator_id, data } in &volatile.new_votes {
            let node = self.tree.find(&data.head.root);
            self.new.replace(*validator_id as usize, *data, node);
        }
    }

    /// The store that [`new`](Self::new) and [`on_block`](Self::on_block) make of an anchor and these blocks, whose
    /// bodies held these votes: what they justify and finalize counts, what finality has ruled out is dropped and
    /// remembered, the votes count and the head is found. The time is the start of the newest block's slot.
    ///
    /// Blocks come with the checkpoints of their post-states, ancestors before descendants; a block that comes again is
    /// left out. Votes come in order of arrival; of several by one validator the newest counts, and one for a block
    /// that is not there has no weight. Nothing else is checked: all of it must have been accepted before.
    ///
    /// Takes some fraction of a microsecond for each block, and no path of the tree is built before all blocks are
    /// there.
    ///
    /// # Errors
    /// When a block's parent or what it justifies is not among those before it, or a vote is by a validator that is not
    /// in the registry.
    pub fn restore(
        anchor: BlockInfo,
        anchor_checkpoints: Checkpoints,
        blocks: impl IntoIterator<Item = (BlockInfo, Checkpoints)>,
        votes: impl IntoIterator<Item = Attestation>,
        validators: u64,
        rules: Rules,
    ) -> Result<Self, RestoreError> {
        let mut store = Self::new(anchor, anchor_checkpoints, validators, rules);
        let mut newest = anchor.slot;
        for (block, checkpoints) in blocks {
            store.restore_block(block, checkpoints)?;
            newest = newest.max(block.slot);
        }
        store.time = newest.saturating_mul(INTERVALS_PER_SLOT);
        if let Some(finalized) = store.new_oldest() {
            let pruned = store.tree.drop_blocks(finalized);
            store.dropped.extend(&pruned.dropped);
        }
        for vote in votes {
            store.restore_vote(&vote)?;
        }
        store.tree.rebuild_paths(store.known.nodes());
        store.update_head();
        Ok(store)
    }

    fn restore_block(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
    ) -> Result<(), RestoreError> {
        if self.contains(&block.root) {
            return Ok(());
        }
        let parent = self.parent_in_tree(&block)?;
        self.raise_checkpoints(block.root, checkpoints)?;
        self.tree.append(block, checkpoints, parent);
        Ok(())
    }

    fn restore_vote(&mut self, vote: &Attestation) -> Result<(), RestoreError> {
        let Attestation { validator_id, data } = *vote;
        if validator_id >= self.validators {
            let validators = self.validators;
            return Err(RestoreError::Vote(
                AttestationError::ValidatorNotInRegistry {
                    validator: validator_id,
                    validators,
                },
            ));
        }
        let validator = validator_id as usize;
        let held = self.known.get(validator).map(|vote| vote.data.slot);
        if held.is_none_or(|slot| slot < data.slot) {
            let node = self.tree.find(&data.head.root);
            self.known.replace(validator, data, node);
        }
        Ok(())
    }
}
