//! The block tree: nodes in order of arrival, each with the weight of its subtree.

use std::collections::HashMap;

use quartet_types::{Checkpoint, Root, Slot};

/// What fork choice needs to know of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// Root of the block.
    pub root: Root,
    /// Root of the block it builds on.
    pub parent_root: Root,
    /// Slot of the block.
    pub slot: Slot,
}

impl BlockInfo {
    /// The checkpoint that names the block.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot,
        }
    }
}

/// The justified and the finalized checkpoint of a block's post-state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoints {
    /// The latest justified checkpoint.
    pub justified: Checkpoint,
    /// The latest finalized checkpoint.
    pub finalized: Checkpoint,
}

/// A block of the tree and the known votes in its subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeighedBlock {
    /// The block.
    pub block: BlockInfo,
    /// Validators whose known vote is for the block or a descendant of it.
    pub weight: u64,
}

/// Position of a node. A parent's is always smaller than its children's.
pub(crate) type NodeIndex = usize;

#[derive(Debug, Clone)]
struct Node {
    block: BlockInfo,
    /// Of the block's post-state.
    checkpoints: Checkpoints,
    parent: Option<NodeIndex>,
    /// Blocks between this one and the oldest.
    depth: usize,
    /// An ancestor further back, so that an ancestor is found in steps that grow with the logarithm of the distance. The
    /// oldest block's is itself.
    jump: NodeIndex,
    children: Vec<NodeIndex>,
    weight: u64,
}

/// Blocks that all descend from the first one.
#[derive(Debug, Clone)]
pub(crate) struct BlockTree {
    nodes: Vec<Node>,
    by_root: HashMap<Root, NodeIndex>,
}

/// Position of the tree's oldest block.
pub(crate) const OLDEST: NodeIndex = 0;

impl BlockTree {
    pub(crate) fn new(oldest: BlockInfo, checkpoints: Checkpoints) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            by_root: HashMap::new(),
        };
        tree.push(oldest, checkpoints, None);
        tree
    }

    /// Appends a block whose parent is in the tree.
    pub(crate) fn insert(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
        parent: NodeIndex,
    ) -> NodeIndex {
        let index = self.push(block, checkpoints, Some(parent));
        self.nodes[parent].children.push(index);
        index
    }

    fn push(
        &mut self,
        block: BlockInfo,
        checkpoints: Checkpoints,
        parent: Option<NodeIndex>,
    ) -> NodeIndex {
        let index = self.next_index();
        self.by_root.insert(block.root, index);
        let (depth, jump) = parent.map_or((0, index), |parent| self.place_below(parent));
        self.nodes.push(Node {
            block,
            checkpoints,
            parent,
            depth,
            jump,
            children: Vec::new(),
            weight: 0,
        });
        index
    }

    /// Depth and jump of a child: as far back as its parent's two next jumps together where these are equally long,
    /// otherwise to its parent (skew-binary jump pointers: Myers, *An applicative random-access stack*, 1983).
    fn place_below(&self, parent: NodeIndex) -> (usize, NodeIndex) {
        let node = &self.nodes[parent];
        let first = &self.nodes[node.jump];
        let second = &self.nodes[first.jump];
        let jump = if node.depth - first.depth == first.depth - second.depth {
            first.jump
        } else {
            parent
        };
        (node.depth + 1, jump)
    }

    /// The position that the next block will have.
    pub(crate) fn next_index(&self) -> NodeIndex {
        self.nodes.len()
    }

    pub(crate) fn find(&self, root: &Root) -> Option<NodeIndex> {
        self.by_root.get(root).copied()
    }

    pub(crate) fn block(&self, index: NodeIndex) -> &BlockInfo {
        &self.nodes[index].block
    }

    pub(crate) fn oldest(&self) -> &BlockInfo {
        self.block(OLDEST)
    }

    pub(crate) fn slot(&self, index: NodeIndex) -> Slot {
        self.nodes[index].block.slot
    }

    pub(crate) fn checkpoints(&self, index: NodeIndex) -> Checkpoints {
        self.nodes[index].checkpoints
    }

    pub(crate) fn parent(&self, index: NodeIndex) -> Option<NodeIndex> {
        self.nodes[index].parent
    }

    pub(crate) fn children(&self, index: NodeIndex) -> impl Iterator<Item = &BlockInfo> {
        let children = self.nodes[index].children.iter();
        children.map(|child| &self.nodes[*child].block)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = WeighedBlock> {
        self.nodes.iter().map(|node| WeighedBlock {
            block: node.block,
            weight: node.weight,
        })
    }

    /// The last block at or before `slot` on the chain that ends in `index`.
    pub(crate) fn ancestor_at(&self, index: NodeIndex, slot: Slot) -> Option<NodeIndex> {
        let mut index = index;
        while self.slot(index) > slot {
            let node = &self.nodes[index];
            let parent = node.parent?;
            let is_beyond = self.slot(node.jump) > slot;
            index = if is_beyond { node.jump } else { parent };
        }
        Some(index)
    }

    /// Whether `ancestor` is on the chain that ends in `index`; every block is on its own.
    pub(crate) fn is_ancestor(&self, ancestor: NodeIndex, index: NodeIndex) -> bool {
        self.ancestor_at(index, self.slot(ancestor)) == Some(ancestor)
    }

    /// Moves one vote, changing weights only up to the two blocks' common ancestor. `None` is no block of the tree.
    pub(crate) fn move_vote(&mut self, mut from: Option<NodeIndex>, mut to: Option<NodeIndex>) {
        // Whichever of the two is the larger position cannot be an ancestor of the other, so it steps up.
        loop {
            match (from, to) {
                (Some(index), _) if from > to => {
                    self.nodes[index].weight -= 1;
                    from = self.nodes[index].parent;
                }
                (_, Some(index)) if to > from => {
                    self.nodes[index].weight += 1;
                    to = self.nodes[index].parent;
                }
                _ => return,
            }
        }
    }

    /// The leaf that is reached from `start` by the heaviest child at each fork, ties by the larger root.
    pub(crate) fn heaviest_leaf(&self, start: NodeIndex) -> NodeIndex {
        let heaviest = |index: &NodeIndex| {
            let children = self.nodes[*index].children.iter().copied();
            children.max_by_key(|child| (self.nodes[*child].weight, self.nodes[*child].block.root))
        };
        let path = std::iter::successors(Some(start), heaviest);
        path.last().unwrap_or(start)
    }

    /// Drops all blocks that do not descend from `oldest`, and says where each position has gone.
    pub(crate) fn prune(&mut self, oldest: NodeIndex) -> Pruned {
        let mut kept: Vec<Option<NodeIndex>> = Vec::with_capacity(self.nodes.len());
        let mut dropped = Vec::new();
        for (index, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            // Parents come first, so theirs has been decided.
            let parent = node.parent.and_then(|parent| kept[parent]);
            if index != oldest && parent.is_none() {
                self.by_root.remove(&node.block.root);
                dropped.push(node.block);
                kept.push(None);
                continue;
            }
            let moved_to = self.nodes.len();
            kept.push(Some(moved_to));
            self.by_root.insert(node.block.root, moved_to);
            node.parent = parent;
            (node.depth, node.jump) = match parent {
                Some(parent) => self.place_below(parent),
                None => (0, moved_to),
            };
            self.nodes.push(node);
        }
        for node in &mut self.nodes {
            // All descendants of a kept block are kept.
            node.children
                .iter_mut()
                .for_each(|child| *child = kept[*child].unwrap_or(*child));
        }
        Pruned { kept, dropped }
    }
}

/// What became of the tree's blocks.
pub(crate) struct Pruned {
    /// By old position: the new one of a block that stayed.
    kept: Vec<Option<NodeIndex>>,
    /// The blocks that went, oldest arrival first.
    pub(crate) dropped: Vec<BlockInfo>,
}

impl Pruned {
    pub(crate) fn moved_to(&self, index: NodeIndex) -> Option<NodeIndex> {
        self.kept.get(index).copied().flatten()
    }
}
