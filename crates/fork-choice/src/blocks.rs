//! Blocks: which fit the tree, and what one brings with it.

use quartet_types::{Attestation, Root};

use crate::{
    AttestationOrigin, BlockError, BlockInfo, Checkpoints, ForkChoice, NamedBlocks,
    nodes::NodeIndex,
};

/// The outcome of importing a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It is in the tree and its votes are recorded.
    Imported,
    /// It was there before; nothing has changed.
    AlreadyKnown,
}

/// Where an accepted block and its votes go.
struct Placement {
    parent: NodeIndex,
    body: Vec<Option<NodeIndex>>,
    proposer: Option<NodeIndex>,
}

impl ForkChoice {
    /// Checks a block's place in the tree and all its attestations, so that one that would be refused costs neither
    /// signatures nor a state transition.
    ///
    /// # Errors
    /// When [`on_block`](Self::on_block) would refuse it now, whatever its post-state.
    pub fn validate_block(
        &self,
        block: &BlockInfo,
        body: &[Attestation],
        proposer_attestation: &Attestation,
        names: NamedBlocks,
    ) -> Result<(), BlockError> {
        if self.contains(&block.root) {
            return Ok(());
        }
        self.place(block, body, proposer_attestation, names)
            .map(drop)
    }

    /// Imports a block that is valid on its parent's state, with the checkpoints of its post-state: raises ours to
    /// them, counts the body's votes, updates the head, and only then takes the proposer's own attestation, as
    /// if by gossip, so that it does not weigh on its own block.
    ///
    /// Source: leanSpec `Store.on_block`.
    ///
    /// # Errors
    /// When the block does not fit the tree or one of its attestations is refused; nothing has changed then.
    pub fn on_block(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
        body: &[Attestation],
        proposer_attestation: &Attestation,
        names: NamedBlocks,
    ) -> Result<BlockOutcome, BlockError> {
        if self.contains(&block.root) {
            return Ok(BlockOutcome::AlreadyKnown);
        }
        let placement = self.place(&block, body, proposer_attestation, names)?;
        self.raise_checkpoints(block.root, checkpoints)?;
        self.tree.insert(block, checkpoints, placement.parent);
        for (attestation, node) in body.iter().zip(placement.body) {
            self.record(attestation, AttestationOrigin::Block, node);
        }
        self.update_head();
        self.record(
            proposer_attestation,
            AttestationOrigin::Gossip,
            placement.proposer,
        );
        Ok(BlockOutcome::Imported)
    }

    /// Raises the store's checkpoints to those of a block that is not in the tree yet.
    pub(crate) fn raise_checkpoints(
        &mut self,
        root: Root,
        of_block: Checkpoints,
    ) -> Result<(), BlockError> {
        let Checkpoints {
            justified,
            finalized,
        } = of_block;
        if justified.slot > self.latest_justified.slot {
            if !justified.root.is_zero() && !self.contains(&justified.root) {
                return Err(BlockError::UnknownJustified { root, justified });
            }
            self.latest_justified = justified;
        }
        if finalized.slot > self.latest_finalized.slot {
            self.latest_finalized = finalized;
        }
        Ok(())
    }

    /// The parent of a block, if the block may follow it.
    pub(crate) fn parent_in_tree(&self, block: &BlockInfo) -> Result<NodeIndex, BlockError> {
        let BlockInfo {
            root,
            parent_root,
            slot,
        } = *block;
        let parent = self.tree.find(&parent_root).ok_or_else(|| {
            let oldest = self.tree.oldest().checkpoint();
            if slot <= oldest.slot || self.dropped.slot(&parent_root).is_some() {
                BlockError::RuledOut { root, slot, oldest }
            } else {
                BlockError::UnknownParent { root, parent_root }
            }
        })?;
        let parent_slot = self.tree.slot(parent);
        if slot <= parent_slot {
            return Err(BlockError::NotAfterParent {
                root,
                slot,
                parent_slot,
            });
        }
        Ok(parent)
    }

    fn place(
        &self,
        block: &BlockInfo,
        body: &[Attestation],
        proposer_attestation: &Attestation,
        names: NamedBlocks,
    ) -> Result<Placement, BlockError> {
        let parent = self.parent_in_tree(block)?;
        let check = |attestation, origin| self.check(attestation, origin, Some(block), names);
        let body = body.iter().enumerate().map(|(index, attestation)| {
            check(attestation, AttestationOrigin::Block)
                .map_err(|error| BlockError::BodyAttestation { index, error })
        });
        Ok(Placement {
            parent,
            body: body.collect::<Result<_, _>>()?,
            proposer: check(proposer_attestation, AttestationOrigin::Gossip)
                .map_err(BlockError::ProposerAttestation)?,
        })
    }
}
