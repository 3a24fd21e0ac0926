//! Which blocks may be imported although nothing needs them: of each slot the first bound one, and before it one half-bound one.
//! And how many others because something names them.

use std::collections::BTreeMap;

use quartet_types::{Root, Slot};

use crate::envelope::Binding;

/// The oldest slot, counted back from the current one, of which a half-bound block is still taken from gossip. Anybody can make
/// one at any time from the attestation of a proposer that did not propose.
const MAX_HALF_BOUND_AGE: Slot = 8;
/// Blocks of a slot without a place that are imported until no more are because something merely names them: one proposer can
/// sign as many as it likes, each of which names others.
const MAX_NAMED: usize = 16;

/// The places of all slots after the finalized one, hence at most the protocol's 2^18 of some 100 bytes.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    slots: BTreeMap<Slot, Places>,
}

#[derive(Debug, Default)]
struct Places {
    bound: Option<Root>,
    half_bound: Option<Root>,
    /// How many other blocks of the slot have been imported.
    others: usize,
}

impl Admissions {
    /// Whether a block may be imported although nothing else needs it.
    pub(super) fn has_place(
        &self,
        slot: Slot,
        root: Root,
        binding: Binding,
        current_slot: Slot,
    ) -> bool {
        let is_recent = slot.saturating_add(MAX_HALF_BOUND_AGE) >= current_slot;
        (is_recent || binding != Binding::HalfBound) && self.is_free_for(slot, root, binding)
    }

    /// Whether the place of its kind is free for a block, however old it is.
    pub(super) fn is_free_for(&self, slot: Slot, root: Root, binding: Binding) -> bool {
        let places = self.slots.get(&slot);
        let bound = places.and_then(|places| places.bound);
        let half_bound = places.and_then(|places| places.half_bound);
        match binding {
            Binding::Unbound => false,
            Binding::HalfBound => bound.is_none() && half_bound.is_none_or(|first| first == root),
            Binding::Bound => bound.is_none_or(|first| first == root),
        }
    }

    /// Whether another block of a slot may be imported because something merely names it.
    pub(super) fn has_place_for_named(&self, slot: Slot) -> bool {
        let places = self.slots.get(&slot);
        places.is_none_or(|places| places.others < MAX_NAMED)
    }

    /// Notes a block that has been imported. The first one of its kind has the place.
    pub(super) fn admit(&mut self, slot: Slot, root: Root, binding: Binding) {
        let places = self.slots.entry(slot).or_default();
        let has_place = match binding {
            Binding::Unbound => false,
            Binding::HalfBound => *places.half_bound.get_or_insert(root) == root,
            Binding::Bound => *places.bound.get_or_insert(root) == root,
        };
        places.others += usize::from(!has_place);
    }

    /// Forgets the slots up to a finalized one.
    pub(super) fn prune(&mut self, finalized: Slot) {
        self.slots = self.slots.split_off(&(finalized + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_one_place_for_a_bound_block_and_one_before_it_for_a_half_bound_one() {
        use Binding::{Bound, HalfBound, Unbound};
        let [first, second, third] = [1, 2, 3].map(Root::repeat_byte);
        let mut admissions = Admissions::default();
        let has_place =
            |admissions: &Admissions, root, binding| admissions.has_place(20, root, binding, 21);
        assert!(!has_place(&admissions, first, Unbound));
        admissions.admit(20, first, HalfBound);
        assert!(has_place(&admissions, first, HalfBound));
        assert!(!has_place(&admissions, second, HalfBound));
        assert!(has_place(&admissions, second, Bound));
        admissions.admit(20, second, Bound);
        assert!(has_place(&admissions, second, Bound));
        assert!(!has_place(&admissions, third, Bound));
        assert!(!has_place(&admissions, third, HalfBound));

        for _ in 0..MAX_NAMED {
            assert!(admissions.has_place_for_named(20));
            admissions.admit(20, third, Bound);
            admissions.admit(20, second, Bound);
        }
        assert!(!admissions.has_place_for_named(20) && admissions.has_place_for_named(21));

        assert!(admissions.has_place(12, third, HalfBound, 20));
        assert!(!admissions.has_place(11, third, HalfBound, 20));
        assert!(admissions.has_place(11, third, Bound, 2_000));
        admissions.prune(20);
        assert!(admissions.slots.is_empty());
    }
}
