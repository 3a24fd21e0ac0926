//! The safe target: how far two thirds of the validators agree in their new votes.

use crate::ForkChoice;

impl ForkChoice {
    /// Searches the safe target anew: the newest block at or below the justified one that at least two thirds of all
    /// validators support with new votes, or the justified block itself.
    ///
    /// Source: leanSpec `Store.update_safe_target`, which descends from the justified block through children with
    /// that much support. Two blocks on different branches cannot both have it, so all that do are on one chain, and
    /// the newest of them is the end of that descent.
    pub fn update_safe_target(&mut self) {
        let start = self.start();
        let threshold = (2 * self.validators).div_ceil(3);
        let index = self
            .tree
            .newest_with(self.new.nodes(), threshold)
            .filter(|index| self.tree.is_ancestor(start, *index))
            .unwrap_or(start);
        self.safe_target = self.tree.block(index).checkpoint();
    }
}
