//! Why a block or an attestation is not imported, and why the store has failed.

use quartet_fork_choice::{AttestationError, BlockError};
use quartet_storage::DatabaseError;
use quartet_types::{Root, Slot, ValidatorIndex};

/// Why a block or an attestation is not imported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// The post-state of the parent is not at hand.
    #[error("parent {0} is unknown")]
    UnknownParent(Root),
    /// The block carries too few or too many signatures.
    #[error("expected {expected} signatures, found {found}")]
    SignatureCount {
        /// One for each attestation of the body and one for the proposer's.
        expected: usize,
        /// Signatures in the envelope.
        found: usize,
    },
    /// An attestation is by a validator that the registry does not have.
    #[error("validator {validator} is beyond the registry of {validators}")]
    ValidatorNotInRegistry {
        /// The validator named.
        validator: ValidatorIndex,
        /// Validators in the registry.
        validators: u64,
    },
    /// A signature does not verify.
    #[error("signature of validator {validator} over its attestation of slot {slot} is invalid")]
    InvalidSignature {
        /// The validator named.
        validator: ValidatorIndex,
        /// The attestation's slot.
        slot: Slot,
    },
    /// The block is invalid on its parent's state.
    #[error(transparent)]
    StateTransition(#[from] quartet_state_transition::Error),
    /// The block does not fit the tree, or one of its attestations breaks a rule of the fork choice.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// An attestation breaks a rule of the fork choice.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// The check itself failed; the item may be valid.
    #[error("the check did not finish: {0}")]
    Processor(#[from] quartet_processor::ProcessorError),
    /// The parent's state cannot be rebuilt; the item may be valid.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store failed. The text is the store's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block store: {0}")]
pub struct StoreError(pub String);

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self(error.to_string())
    }
}
