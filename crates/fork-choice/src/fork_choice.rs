//! The store: what it holds, how it starts, what can be asked of it.

use quartet_types::{
    Attestation, AttestationData, Checkpoint, INTERVALS_PER_SLOT, Root, Slot, ValidatorIndex,
};

use crate::{
    BlockInfo, Checkpoints, Rules, WeighedBlock,
    dropped_blocks::DroppedBlocks,
    nodes::{NodeIndex, OLDEST},
    tree::BlockTree,
    votes::{Vote, Votes},
};

/// The node's view of the block tree and of the votes on it.
#[derive(Debug, Clone)]
pub struct ForkChoice {
    pub(crate) rules: Rules,
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
    /// By validator, the newest slot that it has signed two votes for.
    pub(crate) equivocated: Vec<Option<Slot>>,
    /// Blocks that are no longer in the tree, or came before its anchor.
    pub(crate) dropped: DroppedBlocks,
}

impl ForkChoice {
    /// A store that trusts `anchor`: it is head, safe target, justified and finalized, and the time is the start of its
    /// slot. `checkpoints` are those of the anchor's own post-state, `validators` is the length of the registry, at
    /// least one.
    ///
    /// Source: leanSpec `Store.get_forkchoice_store`.
    pub fn new(anchor: BlockInfo, checkpoints: Checkpoints, validators: u64, rules: Rules) -> Self {
        let checkpoint = anchor.checkpoint();
        Self {
            rules,
            time: anchor.slot.saturating_mul(INTERVALS_PER_SLOT),
            validators,
            tree: BlockTree::new(anchor, checkpoints),
            head: OLDEST,
            safe_target: checkpoint,
            latest_justified: checkpoint,
            latest_finalized: checkpoint,
            known: Votes::new(validators as usize),
            new: Votes::new(validators as usize),
            equivocated: vec![None; validators as usize],
            dropped: DroppedBlocks::default(),
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

    /// The checkpoints of the head's own post-state.
    pub fn head_checkpoints(&self) -> Checkpoints {
        self.tree.checkpoints(self.head)
    }

    /// Notes a block that came before the anchor, or that the tree has dropped long ago: votes may name it, and have no
    /// weight there. At most 32,768 are remembered, those that were noted last.
    pub fn remember(&mut self, block: Checkpoint) {
        if !self.contains(&block.root) {
            self.dropped.insert(block.root, block.slot);
        }
    }

    /// The rules it runs by.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The validator's vote that counts for the head.
    pub fn known_attestation(&self, validator: ValidatorIndex) -> Option<AttestationData> {
        let vote = self.known.get(usize::try_from(validator).ok()?)?;
        Some(vote.data)
    }

    /// Takes note that a validator has signed two votes for `slot`, both verified: neither has weight from now on. True
    /// if that is news.
    ///
    /// A vote of another slot is not touched. Of several slots only the newest is remembered: older votes are
    /// overtaken.
    pub fn on_equivocation(&mut self, validator: ValidatorIndex, slot: Slot) -> bool {
        let index = validator as usize;
        let Some(newest) = self.equivocated.get_mut(index) else {
            return false;
        };
        if newest.is_some_and(|newest| newest >= slot) {
            return false;
        }
        *newest = Some(slot);
        if self.rules.equivocations_have_no_weight {
            let of_slot = |vote: &Vote| vote.data.slot == slot;
            if let Some(vote) = self.known.get(index).copied().filter(of_slot) {
                self.set_known(index, vote.data, None);
                self.update_head();
            }
            if let Some(vote) = self.new.get(index).copied().filter(of_slot) {
                self.new.replace(index, vote.data, None);
            }
        }
        true
    }

    /// Whether the validator is known to have signed two votes for this slot or a later one.
    pub fn has_equivocated(&self, validator: ValidatorIndex, slot: Slot) -> bool {
        let newest = self.equivocated.get(validator as usize).copied().flatten();
        newest.is_some_and(|newest| newest >= slot)
    }

    /// The slot of the validator's newest vote, counted or about to be.
    pub fn newest_vote_slot(&self, validator: ValidatorIndex) -> Option<Slot> {
        let votes = self.votes_of(validator);
        votes.map(|data| data.slot).max()
    }

    /// The validator's vote of this slot, if one of the two sets has it.
    pub fn vote_in_slot(&self, validator: ValidatorIndex, slot: Slot) -> Option<AttestationData> {
        self.votes_of(validator).find(|data| data.slot == slot)
    }

    fn votes_of(&self, validator: ValidatorIndex) -> impl Iterator<Item = AttestationData> {
        let validator = usize::try_from(validator).unwrap_or(usize::MAX);
        let votes = [self.known.get(validator), self.new.get(validator)];
        votes.into_iter().flatten().map(|vote| vote.data)
    }

    /// Whether the tree has the block.
    pub fn contains(&self, root: &Root) -> bool {
        self.tree.find(root).is_some()
    }

    /// Whether a vote may name the block: it is in the tree, or remembered.
    pub fn is_known(&self, root: &Root) -> bool {
        self.contains(root) || self.dropped.slot(root).is_some()
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

    /// The last block at or before `slot` on the chain that ends in `root`, if the tree has it.
    pub fn ancestor_at(&self, root: &Root, slot: Slot) -> Option<BlockInfo> {
        let index = self.tree.nodes().ancestor_at(self.tree.find(root)?, slot)?;
        Some(*self.tree.block(index))
    }

    /// The checkpoints of a block's post-state.
    pub fn checkpoints_of(&self, root: &Root) -> Option<Checkpoints> {
        let index = self.tree.find(root)?;
        Some(self.tree.checkpoints(index))
    }

    /// How many blocks of the chain that ends in `old_root` are not on the chain that ends in `new_root`: what a change
    /// of the head leaves behind. Where the tree does not have the new block, all blocks of the old chain; where it
    /// does not have the old one, zero.
    pub fn reorg_depth(&self, old_root: &Root, new_root: &Root) -> u64 {
        let nodes = self.tree.nodes();
        let depth = match (self.tree.find(old_root), self.tree.find(new_root)) {
            (Some(old), Some(new)) => nodes.blocks_apart(old, new),
            (Some(old), None) => nodes.chain_length(old),
            (None, _) => 0,
        };
        depth.into()
    }

    /// The known votes in a block's subtree. [`Self::blocks`] has those of all blocks in one pass.
    pub fn weight_of(&self, root: &Root) -> Option<u64> {
        self.tree.find(root).map(|index| self.tree.weight(index))
    }

    /// The oldest block of the tree: the anchor, or what was finalized when the tree was last pruned.
    pub fn oldest_block(&self) -> BlockInfo {
        *self.tree.oldest()
    }

    /// How many blocks the tree has.
    pub fn block_count(&self) -> usize {
        self.tree.nodes().len() as usize
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
        self.tree.apply_moves();
        self.head = self.tree.heaviest_leaf(self.start());
    }

    /// Lets the new votes count, in the place of earlier ones whatever their slots, and updates the head.
    ///
    /// Source: leanSpec `Store.accept_new_attestations`.
    pub fn accept_new_attestations(&mut self) {
        let tree = &mut self.tree;
        self.new
            .move_to(&mut self.known, |from, to| tree.move_vote(from, to));
        self.update_head();
    }

    /// Where head and safe target are searched from. A justified root of zero, which the checkpoint of an empty slot
    /// can have, stands for the oldest block.
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
        let Some(finalized) = self.new_oldest() else {
            return Vec::new();
        };
        let pruned = self.tree.prune(finalized);
        // The head descends from where it is searched.
        self.head = pruned.moved_to(self.head).unwrap_or(OLDEST);
        self.known.relocate(|index| pruned.moved_to(index));
        self.new.relocate(|index| pruned.moved_to(index));

        self.dropped.extend(&pruned.dropped);
        pruned.dropped.iter().map(|block| block.root).collect()
    }

    /// The finalized block, if older ones can be dropped.
    pub(crate) fn new_oldest(&self) -> Option<NodeIndex> {
        let finalized = self.tree.find(&self.latest_finalized.root)?;
        let is_new = finalized != OLDEST && self.tree.is_ancestor(finalized, self.start());
        is_new.then_some(finalized)
    }
}
