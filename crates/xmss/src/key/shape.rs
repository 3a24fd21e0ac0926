//! Which part of the whole tree a key has: its epochs, and how they fall into bottom trees and subtrees.

use std::ops::Range;

use super::error::MaterialError;
use crate::parameters::{Instance, Parameters};

/// Subtrees are at least this high, where bottom trees are: 16 epochs fill the widest lanes.
const LOWEST_SUBTREE_HEIGHT: u32 = 4;

/// The epochs of a key, and what follows from them alone.
///
/// Every layer of the tree has a *range* of nodes above active epochs. Where a range begins with a right
/// child, or ends with a left one, the sibling has no active epoch below it and is a *padding node*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) instance: Instance,
    start: u64,
    end: u64,
    subtree_height: u32,
}

impl Shape {
    /// The shape of a key of `count` epochs from `start` on.
    pub(crate) fn new(instance: Instance, start: u64, count: u64) -> Result<Self, MaterialError> {
        let lifetime = instance.parameters().lifetime();
        let end = start.saturating_add(count);
        if count == 0 {
            return Err(MaterialError::Empty);
        }
        if end > lifetime {
            return Err(MaterialError::Lifetime {
                start,
                end,
                lifetime,
            });
        }
        Ok(Self {
            instance,
            start,
            end,
            subtree_height: subtree_height(instance.parameters(), start..end),
        })
    }

    /// The epochs.
    pub(crate) fn epochs(&self) -> Range<u64> {
        self.start..self.end
    }

    /// Indices of the bottom trees that have epochs of the key.
    pub(crate) fn trees(&self) -> Range<u64> {
        blocks(self.epochs(), self.instance.parameters().bottom_height())
    }

    /// Layers of a bottom tree that are computed at once, counted from the leaves: what is kept of a tree starts
    /// above them. The fewer epochs a key has, the smaller its subtrees: as small as the nodes kept of one bottom
    /// tree allow, since a subtree is computed anew whenever its epochs come.
    pub(crate) fn subtree_height(&self) -> u32 {
        self.subtree_height
    }

    /// Epochs below the root of a subtree, unless they are outside of the key's.
    pub(crate) fn epochs_per_subtree(&self) -> u64 {
        1 << self.subtree_height
    }

    /// Indices of all subtrees of the key.
    pub(crate) fn subtrees(&self) -> Range<u64> {
        blocks(self.epochs(), self.subtree_height)
    }

    /// Indices of the subtrees of one bottom tree: the range of nodes that is kept of it.
    pub(crate) fn subtrees_of(&self, tree: u64) -> Range<u64> {
        let height = self.instance.parameters().bottom_height() - self.subtree_height;
        within(self.subtrees(), tree, height)
    }

    /// The epochs of a bottom tree.
    pub(crate) fn epochs_of(&self, tree: u64) -> Range<u64> {
        within(
            self.epochs(),
            tree,
            self.instance.parameters().bottom_height(),
        )
    }

    /// The epochs of a subtree.
    pub(crate) fn leaves_of(&self, subtree: u64) -> Range<u64> {
        within(self.epochs(), subtree, self.subtree_height)
    }

    /// The bottom tree of a subtree.
    pub(crate) fn tree_of(&self, subtree: u64) -> u64 {
        subtree >> (self.instance.parameters().bottom_height() - self.subtree_height)
    }

    /// Whether the key has whole bottom trees, at least two, as other implementations' keys do.
    pub(crate) fn is_whole(&self) -> bool {
        let unit = self.instance.parameters().epochs_per_tree();
        let aligned = self.start.is_multiple_of(unit) && self.end.is_multiple_of(unit);
        aligned && self.end - self.start >= 2 * unit
    }

    /// Layer and index of every padding node.
    pub(crate) fn padding_positions(&self) -> Vec<(u32, u64)> {
        let mut positions = Vec::new();
        let mut range = self.epochs();
        for layer in 0..self.instance.parameters().log_lifetime {
            let (before, after) = padding_of(&range);
            positions.extend(before.into_iter().chain(after).map(|index| (layer, index)));
            range = blocks(range, 1);
        }
        positions
    }
}

/// The siblings that a range of nodes lacks: before an odd start, after an even end.
pub(super) fn padding_of(range: &Range<u64>) -> (Option<u64>, Option<u64>) {
    (
        (range.start % 2 == 1).then(|| range.start - 1),
        (range.end % 2 == 1).then_some(range.end),
    )
}

/// Widens epochs to whole bottom trees, at least two, moved back where they would end after the lifetime
/// (leanSpec: `expand_activation_time`).
pub(crate) fn expand_activation(
    instance: Instance,
    activation_epoch: u64,
    active_epochs: u64,
) -> Result<Range<u64>, MaterialError> {
    let parameters = instance.parameters();
    let (unit, lifetime) = (parameters.epochs_per_tree(), parameters.lifetime());
    let wanted_end = activation_epoch.saturating_add(active_epochs);
    if wanted_end > lifetime {
        return Err(MaterialError::Lifetime {
            start: activation_epoch,
            end: wanted_end,
            lifetime,
        });
    }
    let start = activation_epoch / unit * unit;
    let end = (wanted_end.div_ceil(unit) * unit).max(start + 2 * unit);
    // Only the minimum of two trees can reach beyond the lifetime.
    let excess = end.saturating_sub(lifetime);
    Ok(start - excess..end - excess)
}

/// The height at which a key has at most as many subtrees as a whole bottom tree has at the greatest height; the
/// greatest one where there is no such height.
fn subtree_height(parameters: &Parameters, epochs: Range<u64>) -> u32 {
    let most = parameters.nodes_per_tree() as u64;
    let greatest = parameters.greatest_subtree_height();
    let few_enough = |height: &u32| {
        let subtrees = blocks(epochs.clone(), *height);
        subtrees.end - subtrees.start <= most
    };
    (LOWEST_SUBTREE_HEIGHT.min(greatest)..greatest)
        .find(few_enough)
        .unwrap_or(greatest)
}

/// The blocks of 2^`height` in which `range` lies.
fn blocks(range: Range<u64>, height: u32) -> Range<u64> {
    range.start >> height..((range.end - 1) >> height) + 1
}

/// The part of `range` in one block of 2^`height`; empty where it has none.
fn within(range: Range<u64>, block: u64, height: u32) -> Range<u64> {
    let start = range.start.max(block << height);
    let end = range.end.min((block + 1) << height);
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scheme;

    fn shape(start: u64, count: u64) -> Shape {
        Shape::new(Scheme::Production.into(), start, count).expect("within the lifetime")
    }

    #[test]
    fn few_epochs_have_small_subtrees_and_whole_trees_large_ones() {
        let heights = [
            (1, 4),
            (4096, 4),
            (4097, 5),
            (1 << 15, 7),
            (1 << 16, 8),
            (1 << 18, 8),
        ];
        for (count, height) in heights {
            assert_eq!(shape(0, count).subtree_height(), height, "{count}");
        }
        for start in [0, 1, 255, 65_535] {
            for count in [1, 2, 4095, 4096, 65_536] {
                let shape = shape(start, count);
                assert!(shape.subtrees().count() <= 257, "{start} {count}");
                assert!(
                    shape
                        .trees()
                        .all(|tree| shape.subtrees_of(tree).count() <= 256)
                );
            }
        }
    }

    #[test]
    fn every_epoch_is_in_one_subtree_of_one_tree() {
        for (start, count) in [(65_530, 12), (0, 1), (3, 300), (131_071, 2)] {
            let shape = shape(start, count);
            let subtrees = shape.trees().flat_map(|tree| shape.subtrees_of(tree));
            let epochs = subtrees.clone().flat_map(|index| shape.leaves_of(index));
            assert!(epochs.eq(shape.epochs()));
            let epochs = shape.trees().flat_map(|tree| shape.epochs_of(tree));
            assert!(epochs.eq(shape.epochs()));
            for (index, other) in subtrees.zip(shape.subtrees()) {
                assert_eq!(index, other);
                assert!(shape.subtrees_of(shape.tree_of(index)).contains(&index));
            }
        }
    }

    #[test]
    fn whole_trees_need_no_padding_below_their_roots() {
        assert!(shape(0, 1 << 17).is_whole() && shape(1 << 16, 1 << 18).is_whole());
        for (start, count) in [(0, 1 << 16), (1, 1 << 17), (0, (1 << 17) + 1), (0, 5)] {
            assert!(!shape(start, count).is_whole());
        }
        let positions = shape(1 << 16, 1 << 17).padding_positions();
        assert!(positions.iter().all(|(layer, _)| *layer >= 16));
        assert_eq!(positions[..2], [(16, 0), (16, 3)]);
        // A single epoch has a padding node beside every node of its way.
        assert_eq!(shape(5, 1).padding_positions().len(), 32);
    }
}
