//! The store: what it holds, how it starts, what can be asked of it.

use std::collections::HashMap;

use quartet_types::{Attestation, Checkpoint, INTERVALS_PER_SLOT, Root, Slot};

use crate::{
    BlockInfo, WeighedBlock,
    tree::{BlockTree, NodeIndex, OLDEST},
    votes::Votes,
};

/// The node's view of the block tree and of the votes on it.
#[derive(Debug, Clone)]
pub struct ForkChoice {
    /// Intervals since genesis.
    pub(crate) time: u64,
    /// Validators in the registry, which is fixed from genesis on.
    pub(crate) validators: u64,
    pub(crate) tree: BlockTree,
    pub(crate) head: NodeIndex,
    /// Kept by value: its block may have been pruned, and only its slot matters from then on.
    pub(crate) safe_target: Checkpoint,
    pub(crate) latest_justified: Checkpoint,
    pub(crate) latest_finalized: Checkpoint,
    pub(crate) known: Votes,
    pub(crate) new: Votes,
    /// Slots of the pruned blocks that are newer than the oldest block of the tree: votes may still name them.
    pub(crate) abandoned: HashMap<Root, Slot>,
}

impl ForkChoice {
    /// A store that trusts `anchor`: it is head, safe target, justified and finalized, and the time is the start
    /// of its slot. `validators` is the length of the registry, at least one.
    ///
    /// Source: leanSpec `Store.get_forkchoice_store`.
    pub fn new(anchor: BlockInfo, validators: u64) -> Self {
        let checkpoint = anchor.checkpoint();
        Self {
            time: anchor.slot.saturating_mul(INTERVALS_PER_SLOT),
            validators,
            tree: BlockTree::new(anchor),
            head: OLDEST,
            safe_target: checkpoint,
            latest_justified: checkpoint,
            latest_finalized: checkpoint,
            known: Votes::new(validators as usize),
            new: Votes::new(validators as usize),
            abandoned: HashMap::new(),
        }
    }

    /// Intervals since genesis.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// The slot that the time is in.
    pub fn current_slot(&self) -> Slot {
        self.time / INTERVALS_PER_SLOT
    }

    /// Validators in the registry.
    pub fn validators(&self) -> u64 {
        self.validators
    }

    /// The head of the chain, as of the last update.
    pub fn head(&self) -> Checkpoint {
        self.tree.block(self.head).checkpoint()
    }

    /// The block that is safe to build a target on, as of the last update. It may be older than the oldest block
    /// of a pruned tree.
    pub fn safe_target(&self) -> Checkpoint {
        self.safe_target
    }

    /// The highest justified checkpoint of any block, from which the head is searched.
    pub fn latest_justified(&self) -> Checkpoint {
        self.latest_justified
    }

    /// The highest finalized checkpoint of any block.
    pub fn latest_finalized(&self) -> Checkpoint {
        self.latest_finalized
    }

    /// Whether the tree has the block.
    pub fn contains(&self, root: &Root) -> bool {
        self.tree.find(root).is_some()
    }

    /// The block with this root.
    pub fn block(&self, root: &Root) -> Option<BlockInfo> {
        self.tree.find(root).map(|index| *self.tree.block(index))
    }

    /// Parent root of a block; the parent of the tree's oldest block is not in the tree.
    pub fn parent_of(&self, root: &Root) -> Option<Root> {
        self.block(root).map(|block| block.parent_root)
    }

    /// The blocks that build on a block, in order of arrival.
    pub fn children_of(&self, root: &Root) -> impl Iterator<Item = &BlockInfo> {
        let index = self.tree.find(root).into_iter();
        index.flat_map(|index| self.tree.children(index))
    }

    /// Whether `ancestor` is on the chain that ends in `root`; every block of the tree is on its own.
    pub fn is_ancestor(&self, ancestor: &Root, root: &Root) -> bool {
        match (self.tree.find(ancestor), self.tree.find(root)) {
            (Some(ancestor), Some(index)) => self.tree.is_ancestor(ancestor, index),
            _ => false,
        }
    }

    /// The oldest block of the tree: the anchor, or what was finalized when the tree was last pruned.
    pub fn oldest_block(&self) -> BlockInfo {
        *self.tree.oldest()
    }

    /// All blocks, parents before children, with the known votes in their subtrees.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = WeighedBlock> {
        self.tree.iter()
    }

    /// The latest vote of each validator that counts for the head, in order of first arrival.
    pub fn known_attestations(&self) -> impl Iterator<Item = Attestation> + use<> {
        self.known.attestations()
    }

    /// The latest vote of each validator that waits for the end of the slot, in order of first arrival.
    pub fn new_attestations(&self) -> impl Iterator<Item = Attestation> + use<> {
        self.new.attestations()
    }

    /// Searches the head anew: from the justified block to the heaviest child at each fork.
    ///
    /// Source: leanSpec `Store.update_head`.
    pub fn update_head(&mut self) {
        self.head = self.tree.heaviest_leaf(self.start());
    }

    /// Lets the new votes count, in the place of earlier ones whatever their slots, and updates the head.
    ///
    /// Source: leanSpec `Store.accept_new_attestations`.
    pub fn accept_new_attestations(&mut self) {
        for (validator, vote) in self.new.drain() {
            self.set_known(validator, vote.data, vote.node);
        }
        self.update_head();
    }

    /// Where head and safe target are searched from. A zero justified root, which an empty slot can lend to a
    /// checkpoint, stands for the oldest block.
    pub(crate) fn start(&self) -> NodeIndex {
        self.tree
            .find(&self.latest_justified.root)
            .unwrap_or(OLDEST)
    }

    /// Drops every block that does not descend from the finalized one and returns their roots. Head and safe target
    /// stay what they are: no vote for a dropped block weighs on a block that remains.
    ///
    /// Does nothing while the justified block, from which the head is searched, is itself on another branch.
    pub fn prune(&mut self) -> Vec<Root> {
        let Some(finalized) = self.tree.find(&self.latest_finalized.root) else {
            return Vec::new();
        };
        if finalized == OLDEST || !self.tree.is_ancestor(finalized, self.start()) {
            return Vec::new();
        }
        let pruned = self.tree.prune(finalized);
        // The head descends from where it is searched.
        self.head = pruned.moved_to(self.head).unwrap_or(OLDEST);
        self.known.relocate(|index| pruned.moved_to(index));
        self.new.relocate(|index| pruned.moved_to(index));

        let oldest = self.tree.oldest().slot;
        let dropped = pruned.dropped.iter().map(|block| (block.root, block.slot));
        self.abandoned.extend(dropped);
        self.abandoned.retain(|_, slot| *slot > oldest);
        pruned.dropped.iter().map(|block| block.root).collect()
    }
}
