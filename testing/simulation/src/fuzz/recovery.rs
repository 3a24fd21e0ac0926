//! How long finality takes to move again, and how long it may take.

use quartet_types::{Slot, is_justifiable_after};

/// Slots beyond 2·√d, or beyond the slot that completes a pair of justifiable slots, that a recovery may take.
const ALLOWANCE: Slot = 8;

/// Slots for which a validator waits at most for a checkpoint that was lost with the blocks of those who knew it, and slots
/// until there are two justifiable ones again.
const CAUTION: Slot = 48;

/// How finality came back once the network was healthy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// How many slots finality was behind when the network became healthy.
    pub behind: Slot,
    /// Slots from then until finality had moved at every node beyond what any had finalized before.
    pub slots: Slot,
    /// Slots from then until the chain had the first complete pair of justifiable slots: before that, nothing can be
    /// finalized by the protocol's own rule. `None` where it had none in time.
    pub possible_after: Option<Slot>,
    /// Whether all who knew a justified checkpoint had lost it: validators that voted from it wait before they go on without it.
    pub after_losses: bool,
}

impl Recovery {
    /// By how much the recovery took longer than 2·√d.
    pub fn excess(&self) -> f64 {
        self.slots as f64 - 2.0 * (self.behind as f64).sqrt()
    }

    /// Whether it was in time: within 2·√d + 8 slots, or where silent proposers have left justifiable slots empty, within
    /// eight slots of the first complete pair of them.
    pub fn is_in_time(&self) -> bool {
        let slots = if self.after_losses {
            self.slots.saturating_sub(CAUTION)
        } else {
            self.slots
        };
        slots <= usual_slots(self.behind)
            || self
                .possible_after
                .is_none_or(|possible| slots <= possible + ALLOWANCE)
    }
}

/// Slots within which finality moves again when it is `behind` slots behind and no proposer is silent: 2·√d + 8.
pub fn usual_slots(behind: Slot) -> Slot {
    (2.0 * (behind as f64).sqrt()) as Slot + ALLOWANCE
}

/// What is known of a chain while its finality is waited for.
pub(super) struct Course<'a> {
    /// The finalized slot, from which the distance of justifiable slots is measured.
    pub(super) finalized: Slot,
    /// The highest justified slot when the network became healthy.
    pub(super) justified: Slot,
    /// When that was.
    pub(super) begin: Slot,
    /// The slot up to which the chain is known.
    pub(super) now: Slot,
    /// Whether the chain has a block in a slot.
    pub(super) has_block: &'a dyn Fn(Slot) -> bool,
    /// Whether the slot's proposer publishes its block in time, and carries all votes that it has heard.
    pub(super) is_reliable: &'a dyn Fn(Slot) -> bool,
}

impl Course<'_> {
    /// The second slot of the first *complete pair*: two neighbouring justifiable slots that both have a block of a reliable
    /// proposer, with another such block in time to justify the first one before votes go on to the second. The proposers
    /// before them must be reliable too: with a block that comes late, beside the next one, they can divide the votes. Pairs count from two
    /// slots after the network became healthy, or from what was justified then. `None` if there is none up to now.
    ///
    /// Nothing is finalized without such a pair: validators vote for the newest justifiable slot, and a step that leaves
    /// out a justifiable slot, empty or not, finalizes nothing.
    pub(super) fn completing_slot(&self) -> Option<Slot> {
        let is_justifiable = |slot: &Slot| is_justifiable_after(*slot, self.finalized) == Ok(true);
        // Until then safe targets and heads may still be what they were before messages came in time.
        let settled = self.begin + 2;
        let has_block = |slot: Slot| (self.has_block)(slot) && (self.is_reliable)(slot);
        let from_justified = (self.justified + 1..).find(is_justifiable);
        if let Some(next) = from_justified.filter(|next| *next >= settled)
            && next <= self.now
            && has_block(next)
        {
            return Some(next);
        }
        let slots: Vec<Slot> = (settled..=self.now).filter(is_justifiable).collect();
        let is_complete = |pair: &&[Slot]| {
            let mut between = pair[0] + 2..=pair[1] + 1;
            let is_calm = |slot: &Slot| has_block(*slot) && (self.is_reliable)(slot - 1);
            pair.iter().all(is_calm) && between.any(has_block)
        };
        slots.windows(2).find(is_complete).map(|pair| pair[1])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn completing_slot(behind: Slot, now: Slot, has_block: impl Fn(Slot) -> bool) -> Option<Slot> {
        let course = Course {
            finalized: 9,
            justified: 9,
            begin: 9 + behind,
            now,
            has_block: &has_block,
            is_reliable: &|_| true,
        };
        course.completing_slot()
    }

    #[test]
    fn a_chain_without_gaps_is_held_to_two_roots_and_eight_slots() {
        for behind in 3..2_000 {
            let completing = completing_slot(behind, 3 * behind + 60, |_| true);
            let after = completing.map(|slot| slot - behind - 9);
            // It takes three more slots until the votes for it are in a block.
            let in_time = after.is_some_and(|after| after + 3 <= usual_slots(behind));
            assert!(in_time, "{behind}: {after:?}");
        }
    }

    #[test]
    fn a_silent_proposer_on_a_justifiable_slot_makes_a_recovery_wait_for_the_next_pair() {
        // After 9: 15, 18, 21, 25, 29, 34, 39, 45, 51; proposers 4 and 6 of 7 are silent.
        let has_block = |slot: Slot| slot % 7 != 4 && slot % 7 != 6;
        assert_eq!(completing_slot(7, 60, has_block), Some(51));
        assert_eq!(completing_slot(7, 50, has_block), None);
        assert_eq!(completing_slot(7, 60, |_| true), Some(21));
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
