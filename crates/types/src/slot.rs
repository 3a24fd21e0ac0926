//! Rules that depend on slot numbers alone (leanSpec `containers/slot.py`, `types/validator.py`).

use crate::{Slot, ValidatorIndex};

/// A slot was asked about that lies before the finalized one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("slot {slot} is before the finalized slot {finalized}")]
pub struct SlotBeforeFinalized {
    /// The slot asked about.
    pub slot: Slot,
    /// The finalized slot.
    pub finalized: Slot,
}

/// Whether `slot` may be justified while `finalized` is the latest finalized slot: their distance is
/// at most 5, a perfect square, or the product of two consecutive integers.
///
/// # Errors
/// When `slot` lies before `finalized`.
pub fn is_justifiable_after(slot: Slot, finalized: Slot) -> Result<bool, SlotBeforeFinalized> {
    let delta = slot
        .checked_sub(finalized)
        .ok_or(SlotBeforeFinalized { slot, finalized })?;
    let root = delta.isqrt();
    // With n = ⌊√delta⌋, the only product n(n+1) that can equal delta is that of this n.
    Ok(delta <= 5
        || root * root == delta
        || u128::from(root) * u128::from(root + 1) == u128::from(delta))
}

/// The first slot from `slot` on that may be justified while `finalized` is the latest finalized slot, or `None` where
/// there is no such number.
///
/// # Errors
/// When `slot` lies before `finalized`.
pub fn next_justifiable(slot: Slot, finalized: Slot) -> Result<Option<Slot>, SlotBeforeFinalized> {
    let delta = slot
        .checked_sub(finalized)
        .ok_or(SlotBeforeFinalized { slot, finalized })?;
    if delta <= 5 {
        return Ok(Some(slot));
    }
    // n² ≤ delta < (n + 1)², and n(n + 1) lies between.
    let n = delta.isqrt();
    let candidates = [
        Some(n * n),
        n.checked_mul(n + 1),
        (n + 1).checked_mul(n + 1),
    ];
    let next = candidates.into_iter().flatten().find(|next| *next >= delta);
    Ok(next.and_then(|next| finalized.checked_add(next)))
}

/// The validator that proposes in `slot`, or `None` for an empty registry.
pub fn proposer_index(slot: Slot, validators: u64) -> Option<ValidatorIndex> {
    slot.checked_rem(validators)
}

/// Whether `validator` proposes in `slot`.
pub fn is_proposer(validator: ValidatorIndex, slot: Slot, validators: u64) -> bool {
    proposer_index(slot, validators) == Some(validator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_distances_do_not_overflow() {
        assert_eq!(is_justifiable_after(u64::MAX, 0), Ok(false));
        let n = u64::from(u32::MAX);
        assert_eq!(is_justifiable_after(n * n, 0), Ok(true));
        assert_eq!(is_justifiable_after(n * (n + 1), 0), Ok(true));
        assert_eq!(is_justifiable_after(n * n + 1, 0), Ok(false));
    }

    #[test]
    fn the_next_justifiable_slot_is_the_first_one_found_by_trying() {
        for finalized in [0, 3, 100] {
            for slot in finalized..finalized + 3_000 {
                let tried =
                    (slot..).find(|slot| is_justifiable_after(*slot, finalized) == Ok(true));
                assert_eq!(
                    next_justifiable(slot, finalized),
                    Ok(tried),
                    "{slot} after {finalized}"
                );
            }
        }
        let error = SlotBeforeFinalized {
            slot: 2,
            finalized: 3,
        };
        assert_eq!(next_justifiable(2, 3), Err(error));
        assert_eq!(next_justifiable(u64::MAX, 0), Ok(None));
        assert_eq!(
            next_justifiable(u64::MAX - 1, u64::MAX - 7),
            Ok(Some(u64::MAX - 1))
        );
        assert_eq!(next_justifiable(u64::MAX, u64::MAX - 8), Ok(None));
    }

    #[test]
    fn an_empty_registry_has_no_proposer() {
        assert_eq!(proposer_index(7, 0), None);
        assert!(!is_proposer(0, 7, 0));
    }
}
