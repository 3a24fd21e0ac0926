//! The safe target: how far two thirds of the validators agree in their new votes.

use std::collections::BTreeMap;

use crate::{ForkChoice, tree::NodeIndex};

impl ForkChoice {
    /// Searches the safe target anew: the newest block at or below the justified one that at least two thirds of all
    /// validators support with new votes, or the justified block itself.
    ///
    /// Source: leanSpec `Store.update_safe_target`, which descends from the justified block through children with
    /// that much support. Two blocks on different branches cannot both have it, so all that do are on one chain, and
    /// looking from the votes upwards, newest block first, the first one found is the end of that descent.
    pub fn update_safe_target(&mut self) {
        let start = self.start();
        let index = self
            .newest_supported(start)
            .filter(|index| self.tree.is_ancestor(start, *index))
            .unwrap_or(start);
        self.safe_target = self.tree.block(index).checkpoint();
    }

    /// The newest block after `start` that has the support, on whatever branch.
    fn newest_supported(&self, start: NodeIndex) -> Option<NodeIndex> {
        let threshold = (2 * self.validators).div_ceil(3);
        let start_slot = self.tree.slot(start);
        let mut support: BTreeMap<NodeIndex, u64> = BTreeMap::new();
        for index in self.new.nodes() {
            *support.entry(index).or_default() += 1;
        }
        // Children have larger positions than their parents: when a block's turn comes, its subtree is counted.
        while let Some((index, votes)) = support.pop_last() {
            if self.tree.slot(index) <= start_slot {
                continue;
            }
            if votes >= threshold {
                return Some(index);
            }
            if let Some(parent) = self.tree.parent(index) {
                *support.entry(parent).or_default() += votes;
            }
        }
        None
    }
}
