//! The tree as it is plainly kept: each block with its children and its weight, walked block by block.

use std::collections::{BTreeMap, HashMap};

use quartet_fork_choice::BlockInfo;
use quartet_types::Root;

#[derive(Debug, Clone)]
struct Node {
    block: BlockInfo,
    parent: Option<usize>,
    children: Vec<usize>,
    weight: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct WalkingTree {
    nodes: Vec<Node>,
    by_root: HashMap<Root, usize>,
}

impl WalkingTree {
    pub(crate) fn new(blocks: impl IntoIterator<Item = BlockInfo>) -> Self {
        let mut tree = Self::default();
        blocks.into_iter().for_each(|block| tree.insert(block));
        tree
    }

    pub(crate) fn insert(&mut self, block: BlockInfo) {
        let index = self.nodes.len();
        let parent = self.find(&block.parent_root);
        if let Some(parent) = parent {
            self.nodes[parent].children.push(index);
        }
        self.by_root.insert(block.root, index);
        self.nodes.push(Node {
            block,
            parent,
            children: Vec::new(),
            weight: 0,
        });
    }

    pub(crate) fn find(&self, root: &Root) -> Option<usize> {
        self.by_root.get(root).copied()
    }

    pub(crate) fn weight(&self, index: usize) -> u64 {
        self.nodes[index].weight
    }

    pub(crate) fn block(&self, index: usize) -> &BlockInfo {
        &self.nodes[index].block
    }

    /// In order of arrival.
    pub(crate) fn children(&self, index: usize) -> &[usize] {
        &self.nodes[index].children
    }

    /// Counts votes anew, each for a block and its ancestors.
    pub(crate) fn recount(&mut self, votes: impl Iterator<Item = usize>) {
        self.nodes.iter_mut().for_each(|node| node.weight = 0);
        votes.for_each(|index| self.move_vote(None, Some(index)));
    }

    /// Moves one vote, up to the two blocks' common ancestor.
    pub(crate) fn move_vote(&mut self, mut from: Option<usize>, mut to: Option<usize>) {
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

    pub(crate) fn heaviest_leaf(&self, start: usize) -> usize {
        let heaviest = |index: &usize| {
            let children = self.nodes[*index].children.iter().copied();
            children.max_by_key(|child| (self.nodes[*child].weight, self.nodes[*child].block.root))
        };
        let path = std::iter::successors(Some(start), heaviest);
        path.last().unwrap()
    }

    /// The newest block after `start` that so many of the votes support, on whatever branch.
    pub(crate) fn newest_supported(
        &self,
        start: usize,
        votes: impl Iterator<Item = usize>,
        threshold: u64,
    ) -> Option<usize> {
        let mut support: BTreeMap<usize, u64> = BTreeMap::new();
        votes.for_each(|index| *support.entry(index).or_default() += 1);
        while let Some((index, votes)) = support.pop_last() {
            if self.nodes[index].block.slot <= self.nodes[start].block.slot {
                continue;
            }
            if votes >= threshold {
                return Some(index);
            }
            if let Some(parent) = self.nodes[index].parent {
                *support.entry(parent).or_default() += votes;
            }
        }
        None
    }

    /// The chain that ends in a block, newest first.
    pub(crate) fn chain(&self, tip: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(tip), |index| self.nodes[*index].parent)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}
