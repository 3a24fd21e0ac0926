//! The body's attestations: which of them count, what they justify, and what that finalizes.

use std::collections::BTreeMap;

use quartet_types::{
    Attestation, AttestationData, Checkpoint, CheckpointRole, Root, Slot, State,
    is_justifiable_after, next_justifiable,
};

use crate::{Error, tallies::Tallies};

/// Counts the attestations one after another by the rules of 3SF-mini.
///
/// Source: leanSpec `State.process_attestations`. Both tests of justifiability use the finalized slot from
/// *before* this block's attestations, while justification itself takes effect from one attestation to the next.
///
/// Returns the position of the first attestation that finalizes something.
pub(crate) fn process_attestations(
    state: &mut State,
    attestations: &[Attestation],
) -> Result<Option<usize>, Error> {
    if attestations.is_empty() {
        return Ok(None);
    }
    let mut finalizing = None;
    let finalized = state.latest_finalized.slot;
    let mut tallies = Tallies::read(state)?;

    for (attestation, vote) in attestations.iter().enumerate() {
        let data = &vote.data;
        let before_finalized = |error| Error::BeforeFinalized { attestation, error };
        let Some(target_index) = countable(state, attestation, data)? else {
            continue;
        };
        if !is_justifiable_after(data.target.slot, finalized).map_err(before_finalized)? {
            continue;
        }

        let votes = tallies.add_vote(data.target.root, vote.validator_id, attestation)?;
        if !is_supermajority(votes, tallies.validators()) {
            continue;
        }
        state.latest_justified = data.target;
        state.justified_slots.set(target_index, true)?;
        tallies.remove(data.target.root);

        // Nothing could have been justified between the two, so the source's branch is the only one.
        if !any_justifiable_between(data.source.slot, data.target.slot, finalized)
            .map_err(before_finalized)?
        {
            state.latest_finalized = data.source;
            finalizing = finalizing.or(Some(attestation));
        }
    }
    tallies.write(state)?;
    Ok(finalizing)
}

/// What the next block on a state could count.
pub(crate) struct Countable<'a> {
    state: &'a State,
    /// Position of each target's run of votes.
    tallied: BTreeMap<Root, usize>,
    highest_justified: Checkpoint,
}

impl<'a> Countable<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        let targets = state.justifications_roots.iter().copied();
        Self {
            state,
            tallied: targets.zip(0..).collect(),
            highest_justified: state.highest_justified(),
        }
    }

    /// The highest checkpoint that the chain has justified.
    pub(crate) fn highest_justified(&self) -> Checkpoint {
        self.highest_justified
    }

    /// Whether a vote brings its target closer to being justified.
    pub(crate) fn counts(&self, vote: &Attestation) -> bool {
        let data = &vote.data;
        let finalized = self.state.latest_finalized.slot;
        self.is_countable(vote)
            && is_justifiable_after(data.target.slot, finalized) == Ok(true)
            && !self.has_voted(vote)
    }

    /// Whether a vote's source is justified, its target is not, and both are on this chain; whatever the finalized
    /// slot.
    pub(crate) fn is_countable(&self, vote: &Attestation) -> bool {
        matches!(countable(self.state, 0, &vote.data), Ok(Some(_)))
    }

    /// Whether a block that carries this vote would be invalid, or would be when it is completed.
    pub(crate) fn would_invalidate_block(&self, vote: &Attestation) -> bool {
        vote.validator_id >= self.state.validator_count()
            || match countable(self.state, 0, &vote.data) {
                Err(_) => true,
                Ok(None) => false,
                // Its target comes after its source.
                Ok(Some(_)) => vote.data.source.slot < self.state.latest_finalized.slot,
            }
    }

    /// Whether a vote could only set the chain back: to an older justified checkpoint.
    pub(crate) fn would_lower_justified(&self, vote: &Attestation) -> bool {
        vote.data.target.slot < self.highest_justified.slot && self.is_countable(vote)
    }

    fn has_voted(&self, vote: &Attestation) -> bool {
        let validators = self.state.validators.len();
        let bit = |run: &usize| run * validators + vote.validator_id as usize;
        let bit = self.tallied.get(&vote.data.target.root).map(bit);
        bit.is_some_and(|bit| self.state.justifications_validators.get(bit) == Some(true))
    }
}

/// Whether the chain knows both checkpoints and the step from source to target is a new one: then the
/// target's position in the history.
fn countable(
    state: &State,
    attestation: usize,
    data: &AttestationData,
) -> Result<Option<usize>, Error> {
    let (source, target) = (data.source, data.target);
    let length = state
        .justified_slots
        .len()
        .min(state.historical_block_hashes.len());
    let position = |role, slot: Slot| {
        usize::try_from(slot)
            .ok()
            .filter(|index| *index < length)
            .ok_or(Error::BeyondHistory {
                attestation,
                role,
                slot,
                length,
            })
    };

    let source_index = position(CheckpointRole::Source, source.slot)?;
    if state.justified_slots.get(source_index) != Some(true) {
        return Ok(None);
    }
    let target_index = position(CheckpointRole::Target, target.slot)?;
    if state.justified_slots.get(target_index) != Some(false) {
        return Ok(None);
    }
    let counts = state.historical_block_hashes.get(source_index) == Some(&source.root)
        && state.historical_block_hashes.get(target_index) == Some(&target.root)
        && target.slot > source.slot;
    Ok(counts.then_some(target_index))
}

/// At least two thirds, in whole numbers so that nothing is lost to rounding.
fn is_supermajority(votes: usize, validators: usize) -> bool {
    3 * votes >= 2 * validators
}

/// Whether a slot strictly between `source` and `target` is justifiable while `finalized` is.
fn any_justifiable_between(
    source: Slot,
    target: Slot,
    finalized: Slot,
) -> Result<bool, quartet_types::SlotBeforeFinalized> {
    let first = source + 1;
    if first >= target {
        return Ok(false);
    }
    let next = next_justifiable(first, finalized)?;
    Ok(next.is_some_and(|next| next < target))
}
