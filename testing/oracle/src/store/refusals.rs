//! What a vote or a block fails.

/// The assertion that an attestation fails, in the specification's order; those of the deviations at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum VoteError {
    /// From `verify_signatures`, which comes before everything else: no such validator.
    #[error("nobody in the registry")]
    Validator,
    /// No such block.
    #[error("the source is unknown")]
    UnknownSource,
    /// No such block.
    #[error("the target is unknown")]
    UnknownTarget,
    /// No such block.
    #[error("the head is unknown")]
    UnknownHead,
    /// The source comes after the target.
    #[error("the source comes after the target")]
    SourceAfterTarget,
    /// Another slot than the block's.
    #[error("the source has another slot")]
    SourceSlot,
    /// Another slot than the block's.
    #[error("the target has another slot")]
    TargetSlot,
    /// More than a slot ahead, or by gossip ahead at all.
    #[error("the slot is in the future")]
    FutureSlot,
    /// A deviation: another slot than the block's.
    #[error("the head has another slot")]
    HeadSlot,
    /// A deviation: older than its head.
    #[error("the vote is older than its head")]
    BeforeHead,
    /// A deviation: the source is not an ancestor of the target.
    #[error("the source is not on the target's chain")]
    SourceOffChain,
    /// A deviation: the target is not an ancestor of the head.
    #[error("the target is not on the head's chain")]
    TargetOffChain,
}

/// The assertion that a block fails in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// `on_block`: no parent.
    #[error("the parent is unknown")]
    UnknownParent,
    /// An attestation of the body.
    #[error("attestation {0}: {1}")]
    Body(usize, VoteError),
    /// `_compute_lmd_ghost_head`: the dictionary of blocks does not have the justified root.
    #[error("the justified block is unknown")]
    UnknownJustified,
    /// The proposer's attestation.
    #[error("the proposer's attestation: {0}")]
    Proposer(VoteError),
}
