//! A plan of the paths of a part of the tree: each block is followed by its child with the most descendants.

use crate::nodes::{NodeIndex, Nodes};

/// A block, which is at 0, and its descendants: parents come before children.
pub(crate) struct Plan {
    /// Each with the place of its parent.
    pub(crate) blocks: Vec<(NodeIndex, u32)>,
    /// Of each block with its descendants.
    pub(crate) sizes: Vec<u32>,
    /// The child with the most descendants; 0 where there is none.
    largest: Vec<u32>,
}

impl Plan {
    pub(crate) fn of(nodes: &Nodes, top: NodeIndex) -> Self {
        let mut blocks = vec![(top, 0)];
        let mut at = 0;
        while let Some((index, _)) = blocks.get(at).copied() {
            blocks.extend(nodes.children(index).map(|child| (child, at as u32)));
            at += 1;
        }
        let mut sizes = vec![1; blocks.len()];
        let mut largest = vec![0; blocks.len()];
        for at in (1..blocks.len()).rev() {
            let parent = blocks[at].1 as usize;
            sizes[parent] += sizes[at];
            // Of equals the one that arrived first.
            let rival = largest[parent] as usize;
            if rival == 0 || sizes[at] >= sizes[rival] {
                largest[parent] = at as u32;
            }
        }
        Self {
            blocks,
            sizes,
            largest,
        }
    }

    /// Where a path begins.
    pub(crate) fn tops(&self) -> impl Iterator<Item = usize> {
        let begins =
            |at: &usize| *at == 0 || self.largest[self.blocks[*at].1 as usize] != *at as u32;
        (0..self.blocks.len()).filter(begins)
    }

    /// The path that begins here.
    pub(crate) fn path(&self, top: usize) -> impl Iterator<Item = NodeIndex> {
        let places = std::iter::successors(Some(top), |at| {
            let next = self.largest[*at] as usize;
            (next != 0).then_some(next)
        });
        places.map(|at| self.blocks[at].0)
    }
}
