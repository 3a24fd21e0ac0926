//! The body's attestations: which of them count, what they justify, and what that finalizes.

use quartet_types::{AttestationData, Attestations, Slot, State, is_justifiable_after};

use crate::{CheckpointRole, Error, tallies::Tallies};

/// Counts the attestations one after another by the rules of 3SF-mini.
///
/// Source: leanSpec `State.process_attestations`. Both tests of justifiability use the finalized slot from
/// *before* this block's attestations, while justification itself takes effect from one attestation to the next.
pub(crate) fn process_attestations(
    state: &mut State,
    attestations: &Attestations,
) -> Result<(), Error> {
    if attestations.is_empty() {
        return Ok(());
    }
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
        }
    }
    tallies.write(state)
}

/// Whether a vote would be counted in the next block, and so may bring its target closer to being justified.
pub(crate) fn would_count(state: &State, data: &AttestationData) -> bool {
    let countable = matches!(countable(state, 0, data), Ok(Some(_)));
    countable && is_justifiable_after(data.target.slot, state.latest_finalized.slot) == Ok(true)
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
    for slot in source + 1..target {
        if is_justifiable_after(slot, finalized)? {
            return Ok(true);
        }
    }
    Ok(false)
}
