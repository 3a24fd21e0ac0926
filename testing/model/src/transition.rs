//! The state transition of 3SF-mini as 050fa4a has it, on small numbers.

use std::collections::BTreeMap;

use crate::{
    block::{Blocks, Vote},
    names::{Root, Slot, Validators},
};

/// What a block's state says of justification and finality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostState {
    /// The slots whose block on this chain is justified, as bits.
    pub justified_slots: u128,
    /// `latest_justified`, which may move back.
    pub justified: Root,
    /// `latest_finalized`.
    pub finalized: Root,
    /// Who has voted for each target that is not justified yet, *whatever the source of the vote*.
    pub tallies: BTreeMap<Root, Validators>,
    /// Who has voted for each pair of source and target. The specification keeps no such tally: it is here for the
    /// stricter finality that [`Rules::finality_counts_one_source`](crate::Rules) proposes.
    pub links: BTreeMap<(Root, Root), Validators>,
    /// The highest checkpoint that is finalized by such votes.
    pub link_finalized: Root,
    /// The highest checkpoint that is finalized by such votes for a target in the next slot.
    pub adjacent_finalized: Root,
}

/// Whether a slot may be justified while `finalized` is; `None` for one before it.
#[must_use]
pub fn is_justifiable_after(slot: Slot, finalized: Slot) -> Option<bool> {
    let delta = u32::from(slot.checked_sub(finalized)?);
    let square_or_pronic = (0..=delta).any(|n| n * n == delta || n * (n + 1) == delta);
    Some(delta <= 5 || square_or_pronic)
}

/// At least two thirds.
#[must_use]
pub fn is_supermajority(votes: Validators, validators: u8) -> bool {
    3 * votes.count() >= 2 * u32::from(validators)
}

impl PostState {
    /// The state in which the model begins.
    #[must_use]
    pub fn genesis() -> Self {
        Self {
            justified_slots: 1,
            justified: Root::GENESIS,
            finalized: Root::GENESIS,
            tallies: BTreeMap::new(),
            links: BTreeMap::new(),
            link_finalized: Root::GENESIS,
            adjacent_finalized: Root::GENESIS,
        }
    }

    /// Whether a slot of this chain is justified.
    #[must_use]
    pub fn is_justified(&self, slot: Slot) -> bool {
        self.justified_slots >> slot & 1 == 1
    }

    /// Whether a vote would be counted on top of `parent`, whose state this is: 050fa4a's five conditions.
    #[must_use]
    pub fn counts(&self, blocks: &Blocks, parent: Root, vote: &Vote) -> bool {
        let (source, target) = (blocks.slot(vote.source), blocks.slot(vote.target));
        self.is_justified(source)
            && !self.is_justified(target)
            && blocks.is_ancestor(vote.source, parent)
            && blocks.is_ancestor(vote.target, parent)
            && target > source
            && is_justifiable_after(target, blocks.slot(self.finalized)) == Some(true)
    }

    /// Whether a vote would be counted and its validator is not yet tallied for its target.
    #[must_use]
    pub fn counts_anew(&self, blocks: &Blocks, parent: Root, vote: &Vote) -> bool {
        let tallied = self.tallies.get(&vote.target);
        self.counts(blocks, parent, vote)
            && !tallied.is_some_and(|tally| tally.contains(vote.validator))
    }

    /// The state after a block in `slot` on `parent`, whose state this is; `None` if the block is invalid.
    ///
    /// As in 050fa4a the finalized slot of *before* the body decides what is justifiable, and the tally of a target
    /// takes votes of every source.
    #[must_use]
    pub fn apply(
        &self,
        blocks: &Blocks,
        parent: Root,
        slot: Slot,
        body: &[Vote],
        validators: u8,
    ) -> Option<Self> {
        if slot <= blocks.slot(parent) {
            return None;
        }
        let finalized_before = blocks.slot(self.finalized);
        let mut state = self.clone();
        for vote in body {
            let (source, target) = (blocks.slot(vote.source), blocks.slot(vote.target));
            if source >= slot || target >= slot {
                return None;
            }
            let eligible = state.is_justified(source)
                && !state.is_justified(target)
                && blocks.is_ancestor(vote.source, parent)
                && blocks.is_ancestor(vote.target, parent)
                && target > source;
            if !eligible || !is_justifiable_after(target, finalized_before)? {
                continue;
            }
            let link = (vote.source, vote.target);
            state.links.entry(link).or_default().insert(vote.validator);
            let tally = state.tallies.entry(vote.target).or_default();
            tally.insert(vote.validator);
            if !is_supermajority(*tally, validators) {
                continue;
            }
            state.justified = vote.target;
            state.justified_slots |= 1 << target;
            state.tallies.remove(&vote.target);
            let mut between = false;
            for slot in source + 1..target {
                if is_justifiable_after(slot, finalized_before)? {
                    between = true;
                    break;
                }
            }
            if !between {
                state.finalized = vote.source;
                let of_one_source = state.links.get(&link).copied().unwrap_or_default();
                if is_supermajority(of_one_source, validators) {
                    let higher = |than| source > blocks.slot(than);
                    if higher(state.link_finalized) {
                        state.link_finalized = vote.source;
                    }
                    if target == source + 1 && higher(state.adjacent_finalized) {
                        state.adjacent_finalized = vote.source;
                    }
                }
            }
        }
        Some(state)
    }
}
