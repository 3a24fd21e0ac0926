//! The votes along a path of blocks, and where a rival beside the path has more of them than the path goes on with.

use std::cmp::Ordering;

use crate::{
    nodes::{NOBODY, NodeIndex, Nodes},
    segments::Segments,
};

/// A stretch of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Votes for its blocks and for all that descends from them beside the path.
    pub(crate) votes: u32,
    /// By how much the best rival of one of its blocks leads what the stretch has below that block, at most; see
    /// [`Rival::lead`]. Zero where none leads.
    pub(crate) lead: u32,
}

impl Sum {
    /// Both stretches as one, the second below the first.
    pub(crate) fn then(self, below: Self) -> Self {
        Self {
            votes: self.votes + below.votes,
            lead: self.lead.saturating_sub(2 * below.votes).max(below.lead),
        }
    }
}

/// The blocks of a path, from the top down.
pub(crate) type Sums = Segments<Sum>;

impl Sums {
    /// Votes for the block at this position and all its descendants.
    pub(crate) fn votes_from(&self, position: u32) -> u32 {
        if self.len() == 1 {
            return self.all().votes;
        }
        let (tree, leaves) = self.tree();
        let mut at = leaves + position as usize;
        let mut votes = tree[at].votes;
        while at > 1 {
            if at.is_multiple_of(2) {
                votes += tree[at + 1].votes;
            }
            at /= 2;
        }
        votes
    }

    /// The first block at this position or below it that has a rival with more votes than the path goes on with.
    pub(crate) fn first_exit(&self, position: u32) -> Option<u32> {
        if self.len() == 1 {
            // A block without a child on the path has none beside it.
            return None;
        }
        let (tree, leaves) = self.tree();
        let leads = |at: usize, below: u32| tree[at].lead > 2 * below;
        let mut at = leaves + position as usize;
        let mut below = self.votes_from(position) - tree[at].votes;
        // Stretch by stretch to the right, each as long as it can be, until one has an exit.
        while !leads(at, below) {
            while at % 2 == 1 {
                at /= 2;
            }
            if at == 0 {
                return None;
            }
            at += 1;
            below -= tree[at].votes;
        }
        while at < leaves {
            at *= 2;
            let below_left = below + tree[at + 1].votes;
            if leads(at, below_left) {
                below = below_left;
            } else {
                at += 1;
            }
        }
        Some((at - leaves) as u32)
    }
}

/// A child that is not on its parent's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rival {
    /// Twice its votes, and one more where it has a larger root than the child that is on the path, which decides
    /// between equals: it is preferred where this is more than twice the votes that the path goes on with.
    pub(crate) lead: u32,
    pub(crate) child: NodeIndex,
    /// The root's first bytes, so that comparing two rarely needs the blocks.
    prefix: u64,
}

impl Default for Rival {
    fn default() -> Self {
        Self {
            lead: 0,
            child: NOBODY,
            prefix: 0,
        }
    }
}

impl Rival {
    /// A child that has so many votes, where the path goes on with `next`.
    pub(crate) fn new(nodes: &Nodes, child: NodeIndex, next: NodeIndex, votes: u32) -> Self {
        let root = nodes.block(child).root;
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&root[..8]);
        Self {
            lead: 2 * votes + u32::from(root > nodes.block(next).root),
            child,
            prefix: u64::from_be_bytes(prefix),
        }
    }

    pub(crate) fn votes(self) -> u32 {
        self.lead / 2
    }

    pub(crate) fn add(self, votes: i32) -> Self {
        let lead = self.lead.saturating_add_signed(2 * votes);
        Self { lead, ..self }
    }

    /// The one with more votes, and of equals the one with the larger root. Of two that belong to the same block, the
    /// one whose root wins against the path's has the larger root too.
    pub(crate) fn best(nodes: &Nodes, one: Self, other: Self) -> Self {
        if one.child == NOBODY || other.child == NOBODY {
            return if one.child == NOBODY { other } else { one };
        }
        let key = |rival: Self| (rival.lead, rival.prefix);
        let root = |rival: Self| nodes.block(rival.child).root;
        let order = key(one).cmp(&key(other));
        match order.then_with(|| root(one).cmp(&root(other))) {
            Ordering::Less => other,
            _ => one,
        }
    }
}

/// All of one block; together they are the best of them.
pub(crate) type Rivals = Segments<Rival>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_exit_is_where_a_walk_finds_it(
            blocks in prop::collection::vec((0u32..4, prop::option::of(0u32..6), any::<bool>()), 0..80),
        ) {
            // The last block has no child on the path, and hence no rivals of one.
            let mut blocks = blocks;
            blocks.push((0, None, false));
            let elements: Vec<_> = blocks
                .iter()
                .map(|(votes, rival, wins)| {
                    let lead = rival.map_or(0, |rival| 2 * rival + u32::from(*wins));
                    Sum { votes: *votes, lead }
                })
                .collect();
            let sums = Sums::new(&elements, Sum::then);
            for position in 0..blocks.len() {
                let votes = |from: usize| blocks[from..].iter().map(|block| block.0).sum::<u32>();
                let is_exit = |at: &usize| {
                    let (_, rival, wins) = blocks[*at];
                    rival.is_some_and(|rival| (rival, wins) > (votes(at + 1), false))
                };
                let walked = (position..blocks.len()).find(is_exit);
                prop_assert_eq!(sums.votes_from(position as u32), votes(position));
                prop_assert_eq!(sums.first_exit(position as u32), walked.map(|at| at as u32));
            }
        }
    }
}
