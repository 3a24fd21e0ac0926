//! The store: votes, weights, head, safe target and what to attest.

mod refusals;
mod targets;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use quartet_types::{Attestation, AttestationData, Checkpoint, Root, Slot};

pub use refusals::{BlockError, VoteError};

/// `INTERVALS_PER_SLOT`.
const INTERVALS: u64 = 4;

/// The deviations of `docs/protocol.md` that the store knows, by the names of the node's switches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Deviations {
    /// Source and finalized slot of a vote are those of the head's post-state.
    pub votes_build_on_the_head: bool,
    /// A target before the source gives way to the source.
    pub targets_never_precede_sources: bool,
    /// Gossip must be newer than what counts already.
    pub votes_only_get_newer: bool,
    /// Source, target and head of gossip are on one chain, and the head's slot is right and not after the vote's.
    pub votes_follow_one_chain: bool,
    /// A post-state's justified checkpoint is its highest.
    pub justified_is_the_highest: bool,
    /// Two votes of a validator for one slot have no weight.
    pub equivocations_have_no_weight: bool,
}

/// How a vote came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In a block's body.
    Block,
    /// By gossip, or beside a block.
    Gossip,
}

/// A block that the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownBlock {
    /// Its root.
    pub root: Root,
    /// Root of its parent.
    pub parent_root: Root,
    /// Its slot.
    pub slot: Slot,
    /// The justified checkpoint of its post-state.
    pub justified: Checkpoint,
    /// The finalized checkpoint of its post-state.
    pub finalized: Checkpoint,
}

impl KnownBlock {
    /// The checkpoint that names it.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.root,
            slot: self.slot,
        }
    }
}

/// A vote of one of the two dictionaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// What was signed.
    pub attestation: Attestation,
    /// Whether it has no weight, as one of two for a slot.
    pub is_weightless: bool,
}

/// The store, which forgets nothing.
#[derive(Debug, Clone)]
pub struct Store {
    /// Intervals since genesis.
    pub time: u64,
    /// Validators in the registry.
    pub validators: u64,
    /// Which deviations are on.
    pub deviations: Deviations,
    /// In order of arrival.
    pub blocks: Vec<KnownBlock>,
    /// The same by root.
    by_root: BTreeMap<Root, KnownBlock>,
    /// The head.
    pub head: Root,
    /// The safe target.
    pub safe_target: Root,
    /// The highest justified checkpoint of any block.
    pub latest_justified: Checkpoint,
    /// The highest finalized checkpoint of any block.
    pub latest_finalized: Checkpoint,
    /// `latest_known_attestations`: a dictionary keeps its keys in order of insertion.
    pub known: Vec<Vote>,
    /// `latest_new_attestations`.
    pub new: Vec<Vote>,
    /// By validator, the newest slot with two votes.
    equivocated: BTreeMap<u64, Slot>,
    /// Blocks that the node that is compared with has dropped: it cannot tell whose ancestors they are.
    pub forgotten: BTreeSet<Root>,
    /// How often two or more children had the same greatest weight, and how often that was not zero.
    pub ties: Cell<(u64, u64)>,
}

impl Store {
    /// `get_forkchoice_store`. The anchor is justified and final, whatever its state says.
    pub fn new(anchor: KnownBlock, validators: u64, deviations: Deviations) -> Self {
        Self {
            time: anchor.slot * INTERVALS,
            validators,
            deviations,
            blocks: vec![anchor],
            by_root: BTreeMap::from([(anchor.root, anchor)]),
            head: anchor.root,
            safe_target: anchor.root,
            latest_justified: anchor.checkpoint(),
            latest_finalized: anchor.checkpoint(),
            known: Vec::new(),
            new: Vec::new(),
            equivocated: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            ties: Cell::default(),
        }
    }

    /// The slot that the time is in.
    pub fn current_slot(&self) -> Slot {
        self.time / INTERVALS
    }

    /// A block by its root.
    pub fn block(&self, root: Root) -> Option<&KnownBlock> {
        self.by_root.get(&root)
    }

    /// A block's slot, zero for one that is unknown.
    pub fn slot(&self, root: Root) -> Slot {
        self.block(root).map_or(0, |block| block.slot)
    }

    /// Whether a block is on the chain that ends in another one.
    pub fn is_ancestor(&self, ancestor: Root, descendant: Root) -> bool {
        let mut root = descendant;
        while root != ancestor {
            match self.block(root) {
                Some(block) => root = block.parent_root,
                None => return false,
            }
        }
        true
    }

    /// `validate_attestation`, with the registry's check that comes before it.
    ///
    /// # Errors
    /// Where the specification raises.
    pub fn validate_attestation(&self, attestation: &Attestation) -> Result<(), VoteError> {
        let data = &attestation.data;
        if attestation.validator_id >= self.validators {
            return Err(VoteError::Validator);
        }
        let source = self
            .block(data.source.root)
            .ok_or(VoteError::UnknownSource)?;
        let target = self
            .block(data.target.root)
            .ok_or(VoteError::UnknownTarget)?;
        self.block(data.head.root).ok_or(VoteError::UnknownHead)?;
        if data.source.slot > data.target.slot {
            return Err(VoteError::SourceAfterTarget);
        }
        if source.slot != data.source.slot {
            return Err(VoteError::SourceSlot);
        }
        if target.slot != data.target.slot {
            return Err(VoteError::TargetSlot);
        }
        if data.slot > self.current_slot() + 1 {
            return Err(VoteError::FutureSlot);
        }
        Ok(())
    }

    /// A vote by itself, as gossip brings it: `on_attestation`, with what the deviations ask besides.
    ///
    /// # Errors
    /// Where the specification raises, or a deviation refuses.
    pub fn on_gossip(&mut self, attestation: &Attestation) -> Result<(), VoteError> {
        self.validate_attestation(attestation)?;
        if attestation.data.slot > self.current_slot() {
            return Err(VoteError::FutureSlot);
        }
        if self.deviations.votes_follow_one_chain {
            self.follows_one_chain(&attestation.data)?;
        }
        self.on_attestation(attestation, Origin::Gossip)
    }

    fn follows_one_chain(&self, data: &AttestationData) -> Result<(), VoteError> {
        let has_left = |root: Root| self.forgotten.contains(&root);
        if !has_left(data.head.root) && self.slot(data.head.root) != data.head.slot {
            return Err(VoteError::HeadSlot);
        }
        if data.slot < data.head.slot {
            return Err(VoteError::BeforeHead);
        }
        let ordered = |ancestor: Checkpoint, descendant: Checkpoint| {
            has_left(ancestor.root)
                || has_left(descendant.root)
                || self.is_ancestor(ancestor.root, descendant.root)
        };
        if !ordered(data.source, data.target) {
            return Err(VoteError::SourceOffChain);
        }
        if !ordered(data.target, data.head) {
            return Err(VoteError::TargetOffChain);
        }
        Ok(())
    }

    /// `on_attestation`.
    ///
    /// # Errors
    /// Where the specification raises.
    pub fn on_attestation(
        &mut self,
        attestation: &Attestation,
        origin: Origin,
    ) -> Result<(), VoteError> {
        self.validate_attestation(attestation)?;
        let validator = attestation.validator_id;
        let slot = attestation.data.slot;
        let vote = Vote {
            attestation: *attestation,
            is_weightless: self.deviations.equivocations_have_no_weight
                && self.equivocated.get(&validator) == Some(&slot),
        };
        let older = |votes: &[Vote]| slot_of(votes, validator).is_none_or(|held| held < slot);
        match origin {
            Origin::Block => {
                if older(&self.known) {
                    set(&mut self.known, vote);
                }
                if slot_of(&self.new, validator).is_some_and(|held| held <= slot) {
                    self.new
                        .retain(|held| held.attestation.validator_id != validator);
                }
            }
            Origin::Gossip => {
                if slot > self.current_slot() {
                    return Err(VoteError::FutureSlot);
                }
                let news = !self.deviations.votes_only_get_newer || older(&self.known);
                if older(&self.new) && news {
                    set(&mut self.new, vote);
                }
            }
        }
        Ok(())
    }

    /// Takes note of two votes of a validator for one slot, unless it has two for a later one: a deviation.
    pub fn on_equivocation(&mut self, validator: u64, slot: Slot) {
        if validator >= self.validators || self.equivocated.get(&validator) >= Some(&slot) {
            return;
        }
        self.equivocated.insert(validator, slot);
        if !self.deviations.equivocations_have_no_weight {
            return;
        }
        let of_slot = |vote: &Vote| {
            vote.attestation.validator_id == validator && vote.attestation.data.slot == slot
        };
        for vote in self.known.iter_mut().chain(&mut self.new) {
            vote.is_weightless |= of_slot(vote);
        }
        if self.known.iter().any(of_slot) {
            self.head = self.ghost(&self.known, 0).unwrap_or(self.head);
        }
    }

    /// Whether a validator is known to have voted twice in this slot or a later one.
    pub fn has_equivocated(&self, validator: u64, slot: Slot) -> bool {
        self.equivocated
            .get(&validator)
            .is_some_and(|newest| *newest >= slot)
    }

    /// `on_block`, behind the state transition.
    ///
    /// # Errors
    /// Where the specification raises; nothing has changed then.
    pub fn on_block(
        &mut self,
        block: KnownBlock,
        body: &[Attestation],
        proposer: &Attestation,
    ) -> Result<(), BlockError> {
        if self.block(block.root).is_some() {
            return Ok(());
        }
        self.block(block.parent_root)
            .ok_or(BlockError::UnknownParent)?;
        let mut store = self.clone();
        store.blocks.push(block);
        store.by_root.insert(block.root, block);
        if block.justified.slot > store.latest_justified.slot {
            store.latest_justified = block.justified;
        }
        if block.finalized.slot > store.latest_finalized.slot {
            store.latest_finalized = block.finalized;
        }
        for (position, attestation) in body.iter().enumerate() {
            let outcome = store.on_attestation(attestation, Origin::Block);
            outcome.map_err(|error| BlockError::Body(position, error))?;
        }
        store.head = store
            .ghost(&store.known, 0)
            .ok_or(BlockError::UnknownJustified)?;
        let outcome = store.on_attestation(proposer, Origin::Gossip);
        outcome.map_err(BlockError::Proposer)?;
        *self = store;
        Ok(())
    }

    /// Blocks without votes, for a long chain in short time.
    pub fn insert_all(&mut self, blocks: &[KnownBlock]) {
        self.blocks.extend(blocks);
        let by_root = blocks.iter().map(|block| (block.root, *block));
        self.by_root.extend(by_root);
    }

    /// `_compute_lmd_ghost_head`, from the latest justified block. `None` where the specification raises.
    fn ghost(&self, votes: &[Vote], min_score: u64) -> Option<Root> {
        let mut start = self.latest_justified.root;
        if start.is_zero() {
            start = self.blocks.iter().min_by_key(|block| block.slot)?.root;
        }
        let start_slot = self.block(start)?.slot;
        let mut weights: BTreeMap<Root, u64> = BTreeMap::new();
        for vote in votes.iter().filter(|vote| !vote.is_weightless) {
            let mut root = vote.attestation.data.head.root;
            while let Some(block) = self.block(root).filter(|block| block.slot > start_slot) {
                *weights.entry(root).or_default() += 1;
                root = block.parent_root;
            }
        }
        let weight = |root: &Root| weights.get(root).copied().unwrap_or_default();
        let mut children: BTreeMap<Root, Vec<Root>> = BTreeMap::new();
        for block in &self.blocks {
            if min_score > 0 && weight(&block.root) < min_score {
                continue;
            }
            children
                .entry(block.parent_root)
                .or_default()
                .push(block.root);
        }
        let mut head = start;
        while let Some(children) = children.get(&head) {
            head = *children.iter().max_by_key(|root| (weight(root), **root))?;
            let best = weight(&head);
            if children.iter().filter(|root| weight(root) == best).count() > 1 {
                let (all, weighty) = self.ties.get();
                self.ties.set((all + 1, weighty + u64::from(best > 0)));
            }
        }
        Some(head)
    }

    /// Known votes for a block and what descends from it, wherever it is.
    pub fn weight(&self, root: Root) -> u64 {
        let supports = |vote: &&Vote| {
            !vote.is_weightless && self.is_ancestor(root, vote.attestation.data.head.root)
        };
        self.known.iter().filter(supports).count() as u64
    }

    /// `tick_interval`.
    pub fn tick_interval(&mut self, has_proposal: bool) {
        self.time += 1;
        match self.time % INTERVALS {
            0 if has_proposal => self.accept_new_attestations(),
            2 => self.update_safe_target(),
            3 => self.accept_new_attestations(),
            _ => {}
        }
    }

    /// `on_tick`, to a time in intervals since genesis.
    pub fn on_tick(&mut self, time: u64, has_proposal: bool) {
        while self.time < time {
            let is_last = self.time + 1 == time;
            self.tick_interval(has_proposal && is_last);
        }
    }

    /// `accept_new_attestations`.
    pub fn accept_new_attestations(&mut self) {
        for vote in std::mem::take(&mut self.new) {
            set(&mut self.known, vote);
        }
        self.head = self.ghost(&self.known, 0).unwrap_or(self.head);
    }

    /// `update_safe_target`.
    pub fn update_safe_target(&mut self) {
        let threshold = (self.validators * 2).div_ceil(3);
        self.safe_target = self.ghost(&self.new, threshold).unwrap_or(self.safe_target);
    }
}

fn slot_of(votes: &[Vote], validator: u64) -> Option<Slot> {
    let vote = votes
        .iter()
        .find(|vote| vote.attestation.validator_id == validator);
    vote.map(|vote| vote.attestation.data.slot)
}

/// A new value for a key that is there stays in its place.
fn set(votes: &mut Vec<Vote>, vote: Vote) {
    let same = |held: &&mut Vote| held.attestation.validator_id == vote.attestation.validator_id;
    match votes.iter_mut().find(same) {
        Some(held) => *held = vote,
        None => votes.push(vote),
    }
}
