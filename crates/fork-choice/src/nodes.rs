//! The blocks of the tree in order of arrival, and how they are linked.

use std::iter::successors;

use quartet_types::Slot;

use crate::{BlockInfo, Checkpoints, slab::push_sparingly};

/// Position of a block. A parent's is always smaller than its children's.
pub(crate) type NodeIndex = u32;

/// Position of the tree's oldest block.
pub(crate) const OLDEST: NodeIndex = 0;

/// Stands for no position: a tree has fewer blocks than this.
pub(crate) const NOBODY: NodeIndex = NodeIndex::MAX;

/// 96 bytes: there may be a hundred thousand.
#[derive(Debug, Clone)]
struct Node {
    block: BlockInfo,
    /// Where those of the block's post-state are kept.
    checkpoints: u32,
    /// [`NOBODY`] for the oldest block.
    parent: NodeIndex,
    /// Blocks between this one and the oldest.
    depth: u32,
    /// An ancestor further back, so that an ancestor is found in steps that grow with the logarithm of the distance.
    /// The oldest block's is itself.
    jump: NodeIndex,
    /// The child that arrived last, or [`NOBODY`].
    last_child: NodeIndex,
    /// The next child of the same parent; after the last one comes the first.
    next_sibling: NodeIndex,
}

/// Blocks that all descend from the first one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    /// Nearly all blocks have those of their parent, and these are kept once.
    checkpoints: Vec<Checkpoints>,
}

impl Nodes {
    pub(crate) fn with_capacity(blocks: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(blocks),
            checkpoints: Vec::new(),
        }
    }

    /// Appends a block; without a parent, the oldest one.
    pub(crate) fn push(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
        parent: Option<NodeIndex>,
    ) -> NodeIndex {
        let index = self.len();
        let checkpoints = self.intern(checkpoints, parent);
        let (depth, jump) = parent.map_or((0, index), |parent| self.place_below(parent));
        let node = Node {
            block,
            checkpoints,
            parent: parent.unwrap_or(NOBODY),
            depth,
            jump,
            last_child: NOBODY,
            next_sibling: index,
        };
        push_sparingly(&mut self.nodes, node);
        if let Some(parent) = parent {
            self.append_child(parent, index);
        }
        index
    }

    fn intern(&mut self, checkpoints: Checkpoints, parent: Option<NodeIndex>) -> u32 {
        let of_parent = parent.map(|parent| self.node(parent).checkpoints);
        let same = of_parent.filter(|kept| self.checkpoints[*kept as usize] == checkpoints);
        same.unwrap_or_else(|| {
            self.checkpoints.push(checkpoints);
            self.checkpoints.len() as u32 - 1
        })
    }

    fn append_child(&mut self, parent: NodeIndex, child: NodeIndex) {
        let before = std::mem::replace(&mut self.nodes[parent as usize].last_child, child);
        if before != NOBODY {
            let first = std::mem::replace(&mut self.nodes[before as usize].next_sibling, child);
            self.nodes[child as usize].next_sibling = first;
        }
    }

    /// Depth and jump of a child: as far back as its parent's two next jumps together where these are equally long,
    /// otherwise to its parent (skew-binary jump pointers: Myers, *An applicative random-access stack*, 1983).
    fn place_below(&self, parent: NodeIndex) -> (u32, NodeIndex) {
        let node = self.node(parent);
        let first = self.node(node.jump);
        let second = self.node(first.jump);
        let jump = if node.depth - first.depth == first.depth - second.depth {
            first.jump
        } else {
            parent
        };
        (node.depth + 1, jump)
    }

    fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index as usize]
    }

    pub(crate) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    pub(crate) fn blocks(&self) -> impl ExactSizeIterator<Item = &BlockInfo> {
        self.nodes.iter().map(|node| &node.block)
    }

    pub(crate) fn block(&self, index: NodeIndex) -> &BlockInfo {
        &self.node(index).block
    }

    pub(crate) fn slot(&self, index: NodeIndex) -> Slot {
        self.node(index).block.slot
    }

    pub(crate) fn checkpoints(&self, index: NodeIndex) -> Checkpoints {
        self.checkpoints[self.node(index).checkpoints as usize]
    }

    pub(crate) fn parent(&self, index: NodeIndex) -> Option<NodeIndex> {
        let parent = self.node(index).parent;
        (parent != NOBODY).then_some(parent)
    }

    /// In order of arrival.
    pub(crate) fn children(&self, index: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        let last = self.node(index).last_child;
        let first = (last != NOBODY).then(|| self.node(last).next_sibling);
        successors(first, move |child| {
            (*child != last).then(|| self.node(*child).next_sibling)
        })
    }

    /// The last block at or before `slot` on the chain that ends in `index`.
    pub(crate) fn ancestor_at(&self, index: NodeIndex, slot: Slot) -> Option<NodeIndex> {
        let mut index = index;
        while self.slot(index) > slot {
            let parent = self.parent(index)?;
            let jump = self.node(index).jump;
            let is_beyond = self.slot(jump) > slot;
            index = if is_beyond { jump } else { parent };
        }
        Some(index)
    }

    /// Whether `ancestor` is on the chain that ends in `index`; every block is on its own.
    pub(crate) fn is_ancestor(&self, ancestor: NodeIndex, index: NodeIndex) -> bool {
        self.ancestor_at(index, self.slot(ancestor)) == Some(ancestor)
    }

    /// Blocks of the chain that ends in `old` which are not on the one that ends in `new`.
    pub(crate) fn blocks_apart(&self, old: NodeIndex, new: NodeIndex) -> u32 {
        let lower = self.node(old).depth.min(self.node(new).depth);
        let (mut left, mut right) = (self.at_depth(old, lower), self.at_depth(new, lower));
        // Jumps depend on the depth alone, so both sides stay level.
        while left != right {
            let [one, other] = [left, right].map(|index| self.node(index));
            (left, right) = if one.jump == other.jump {
                (one.parent, other.parent)
            } else {
                (one.jump, other.jump)
            };
        }
        self.node(old).depth - self.node(left).depth
    }

    /// Blocks of the chain that ends in `index`.
    pub(crate) fn chain_length(&self, index: NodeIndex) -> u32 {
        self.node(index).depth + 1
    }

    fn at_depth(&self, mut index: NodeIndex, depth: u32) -> NodeIndex {
        while self.node(index).depth > depth {
            let node = self.node(index);
            let is_beyond = self.node(node.jump).depth >= depth;
            index = if is_beyond { node.jump } else { node.parent };
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ancestor_is_found_in_steps_that_grow_with_the_logarithm() {
        let mut nodes = Nodes::default();
        let root = quartet_types::Root::ZERO;
        let checkpoint = quartet_types::Checkpoint { root, slot: 0 };
        let checkpoints = Checkpoints {
            justified: checkpoint,
            finalized: checkpoint,
        };
        for slot in 0..1 << 14 {
            let block = BlockInfo {
                root,
                parent_root: root,
                slot,
            };
            let parent = nodes.len().checked_sub(1);
            nodes.push(block, checkpoints, parent);
        }
        let steps = |from: NodeIndex, depth: u32| {
            let next = |index: &NodeIndex| {
                let node = nodes.node(*index);
                let is_beyond = nodes.node(node.jump).depth >= depth;
                (node.depth > depth).then_some(if is_beyond { node.jump } else { node.parent })
            };
            successors(Some(from), next).count()
        };
        let last = nodes.len() - 1;
        let most = (0..last).map(|depth| steps(last, depth)).max();
        assert!(most.is_some_and(|most| most < 3 * 14), "{most:?}");
    }
}
