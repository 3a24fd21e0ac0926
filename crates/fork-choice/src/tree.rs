//! The block tree: blocks in order of arrival, found by root, and the votes on them.

use std::collections::HashMap;

use quartet_types::{Checkpoint, Root, Slot};

use crate::{
    BlockInfo, Checkpoints,
    nodes::{NOBODY, NodeIndex, Nodes, OLDEST},
    paths::Paths,
};

/// A block of the tree and the known votes in its subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeighedBlock {
    /// The block.
    pub block: BlockInfo,
    /// Validators whose known vote is for the block or a descendant of it.
    pub weight: u64,
}

/// Blocks that all descend from the first one.
#[derive(Debug, Clone)]
pub(crate) struct BlockTree {
    nodes: Nodes,
    by_root: HashMap<Root, NodeIndex>,
    paths: Paths,
    /// Votes that have come to blocks or left them, and have not been summed up yet.
    moves: Vec<(NodeIndex, i32)>,
}

impl BlockTree {
    pub(crate) fn new(oldest: BlockInfo, checkpoints: Checkpoints) -> Self {
        let mut nodes = Nodes::default();
        nodes.push(oldest, checkpoints, None);
        Self {
            by_root: HashMap::from([(oldest.root, OLDEST)]),
            paths: Paths::of(&nodes, [0].into_iter()),
            nodes,
            moves: Vec::new(),
        }
    }

    /// Appends a block whose parent is in the tree: logarithmic in the long run.
    pub(crate) fn insert(&mut self, block: BlockInfo, checkpoints: Checkpoints, parent: NodeIndex) {
        let index = self.append(block, checkpoints, parent);
        self.paths.push(&self.nodes, index, parent);
    }

    /// Appends a block without building its path: until [`Self::rebuild_paths`], nothing may be asked that depends on
    /// votes.
    pub(crate) fn append(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
        parent: NodeIndex,
    ) -> NodeIndex {
        let index = self.nodes.push(block, checkpoints, Some(parent));
        self.by_root.insert(block.root, index);
        index
    }

    /// Rebuilds all paths. `votes` are for these blocks, and there are no others.
    pub(crate) fn rebuild_paths(&mut self, votes: impl Iterator<Item = NodeIndex>) {
        let mut at_block = vec![0; self.nodes.len() as usize];
        votes.for_each(|index| at_block[index as usize] += 1);
        self.moves.clear();
        self.paths = Paths::of(&self.nodes, at_block.into_iter());
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The position that the next block will have.
    pub(crate) fn next_index(&self) -> NodeIndex {
        self.nodes.len()
    }

    pub(crate) fn find(&self, root: &Root) -> Option<NodeIndex> {
        self.by_root.get(root).copied()
    }

    pub(crate) fn block(&self, index: NodeIndex) -> &BlockInfo {
        self.nodes.block(index)
    }

    pub(crate) fn oldest(&self) -> &BlockInfo {
        self.block(OLDEST)
    }

    pub(crate) fn slot(&self, index: NodeIndex) -> Slot {
        self.nodes.slot(index)
    }

    pub(crate) fn checkpoints(&self, index: NodeIndex) -> Checkpoints {
        self.nodes.checkpoints(index)
    }

    pub(crate) fn parent(&self, index: NodeIndex) -> Option<NodeIndex> {
        self.nodes.parent(index)
    }

    pub(crate) fn children(&self, index: NodeIndex) -> impl Iterator<Item = &BlockInfo> {
        let children = self.nodes.children(index);
        children.map(|child| self.nodes.block(child))
    }

    pub(crate) fn is_ancestor(&self, ancestor: NodeIndex, index: NodeIndex) -> bool {
        self.nodes.is_ancestor(ancestor, index)
    }

    /// All blocks with their weights, which take one pass.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = WeighedBlock> {
        let weights = self.paths.weights(&self.nodes).into_iter();
        let blocks = self.nodes.blocks().copied();
        blocks.zip(weights).map(|(block, weight)| WeighedBlock {
            block,
            weight: weight.into(),
        })
    }

    pub(crate) fn weight(&self, index: NodeIndex) -> u64 {
        self.paths.weight(index).into()
    }

    /// Moves one vote; it counts from the next [`Self::apply_moves`] on. `None` stands for no block of the tree.
    pub(crate) fn move_vote(&mut self, from: Option<NodeIndex>, to: Option<NodeIndex>) {
        if from != to {
            self.moves.extend(from.map(|index| (index, -1)));
            self.moves.extend(to.map(|index| (index, 1)));
        }
    }

    /// Sums up the votes that have moved.
    pub(crate) fn apply_moves(&mut self) {
        self.paths.add_votes(&self.nodes, &mut self.moves);
    }

    /// The leaf that is reached from `start` by the heaviest child at each fork, ties by the larger root.
    pub(crate) fn heaviest_leaf(&self, start: NodeIndex) -> NodeIndex {
        self.paths.heaviest_leaf(start)
    }

    /// The newest block that so many of the votes support, more than half of them.
    pub(crate) fn newest_with(
        &self,
        votes: impl Iterator<Item = NodeIndex>,
        threshold: u64,
    ) -> Option<NodeIndex> {
        self.paths.newest_with(votes, threshold)
    }

    /// Drops all blocks that do not descend from `oldest`, and says where each position has gone. What stays is copied,
    /// so that what goes costs next to nothing.
    pub(crate) fn prune(&mut self, oldest: NodeIndex) -> PrunedTree {
        self.apply_moves();
        let pruned = self.drop_blocks(oldest);
        let mut votes = vec![0; self.nodes.len() as usize];
        for (index, moved_to) in (0..).zip(&pruned.moved_to) {
            if *moved_to != NOBODY {
                votes[*moved_to as usize] = self.paths.place(index).votes;
            }
        }
        self.paths = Paths::of(&self.nodes, votes.into_iter());
        pruned
    }

    /// As [`Self::prune`], without building the paths of what stays, as in [`Self::append`].
    pub(crate) fn drop_blocks(&mut self, oldest: NodeIndex) -> PrunedTree {
        let mut moved_to = vec![NOBODY; self.nodes.len() as usize];
        let mut kept = Vec::new();
        let mut dropped = Vec::new();
        for index in 0..self.nodes.len() {
            // Parents come first, so theirs has been decided.
            let parent = self.nodes.parent(index);
            let stays = parent.is_some_and(|parent| moved_to[parent as usize] != NOBODY);
            if stays || index == oldest {
                moved_to[index as usize] = kept.len() as NodeIndex;
                kept.push(index);
            } else {
                dropped.push(self.nodes.block(index).checkpoint());
            }
        }
        let mut nodes = Nodes::with_capacity(kept.len());
        let mut by_root = HashMap::with_capacity(kept.len());
        for index in &kept {
            let block = *self.nodes.block(*index);
            let parent = self.nodes.parent(*index).filter(|_| *index != oldest);
            let parent = parent.map(|parent| moved_to[parent as usize]);
            let moved_to = nodes.push(block, self.nodes.checkpoints(*index), parent);
            by_root.insert(block.root, moved_to);
        }
        (self.nodes, self.by_root) = (nodes, by_root);
        PrunedTree { moved_to, dropped }
    }
}

/// What became of the tree's blocks.
pub(crate) struct PrunedTree {
    /// By old position: the new one of a block that stayed.
    moved_to: Vec<NodeIndex>,
    /// The blocks that went, oldest arrival first.
    pub(crate) dropped: Vec<Checkpoint>,
}

impl PrunedTree {
    pub(crate) fn moved_to(&self, index: NodeIndex) -> Option<NodeIndex> {
        let moved_to = self.moved_to.get(index as usize).copied();
        moved_to.filter(|moved_to| *moved_to != NOBODY)
    }
}
