//! Which blocks are known to be invalid: those whose bytes prove it, and those that build on them.

use std::collections::{HashSet, VecDeque};

use quartet_types::{Attestation, Root, Slot};

/// Roots of invalid blocks that are remembered, and as many of blocks that build on them.
const MAX_INVALID: usize = 1024;

/// The roots of invalid blocks. Those that build on one have places of their own: anybody can make such blocks, and they must not
/// push out the proven ones.
#[derive(Debug, Default)]
pub(super) struct Condemned {
    proven: Remembered,
    below: Remembered,
    /// The slot in which the log was told of one that a validator had signed.
    told_in: Option<Slot>,
}

impl Condemned {
    /// Whether a block is known to be invalid.
    pub(super) fn contains(&self, root: &Root) -> bool {
        self.proven.roots.contains(root) || self.below.roots.contains(root)
    }

    /// A block's own bytes prove that it is invalid.
    pub(super) fn prove(&mut self, root: Root) {
        self.proven.insert(root);
    }

    /// Whether to warn, in the slot `now`, of an invalid block that its proposer has signed: once in a slot, since a validator can
    /// sign as many as it likes.
    pub(super) fn should_warn(&mut self, now: Slot) -> bool {
        self.told_in.replace(now) != Some(now)
    }

    /// A block builds on one that is invalid.
    pub(super) fn inherit(&mut self, root: Root) {
        if !self.contains(&root) {
            self.below.insert(root);
        }
    }

    /// Whether a vote names an invalid block: it says nothing of the chain, even if its signature is valid.
    pub(super) fn is_voted_for(&self, vote: &Attestation) -> bool {
        let data = &vote.data;
        let mut named = [data.head, data.target, data.source].into_iter();
        named.any(|checkpoint| self.contains(&checkpoint.root))
    }
}

/// A set that forgets the oldest.
#[derive(Debug, Default)]
struct Remembered {
    order: VecDeque<Root>,
    roots: HashSet<Root>,
}

impl Remembered {
    fn insert(&mut self, root: Root) {
        if self.roots.insert(root) {
            self.order.push_back(root);
        }
        if self.order.len() > MAX_INVALID
            && let Some(oldest) = self.order.pop_front()
        {
            self.roots.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signed_invalid_block_in_a_slot_is_logged() {
        let mut condemned = Condemned::default();
        let told = [7, 7, 7, 8, 8].map(|slot| condemned.should_warn(slot));
        assert_eq!(told, [true, false, false, true, false]);
    }

    #[test]
    fn descendants_of_invalid_blocks_push_out_no_invalid_block() {
        let root = |number: usize| Root::left_padding_from(&number.to_be_bytes());
        let mut condemned = Condemned::default();
        condemned.prove(root(1));
        condemned.inherit(root(1));
        for number in 2..=MAX_INVALID + 2 {
            condemned.inherit(root(number));
        }
        assert!(condemned.contains(&root(1)) && !condemned.contains(&root(2)));
        assert!(condemned.contains(&root(3)) && condemned.contains(&root(MAX_INVALID + 2)));
        for number in 2..=MAX_INVALID {
            condemned.prove(root(number));
        }
        assert!(condemned.contains(&root(1)));
        condemned.prove(root(MAX_INVALID + 9));
        assert!(!condemned.contains(&root(1)));
    }
}
