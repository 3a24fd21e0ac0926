//! How long finality takes to move again, and how long it may take.

use quartet_types::{Slot, is_justifiable_after};

/// Slots beyond 2·√d, or beyond the slot that completes a pair, that a recovery may take.
const ALLOWANCE: Slot = 8;

/// How finality came back once the network was healthy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// How many slots finality was behind when the network became healthy.
    pub behind: Slot,
    /// Slots from then until finality had moved at every node beyond what any had finalized before.
    pub slots: Slot,
    /// Slots from then until the chain had the first pair of neighbouring justifiable slots that both have a block: before
    /// that, nothing can be finalized by the protocol's own rule. `None` where it had none in time.
    pub possible_after: Option<Slot>,
}

impl Recovery {
    /// By how much the recovery took longer than 2·√d.
    pub fn excess(&self) -> f64 {
        self.slots as f64 - 2.0 * (self.behind as f64).sqrt()
    }

    /// Whether it was in time.
    pub fn is_in_time(&self) -> bool {
        self.slots <= allowed_slots(self.behind, self.possible_after)
    }
}

/// Slots within which finality must move again when it is `behind` slots behind: 2·√d + 8, or where silent proposers have
/// left justifiable slots empty, eight slots after the first pair of neighbouring ones that both have a block.
pub fn allowed_slots(behind: Slot, possible_after: Option<Slot>) -> Slot {
    let usual = (2.0 * (behind as f64).sqrt()) as Slot + ALLOWANCE;
    let after_pair = possible_after.map_or(0, |slots| slots + ALLOWANCE);
    usual.max(after_pair)
}

/// The slot in which finality can be completed: the second of the first two neighbouring slots that are justifiable after
/// `finalized` and that both have a block, beginning with the newest one that had a block when the network became
/// healthy, in slot `begin`. `None` if there is none up to `now`.
pub(super) fn completing_slot(
    finalized: Slot,
    begin: Slot,
    now: Slot,
    has_block: impl Fn(Slot) -> bool,
) -> Option<Slot> {
    let is_justifiable = |slot: &Slot| is_justifiable_after(*slot, finalized) == Ok(true);
    let first = (finalized + 1..=begin)
        .rev()
        .filter(is_justifiable)
        .find(|slot| has_block(*slot));
    let slots: Vec<Slot> = (first.unwrap_or(begin)..=now)
        .filter(is_justifiable)
        .collect();
    let mut pairs = slots.windows(2);
    let complete = pairs.find(|pair| pair.iter().all(|slot| has_block(*slot)));
    complete.map(|pair| pair[1])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_chain_without_gaps_is_held_to_two_roots_and_eight_slots() {
        for behind in 1..2_000 {
            let completing = completing_slot(0, behind, 3 * behind + 10, |_| true);
            let after = completing.map(|slot| slot - behind);
            assert!(
                after.is_some_and(|after| after + 4 <= allowed_slots(behind, None)),
                "{behind}"
            );
        }
    }

    #[test]
    fn a_silent_proposer_on_a_justifiable_slot_makes_a_recovery_wait_for_the_next_pair() {
        // After 9: 15, 18, 21, 25, 29, 34, 39, 45, 51; proposers 4 and 6 of 7 are silent.
        let has_block = |slot: Slot| slot % 7 != 4 && slot % 7 != 6;
        assert_eq!(completing_slot(9, 16, 60, has_block), Some(51));
        assert_eq!(completing_slot(9, 16, 50, has_block), None);
        assert_eq!(completing_slot(9, 16, 60, |_| true), Some(18));
    }

    /// Which sets of fewer than a third of `validators` proposers, by their distance from the finalized slot, can make every
    /// far pair of neighbouring justifiable slots incomplete by their silence. The smallest first.
    fn blocking(validators: Slot) -> Option<BTreeSet<Slot>> {
        let far = 4 * validators;
        let mut pairs = BTreeSet::new();
        for number in far..far + 2 * validators {
            let [square, pronic, next] = [
                number * number,
                number * (number + 1),
                (number + 1) * (number + 1),
            ];
            pairs.insert((square % validators, pronic % validators));
            pairs.insert((pronic % validators, next % validators));
        }
        let mut sets: Vec<BTreeSet<Slot>> = vec![BTreeSet::new()];
        for _ in 0..(validators - 1) / 3 {
            let longer = |set: &BTreeSet<Slot>| {
                let from = set.last().map_or(0, |last| last + 1);
                let set = set.clone();
                (from..validators).map(move |one| set.iter().copied().chain([one]).collect())
            };
            sets = sets.iter().flat_map(longer).collect();
            let blocks = |set: &&BTreeSet<Slot>| {
                pairs
                    .iter()
                    .all(|(one, other)| set.contains(one) || set.contains(other))
            };
            if let Some(set) = sets.iter().find(blocks) {
                return Some(set.clone());
            }
        }
        None
    }

    #[test]
    fn for_some_registries_a_silent_third_can_stop_finality_by_the_protocols_own_rule() {
        let found: Vec<(Slot, Vec<Slot>)> = (4..=16)
            .filter_map(|validators| {
                Some((validators, blocking(validators)?.into_iter().collect()))
            })
            .collect();
        let expected: [(Slot, &[Slot]); 3] =
            [(10, &[0, 2, 6]), (14, &[0, 2, 6, 9]), (16, &[0, 1, 4, 9])];
        let expected: Vec<_> = expected
            .map(|(validators, set)| (validators, set.to_vec()))
            .into();
        assert_eq!(found, expected);
    }
}
