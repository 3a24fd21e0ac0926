//! Decides what to do with a block that arrives, before its signatures and its transition are checked: a pure function with one
//! verdict for each circumstance. [`super::blocks`] acts on it.

use quartet_fork_choice::{AttestationError, BlockError, BlockInfo};
use quartet_state_transition::Error as TransitionError;
use quartet_sync::Need;
use quartet_types::{BlockWithAttestation, Root, Slot, proposer_index};

use crate::{
    ImportError, LeanChain, Verdict,
    envelope::{Binding, is_bloated},
    parking::Wait,
    pending::PendingBlock,
};

/// What to do with a block.
#[derive(Debug, PartialEq)]
pub(super) enum BlockTriage {
    /// Nothing: it is known, comes too early or too late, or nobody needs it.
    Answer(Verdict),
    /// Drop it with all that builds on it: it is invalid, or its parent is.
    Condemned,
    /// Look at it again when this slot begins.
    Hold(Slot),
    /// The same block is being checked: share its fate.
    Join,
    /// The same block in another envelope is being checked: if that envelope is bad, this copy is asked for again.
    OtherEnvelope,
    /// Another block has its slot's place. Its proposer's signature is evidence, if it is valid.
    CheckEvidence,
    /// Verify its proposer's signature before anything is fetched for it.
    Authenticate,
    /// It needs a block that is not at hand.
    Park(Root, Wait),
    /// It is invalid.
    Refuse(ImportError),
    /// Check transition and signatures.
    Check,
}

/// What matters about the node when a block arrives.
#[derive(Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) chain: &'a LeanChain,
    /// Whether the block, or its parent, is remembered as invalid.
    pub(super) is_condemned: bool,
    /// The block with this root that is being checked.
    pub(super) checking: Option<&'a PendingBlock>,
    /// Whether there is room to check another one.
    pub(super) has_room: bool,
    /// What waits for it.
    pub(super) need: Option<Need>,
    /// Whether its slot's place is free for it.
    pub(super) has_place: bool,
    /// Whether it would be held until the next slot begins.
    pub(super) has_early_place: bool,
    /// Whether as many other blocks of its slot wait as may while nothing needs them.
    pub(super) is_crowded: bool,
    /// Whether no equivocation of its proposer is known for its slot yet.
    pub(super) wants_evidence: bool,
}

/// Decides. The order matters: what costs least, and what the bytes alone prove, comes first.
pub(super) fn triage(pending: &PendingBlock, circumstances: &Circumstances<'_>) -> BlockTriage {
    use BlockTriage::{
        Answer, Authenticate, Check, CheckEvidence, Condemned, Hold, Join, OtherEnvelope, Park,
        Refuse,
    };
    let chain = circumstances.chain;
    let (slot, current) = (pending.slot(), chain.current_slot());
    if chain.contains(&pending.root) || slot <= chain.latest_finalized().slot {
        return Answer(Verdict::Ignore);
    }
    if circumstances.is_condemned {
        return Condemned;
    }
    if let Some(error) = wrong_proposer(pending, chain) {
        return Refuse(error);
    }
    let expected = pending.block.block().body.attestations.len() + 1;
    let found = pending.block.signature.len();
    if found != expected {
        return Refuse(ImportError::SignatureCount { expected, found });
    }
    // A matter of clocks: ours may be the one that is wrong.
    if slot > current + 1 {
        return Answer(Verdict::Ignore);
    }
    if let Some(same) = circumstances.checking {
        return if same.block == pending.block {
            Join
        } else {
            OtherEnvelope
        };
    }
    let binding = pending.binding();
    if !is_needed(binding, circumstances.need) {
        if binding == Binding::Unbound {
            let is_gossip = pending.origin.is_gossip();
            return Answer(if is_gossip {
                Verdict::Reject
            } else {
                Verdict::Ignore
            });
        }
        if !circumstances.has_place {
            let is_evidence = binding == Binding::Bound && circumstances.wants_evidence;
            // Whoever can make them needs no key: they are looked at where there is room.
            return if is_evidence && circumstances.has_room {
                CheckEvidence
            } else {
                Answer(Verdict::Ignore)
            };
        }
        if is_bloated(
            &pending.block.block().body.attestations,
            chain.validator_count(),
        ) {
            return Answer(Verdict::Ignore);
        }
    }
    // Places for early blocks are few: they are for blocks that their proposers have signed.
    let may_be_verified = circumstances.has_room && circumstances.has_early_place;
    let hold = |slot| match (pending.is_authentic, may_be_verified) {
        (true, _) => Hold(slot),
        (false, true) => Authenticate,
        (false, false) => Answer(Verdict::Ignore),
    };
    if slot > current {
        // The sender's clock is a little ahead of ours.
        return hold(slot);
    }
    match tree_fit(pending, chain) {
        Fit::Fits if circumstances.has_room => Check,
        Fit::Fits => Answer(Verdict::Ignore),
        Fit::Needs(..)
            if circumstances.is_crowded
                && circumstances.need.is_none()
                && pending.origin.is_gossip() =>
        {
            Answer(Verdict::Ignore)
        }
        // The root of a needed block proves its parent; the blocks that it names may come from a forged envelope.
        Fit::Needs(unknown, wait)
            if pending.is_authentic || wait == Wait::Parent && circumstances.need.is_some() =>
        {
            Park(unknown, wait)
        }
        Fit::Needs(..) if circumstances.has_room => Authenticate,
        Fit::Needs(..) => Answer(Verdict::Ignore),
        Fit::From(slot) if slot <= current + 1 => hold(slot),
        Fit::From(_) | Fit::RuledOut => Answer(Verdict::Ignore),
        Fit::Not(error) => Refuse(error.into()),
    }
}

/// Whether a block is imported although it has no place of its own: an ancestor always, one that is merely named only if
/// its slot's proposer has signed it.
pub(super) fn is_needed(binding: Binding, need: Option<Need>) -> bool {
    match need {
        Some(Need::Ancestor) => true,
        Some(Need::Name) => binding > Binding::Unbound,
        None => false,
    }
}

/// The error that the transition would return in the end; it can be found without a state.
fn wrong_proposer(pending: &PendingBlock, chain: &LeanChain) -> Option<ImportError> {
    let block = pending.block.block();
    let expected = proposer_index(block.slot, chain.validator_count())?;
    (block.proposer_index != expected).then(|| {
        let error = TransitionError::WrongProposer {
            slot: block.slot,
            expected,
            found: block.proposer_index,
        };
        error.into()
    })
}

/// How a block fits the tree.
enum Fit {
    Fits,
    /// It needs this block first.
    Needs(Root, Wait),
    /// It carries a vote that may count from this slot on.
    From(Slot),
    /// Finality has ruled its branch out, which its sender may not know yet.
    RuledOut,
    Not(BlockError),
}

fn tree_fit(pending: &PendingBlock, chain: &LeanChain) -> Fit {
    let BlockWithAttestation {
        block,
        proposer_attestation,
    } = &pending.block.message;
    let info = BlockInfo {
        root: pending.root,
        parent_root: block.parent_root,
        slot: block.slot,
    };
    let verdict = chain.fork_choice().validate_block(
        &info,
        &block.body.attestations,
        proposer_attestation,
        pending.names,
    );
    match verdict {
        Ok(()) => Fit::Fits,
        Err(BlockError::UnknownParent { parent_root, .. }) => Fit::Needs(parent_root, Wait::Parent),
        Err(BlockError::RuledOut { .. }) => Fit::RuledOut,
        Err(
            error @ (BlockError::BodyAttestation { error: inner, .. }
            | BlockError::ProposerAttestation(inner)),
        ) => match inner {
            AttestationError::UnknownBlock { checkpoint, .. } => {
                Fit::Needs(checkpoint.root, Wait::Name)
            }
            // A vote in a block may be one slot ahead.
            AttestationError::FutureSlot { slot, .. } => Fit::From(slot.saturating_sub(1)),
            _ => Fit::Not(error),
        },
        Err(error) => Fit::Not(error),
    }
}

/// Whether an error is proven by what the block's root covers, together with the blocks that it names by their roots. Only
/// then the root is remembered as invalid. A block whose error depends on its envelope, on what we know, or on our clock is tried
/// again.
pub(super) fn condemns_block(error: &ImportError) -> bool {
    match error {
        ImportError::StateTransition(_) => true,
        ImportError::Block(error) => match error {
            BlockError::NotAfterParent { .. } => true,
            BlockError::BodyAttestation { error, .. } => match error {
                AttestationError::ValidatorNotInRegistry { .. }
                | AttestationError::SourceAfterTarget { .. }
                | AttestationError::WrongSlot { .. } => true,
                AttestationError::UnknownBlock { .. }
                | AttestationError::OffChain { .. }
                | AttestationError::BeforeHead { .. }
                | AttestationError::FutureSlot { .. } => false,
            },
            BlockError::UnknownParent { .. }
            | BlockError::RuledOut { .. }
            | BlockError::UnknownJustified { .. }
            | BlockError::ProposerAttestation(_) => false,
        },
        ImportError::SignatureCount { .. }
        | ImportError::ValidatorNotInRegistry { .. }
        | ImportError::InvalidSignature { .. }
        | ImportError::UnknownParent(_)
        | ImportError::Attestation(_)
        | ImportError::Processor(_)
        | ImportError::Store(_) => false,
    }
}

/// Whether an error lies in what the envelope names, and depends on which of these blocks are known: who does not know them may have
/// imported the block in this envelope, by the word of the other validators.
pub(super) fn depends_on_view(error: &ImportError) -> bool {
    matches!(
        error,
        ImportError::Block(BlockError::ProposerAttestation(
            AttestationError::WrongSlot { .. } | AttestationError::UnknownBlock { .. }
        ))
    )
}

/// Whether a validator has signed a block whose transition fails: strangers can cause no such error. The transition is applied
/// to blocks with valid signatures of their proposers only, but who the proposer is is looked at before.
pub(super) fn is_signed_and_invalid(binding: Binding, error: &ImportError) -> bool {
    let is_of_transition = matches!(error, ImportError::StateTransition(error)
        if !matches!(error, TransitionError::WrongProposer { .. }));
    is_of_transition && binding == Binding::Bound
}

#[cfg(test)]
pub(super) mod tests;
