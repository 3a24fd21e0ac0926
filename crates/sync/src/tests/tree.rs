//! Trees of blocks.

use std::{collections::BTreeSet, fmt, sync::Arc};

use quartet_types::{
    Block, BlockWithAttestation, Checkpoint, Root, SignedBlockWithAttestation, Slot,
};
use tree_hash::TreeHash as _;

use crate::PeerName;

/// Blocks by number; 0 is the genesis block.
#[derive(Clone)]
pub(super) struct Tree(pub(super) Vec<Arc<SignedBlockWithAttestation>>);

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = self.roots();
        let number = |root: &Root| roots.iter().position(|other| other == root);
        let blocks = self.0.iter().map(|block| block.block());
        let edges: Vec<_> = blocks
            .map(|block| (block.slot, number(&block.parent_root)))
            .collect();
        // On one line, also in a pretty print.
        write!(f, "slot and parent of each: {edges:?}")
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        Self(vec![envelope(Block::default())])
    }

    /// A chain of the slots from 0 to `length`, then one block at `last`, on a genesis that nobody has.
    pub(super) fn invented(length: u64, last: Slot) -> Self {
        let genesis = Block {
            state_root: Root::repeat_byte(7),
            ..Block::default()
        };
        let mut tree = Self(vec![envelope(genesis)]);
        for _ in 0..length {
            tree.grow(tree.len() - 1, 1);
        }
        tree.grow(tree.len() - 1, last - length);
        tree
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn grow(&mut self, parent: usize, gap: u64) {
        let parent = self.0[parent].block();
        let block = Block {
            slot: parent.slot + gap,
            // Tells siblings apart.
            proposer_index: self.0.len() as u64,
            parent_root: parent.tree_hash_root(),
            ..Block::default()
        };
        self.0.push(envelope(block));
    }

    pub(super) fn roots(&self) -> Vec<Root> {
        self.0.iter().map(|block| root(block)).collect()
    }

    pub(super) fn blocks(&self) -> Vec<Arc<SignedBlockWithAttestation>> {
        self.0.clone()
    }

    /// The block grown last.
    pub(super) fn tip(&self) -> Checkpoint {
        self.0[self.0.len() - 1].block().checkpoint()
    }

    /// The blocks that nothing builds on.
    pub(super) fn tips(&self) -> Vec<(Root, Slot)> {
        let parents: BTreeSet<Root> = self.0.iter().map(|b| b.block().parent_root).collect();
        let blocks = self.0.iter().map(|block| (root(block), block.block().slot));
        blocks.filter(|(root, _)| !parents.contains(root)).collect()
    }
}

pub(super) fn peer(number: usize) -> PeerName {
    PeerName::new(format!("peer-{number}"))
}

pub(super) fn root(block: &SignedBlockWithAttestation) -> Root {
    block.block().tree_hash_root()
}

fn envelope(block: Block) -> Arc<SignedBlockWithAttestation> {
    Arc::new(SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block,
            ..BlockWithAttestation::default()
        },
        ..SignedBlockWithAttestation::default()
    })
}
