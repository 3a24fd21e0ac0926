//! Votes and blocks, and the tree of all blocks ever made.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    names::{Root, RootSet, Slot, Validator},
    transition::PostState,
};

/// An attestation. The slots of its checkpoints are those of the blocks that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// Who attests.
    pub validator: Validator,
    /// In which slot.
    pub slot: Slot,
    /// The head of the chain, for the fork choice.
    pub head: Root,
    /// The justified checkpoint from which the vote starts.
    pub source: Root,
    /// The checkpoint that the vote wants justified.
    pub target: Root,
}

impl Vote {
    /// The three names.
    #[must_use]
    pub fn names(&self) -> [Root; 3] {
        [self.source, self.target, self.head]
    }
}

/// How the proposer's attestation in the envelope fits its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Envelope {
    /// It names the block as head: the proposer made this very block.
    Bound,
    /// It names the parent as head, as ream's do.
    HalfBound,
    /// It is any other, such as an old one that a stranger put there.
    Unbound,
}

/// A block and its envelope.
#[derive(Debug, Clone)]
pub struct Block {
    /// The slot; whose turn it was follows from it.
    pub slot: Slot,
    /// The block it builds on.
    pub parent: Root,
    /// The attestations it carries.
    pub body: Vec<Vote>,
    /// How the envelope fits.
    pub envelope: Envelope,
    /// The proposer's attestation, unless the envelope is unbound.
    pub proposer_vote: Option<Vote>,
    /// The state after it, a function of the fields above.
    pub post: PostState,
    /// The chain below it.
    pub ancestors: RootSet,
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        let key = |block: &Self| (block.slot, block.parent, block.envelope);
        key(self) == key(other)
            && self.proposer_vote == other.proposer_vote
            && self.body == other.body
    }
}

impl Hash for Block {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.slot, self.parent, self.envelope).hash(hasher);
        self.proposer_vote.hash(hasher);
        self.body.hash(hasher);
    }
}

/// Every block ever made, by whom and known to whom ever.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Blocks(Vec<Arc<Block>>);

impl Blocks {
    /// The genesis block alone.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![Arc::new(Block {
            slot: 0,
            parent: Root::INVENTED,
            body: Vec::new(),
            envelope: Envelope::Bound,
            proposer_vote: None,
            post: PostState::genesis(),
            ancestors: RootSet::default(),
        })])
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All names.
    pub fn roots(&self) -> impl Iterator<Item = Root> + use<> {
        (0..self.0.len()).map(|number| Root(number as u8))
    }

    /// A block by its name, unless that is invented.
    #[must_use]
    pub fn get(&self, root: Root) -> Option<&Block> {
        self.0.get(usize::from(root.0)).map(Arc::as_ref)
    }

    /// The name that the next block will have.
    #[must_use]
    pub fn next_root(&self) -> Root {
        Root(self.0.len() as u8)
    }

    /// Adds a block, which must fit into the sets of roots.
    pub fn push(&mut self, block: Block) -> Root {
        let root = self.next_root();
        self.0.push(Arc::new(block));
        root
    }

    /// A block's slot; an invented name counts as genesis.
    #[must_use]
    pub fn slot(&self, root: Root) -> Slot {
        self.get(root).map_or(0, |block| block.slot)
    }

    /// A block's post-state.
    #[must_use]
    pub fn post(&self, root: Root) -> Option<&PostState> {
        self.get(root).map(|block| &block.post)
    }

    /// The chain that ends in a block, from there down to genesis.
    pub fn chain(&self, tip: Root) -> impl Iterator<Item = Root> {
        std::iter::successors(self.get(tip).map(|_| tip), |root| {
            let parent = self.get(*root)?.parent;
            self.get(parent).map(|_| parent)
        })
    }

    /// Whether a block is `descendant` itself or on the chain below it.
    #[must_use]
    pub fn is_ancestor(&self, ancestor: Root, descendant: Root) -> bool {
        let below = |block: &Block| block.ancestors.contains(ancestor);
        ancestor == descendant || self.get(descendant).is_some_and(below)
    }

    /// Whether neither of two blocks is on the chain of the other.
    #[must_use]
    pub fn conflict(&self, one: Root, other: Root) -> bool {
        !self.is_ancestor(one, other) && !self.is_ancestor(other, one)
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}
