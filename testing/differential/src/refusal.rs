//! Names for refusals, the same for both sides.

use quartet_fork_choice::{AttestationError, BlockError};
use quartet_oracle::{TransitionError, VoteError};
use quartet_state_transition::Error;
use quartet_types::CheckpointRole;

/// The specification's name of an error of ours; `None` for one that it has no counterpart for.
pub(crate) fn transition(error: &Error) -> Option<TransitionError> {
    Some(match error {
        Error::SlotNotAfterState { .. } => TransitionError::SlotNotInFuture,
        Error::WrongProposer { .. } => TransitionError::Proposer,
        Error::ParentRoot { .. } => TransitionError::Parent,
        Error::HistoryFull { .. } => TransitionError::History,
        Error::BeyondHistory {
            attestation,
            role: CheckpointRole::Source,
            ..
        } => TransitionError::SourceBeyondHistory(*attestation),
        Error::BeyondHistory { attestation, .. } => {
            TransitionError::TargetBeyondHistory(*attestation)
        }
        Error::BeforeFinalized { attestation, .. } => {
            TransitionError::BeforeFinalized(*attestation)
        }
        Error::ValidatorNotInRegistry { attestation, .. } => {
            TransitionError::Validator(*attestation)
        }
        Error::StateRoot { .. } => TransitionError::StateRoot,
        _ => return None,
    })
}

pub(crate) fn transition_name(error: &TransitionError) -> &'static str {
    match error {
        TransitionError::SlotNotInFuture => "block: the slot is not in the future",
        TransitionError::Proposer => "block: another proposer",
        TransitionError::Parent => "block: another parent",
        TransitionError::History => "block: the history is full",
        TransitionError::SourceBeyondHistory(_) => "block: source beyond the history",
        TransitionError::TargetBeyondHistory(_) => "block: target beyond the history",
        TransitionError::BeforeFinalized(_) => "block: before the finalized slot",
        TransitionError::Validator(_) => "block: nobody in the registry",
        TransitionError::StateRoot => "block: another state root",
    }
}

/// The specification's name of a refused vote.
pub(crate) fn vote(error: &AttestationError) -> VoteError {
    use CheckpointRole::{Head, Source, Target};
    match error {
        AttestationError::ValidatorNotInRegistry { .. } => VoteError::Validator,
        AttestationError::UnknownBlock { role, .. } => match role {
            Source => VoteError::UnknownSource,
            Target => VoteError::UnknownTarget,
            Head => VoteError::UnknownHead,
        },
        AttestationError::SourceAfterTarget { .. } => VoteError::SourceAfterTarget,
        AttestationError::WrongSlot { role, .. } => match role {
            Source => VoteError::SourceSlot,
            Target => VoteError::TargetSlot,
            Head => VoteError::HeadSlot,
        },
        AttestationError::FutureSlot { .. } => VoteError::FutureSlot,
        AttestationError::BeforeHead { .. } => VoteError::BeforeHead,
        AttestationError::OffChain { ancestor, .. } => match ancestor {
            Source => VoteError::SourceOffChain,
            Target | Head => VoteError::TargetOffChain,
        },
    }
}

/// Where a vote was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Body,
    Proposer,
    Gossip,
}

pub(crate) fn vote_name(place: Place, error: VoteError) -> &'static str {
    let names = match error {
        VoteError::Validator => [
            "body: nobody in the registry",
            "proposer: nobody in the registry",
            "gossip: nobody in the registry",
        ],
        VoteError::UnknownSource => [
            "body: unknown source",
            "proposer: unknown source",
            "gossip: unknown source",
        ],
        VoteError::UnknownTarget => [
            "body: unknown target",
            "proposer: unknown target",
            "gossip: unknown target",
        ],
        VoteError::UnknownHead => [
            "body: unknown head",
            "proposer: unknown head",
            "gossip: unknown head",
        ],
        VoteError::SourceAfterTarget => [
            "body: source after target",
            "proposer: source after target",
            "gossip: source after target",
        ],
        VoteError::SourceSlot => [
            "body: source of another slot",
            "proposer: source of another slot",
            "gossip: source of another slot",
        ],
        VoteError::TargetSlot => [
            "body: target of another slot",
            "proposer: target of another slot",
            "gossip: target of another slot",
        ],
        VoteError::FutureSlot => [
            "body: future slot",
            "proposer: future slot",
            "gossip: future slot",
        ],
        VoteError::HeadSlot => ["", "", "gossip: head of another slot"],
        VoteError::BeforeHead => ["", "", "gossip: older than its head"],
        VoteError::SourceOffChain => ["", "", "gossip: source off the chain"],
        VoteError::TargetOffChain => ["", "", "gossip: target off the chain"],
    };
    names[place as usize]
}

/// What of a block's refusal has a counterpart.
pub(crate) fn block(error: &BlockError) -> Option<quartet_oracle::BlockError> {
    use quartet_oracle::BlockError as Theirs;
    Some(match error {
        BlockError::UnknownParent { .. } => Theirs::UnknownParent,
        BlockError::UnknownJustified { .. } => Theirs::UnknownJustified,
        BlockError::BodyAttestation { index, error } => Theirs::Body(*index, vote(error)),
        BlockError::ProposerAttestation(error) => Theirs::Proposer(vote(error)),
        BlockError::RuledOut { .. } | BlockError::NotAfterParent { .. } => return None,
    })
}
