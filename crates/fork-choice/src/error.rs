//! Every way in which an attestation or a block can be refused.

use quartet_types::{Checkpoint, CheckpointRole, Root, Slot, ValidatorIndex};

/// Why an attestation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// The validator is not in the registry.
    #[error("validator {validator} is beyond the registry of {validators}")]
    ValidatorNotInRegistry {
        /// The attesting validator.
        validator: ValidatorIndex,
        /// Validators in the registry.
        validators: u64,
    },
    /// The tree does not have a block that the attestation names. It may come yet.
    #[error("unknown {role} block {}", checkpoint.root)]
    UnknownBlock {
        /// Which of its checkpoints.
        role: CheckpointRole,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// The source is after the target.
    #[error("source slot {source_slot} is after target slot {target_slot}")]
    SourceAfterTarget {
        /// Slot of the source.
        source_slot: Slot,
        /// Slot of the target.
        target_slot: Slot,
    },
    /// A checkpoint's slot is not that of its block.
    #[error("{role} block {root} has slot {expected}, the attestation says {found}")]
    WrongSlot {
        /// Which of its checkpoints.
        role: CheckpointRole,
        /// Root of the block.
        root: Root,
        /// Slot of the block.
        expected: Slot,
        /// Slot in the attestation.
        found: Slot,
    },
    /// The vote is older than the head that it names.
    #[error("slot {slot} is before that of head {head}")]
    BeforeHead {
        /// Slot of the attestation.
        slot: Slot,
        /// Its head.
        head: Checkpoint,
    },
    /// Two of the blocks that the vote names are not on one chain.
    #[error("{descendant} {found} does not descend from {ancestor} {expected}")]
    OffChain {
        /// Which checkpoint should be the ancestor.
        ancestor: CheckpointRole,
        /// That checkpoint.
        expected: Checkpoint,
        /// Which checkpoint should descend from it.
        descendant: CheckpointRole,
        /// That checkpoint.
        found: Checkpoint,
    },
    /// The vote is for a future slot.
    #[error("slot {slot} is in the future, the latest acceptable is {latest}")]
    FutureSlot {
        /// Slot of the attestation.
        slot: Slot,
        /// The latest slot that is accepted now.
        latest: Slot,
    },
}

/// Why a block is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The tree does not have the parent. It may come yet.
    #[error("unknown parent {parent_root} of block {root}")]
    UnknownParent {
        /// Root of the block.
        root: Root,
        /// The parent it names.
        parent_root: Root,
    },
    /// The block cannot descend from the oldest block of the tree, so finality has ruled it out.
    #[error("block {root} at slot {slot} does not descend from {oldest}, the oldest block kept")]
    RuledOut {
        /// Root of the block.
        root: Root,
        /// Slot of the block.
        slot: Slot,
        /// The oldest block of the tree.
        oldest: Checkpoint,
    },
    /// The block is no newer than its parent.
    #[error("slot {slot} of block {root} is not after its parent's slot {parent_slot}")]
    NotAfterParent {
        /// Root of the block.
        root: Root,
        /// Slot of the block.
        slot: Slot,
        /// Slot of the parent.
        parent_slot: Slot,
    },
    /// The post-state justifies a block that the tree does not have.
    #[error("block {root} justifies the unknown block {justified}")]
    UnknownJustified {
        /// Root of the block.
        root: Root,
        /// What its post-state has as justified.
        justified: Checkpoint,
    },
    /// An attestation of the body is refused, which makes the block invalid.
    #[error("attestation {index} of the body: {error}")]
    BodyAttestation {
        /// Position of the attestation in the body.
        index: usize,
        /// Why.
        error: AttestationError,
    },
    /// The proposer's own attestation is refused, which makes the block invalid.
    #[error("the proposer's attestation: {0}")]
    ProposerAttestation(AttestationError),
}

/// Why a store cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A block does not fit those before it.
    #[error("{0}")]
    Block(#[from] BlockError),
    /// A vote is by a validator that is not in the registry.
    #[error("{0}")]
    Vote(#[from] AttestationError),
}
