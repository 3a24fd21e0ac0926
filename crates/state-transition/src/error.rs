//! Every way in which a block can be invalid on a state.

use quartet_types::{
    BitlistError, CheckpointRole, Root, Slot, SlotBeforeFinalized, TooManyRoots, ValidatorIndex,
};

/// Why a block is invalid on a state. `expected` is the state's value, `found` the block's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The state has reached or passed the slot that it should be advanced to.
    #[error("slot {target} is not after the state's slot {state}")]
    SlotNotAfterState {
        /// Slot of the state.
        state: Slot,
        /// Slot to advance to.
        target: Slot,
    },
    /// The block is for another slot than the one the state stands at.
    #[error("expected a block for slot {expected}, found slot {found}")]
    BlockSlot {
        /// Slot of the state.
        expected: Slot,
        /// Slot of the block.
        found: Slot,
    },
    /// The block is no newer than the one it would follow.
    #[error("block slot {block} is not after the latest block's slot {latest}")]
    BlockNotNewer {
        /// Slot of the latest block.
        latest: Slot,
        /// Slot of the block.
        block: Slot,
    },
    /// The registry is empty, so no slot has a proposer.
    #[error("the registry has no validators, slot {slot} has no proposer")]
    NoProposer {
        /// Slot of the block.
        slot: Slot,
    },
    /// Another validator proposes in this slot.
    #[error("expected proposer {expected} in slot {slot}, found {found}")]
    WrongProposer {
        /// Slot of the block.
        slot: Slot,
        /// The slot's proposer.
        expected: ValidatorIndex,
        /// The block's proposer.
        found: ValidatorIndex,
    },
    /// The block builds on another block than the state's latest.
    #[error("expected parent {expected}, found {found}")]
    ParentRoot {
        /// Root of the state's latest block header.
        expected: Root,
        /// Parent root of the block.
        found: Root,
    },
    /// With this block the history would outgrow its list.
    #[error("a history of {length} slots exceeds the limit of {limit}")]
    HistoryFull {
        /// Slots that the history would span.
        length: u64,
        /// Slots it can span.
        limit: u64,
    },
    /// An attestation's source or target lies beyond the history.
    #[error(
        "attestation {attestation}: {role} slot {slot} is beyond the history of {length} slots"
    )]
    BeyondHistory {
        /// Position of the attestation in the body.
        attestation: usize,
        /// Which of its checkpoints.
        role: CheckpointRole,
        /// The checkpoint's slot.
        slot: Slot,
        /// Slots in the history.
        length: usize,
    },
    /// An attestation that would count is by a validator that is not in the registry.
    #[error(
        "attestation {attestation}: validator {validator} is beyond the registry of {validators}"
    )]
    ValidatorNotInRegistry {
        /// Position of the attestation in the body.
        attestation: usize,
        /// The attesting validator.
        validator: ValidatorIndex,
        /// Validators in the registry.
        validators: usize,
    },
    /// An attestation's target, or a slot between its source and target, is before the finalized slot.
    #[error("attestation {attestation}: {error}")]
    BeforeFinalized {
        /// Position of the attestation in the body.
        attestation: usize,
        /// The slot and the finalized slot.
        error: SlotBeforeFinalized,
    },
    /// The state itself is damaged: its tallies are not one run of registry length per target.
    #[error("{targets} tallies of {validators} validators need {expected} bits, the state has {found}", expected = targets.saturating_mul(*validators))]
    DamagedTallies {
        /// Targets with a tally.
        targets: usize,
        /// Validators in the registry.
        validators: usize,
        /// Bits in the state.
        found: usize,
    },
    /// The block's state root is not that of the post-state.
    #[error("expected state root {expected}, found {found}")]
    StateRoot {
        /// Root of the computed post-state.
        expected: Root,
        /// State root of the block.
        found: Root,
    },
    /// A bit list refused a write, because it is full.
    #[error(transparent)]
    Bits(#[from] BitlistError),
    /// A list of roots would be too long.
    #[error(transparent)]
    Roots(#[from] TooManyRoots),
    /// A persistent list refused a write, because it is full.
    #[error("list: {0}")]
    List(milhouse::Error),
}

impl Error {
    /// Position in the body of the attestation that makes the block invalid, if it is one.
    pub fn attestation(&self) -> Option<usize> {
        match self {
            Self::BeyondHistory { attestation, .. }
            | Self::ValidatorNotInRegistry { attestation, .. }
            | Self::BeforeFinalized { attestation, .. } => Some(*attestation),
            _ => None,
        }
    }
}

impl From<milhouse::Error> for Error {
    fn from(error: milhouse::Error) -> Self {
        Self::List(error)
    }
}
