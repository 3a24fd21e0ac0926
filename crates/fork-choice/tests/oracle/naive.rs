//! The specification's store, with its walk over all blocks and votes per query and without ever forgetting a block.

use std::collections::HashMap;

use quartet_fork_choice::{AttestationOrigin, BlockInfo};
use quartet_types::{Attestation, Checkpoint, Root};

/// A dictionary that keeps its keys in order of insertion, as Python's do.
type Votes = Vec<Attestation>;

fn get(votes: &Votes, validator: u64) -> Option<&Attestation> {
    votes.iter().find(|vote| vote.validator_id == validator)
}

fn set(votes: &mut Votes, attestation: Attestation) {
    let same = |vote: &&mut Attestation| vote.validator_id == attestation.validator_id;
    match votes.iter_mut().find(same) {
        Some(vote) => *vote = attestation,
        None => votes.push(attestation),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct NaiveStore {
    pub(crate) time: u64,
    validators: u64,
    pub(crate) blocks: Vec<BlockInfo>,
    by_root: HashMap<Root, BlockInfo>,
    pub(crate) head: Root,
    pub(crate) safe_target: Root,
    pub(crate) justified: Checkpoint,
    pub(crate) finalized: Checkpoint,
    pub(crate) known: Votes,
    pub(crate) new: Votes,
}

impl NaiveStore {
    pub(crate) fn new(anchor: BlockInfo, validators: u64) -> Self {
        Self {
            time: anchor.slot * 4,
            validators,
            blocks: vec![anchor],
            by_root: HashMap::from([(anchor.root, anchor)]),
            head: anchor.root,
            safe_target: anchor.root,
            justified: anchor.checkpoint(),
            finalized: anchor.checkpoint(),
            known: Votes::new(),
            new: Votes::new(),
        }
    }

    pub(crate) fn slot(&self, root: Root) -> u64 {
        self.by_root[&root].slot
    }

    /// `None` where the specification raises.
    pub(crate) fn on_attestation(
        &mut self,
        attestation: &Attestation,
        origin: AttestationOrigin,
    ) -> Option<()> {
        let data = attestation.data;
        let source = self.by_root.get(&data.source.root)?;
        let target = self.by_root.get(&data.target.root)?;
        self.by_root.get(&data.head.root)?;
        let current = self.time / 4;
        let valid = attestation.validator_id < self.validators
            && data.source.slot <= data.target.slot
            && source.slot == data.source.slot
            && target.slot == data.target.slot
            && data.slot <= current + 1;
        if !valid {
            return None;
        }
        let validator = attestation.validator_id;
        let newer =
            |votes: &Votes| get(votes, validator).is_none_or(|held| held.data.slot < data.slot);
        match origin {
            AttestationOrigin::Block => {
                if newer(&self.known) {
                    set(&mut self.known, *attestation);
                }
                self.new
                    .retain(|vote| vote.validator_id != validator || vote.data.slot > data.slot);
            }
            AttestationOrigin::Gossip => {
                if data.slot > current {
                    return None;
                }
                if newer(&self.new) {
                    set(&mut self.new, *attestation);
                }
            }
        }
        Some(())
    }

    /// `None`, and nothing changed, where the specification raises.
    pub(crate) fn on_block(
        &mut self,
        block: BlockInfo,
        justified: Checkpoint,
        finalized: Checkpoint,
        body: &[Attestation],
        proposer: &Attestation,
    ) -> Option<()> {
        self.by_root.get(&block.parent_root)?;
        let mut store = self.clone();
        store.blocks.push(block);
        store.by_root.insert(block.root, block);
        if justified.slot > store.justified.slot {
            store.justified = justified;
        }
        if finalized.slot > store.finalized.slot {
            store.finalized = finalized;
        }
        for attestation in body {
            store.on_attestation(attestation, AttestationOrigin::Block)?;
        }
        store.update_head();
        store.on_attestation(proposer, AttestationOrigin::Gossip)?;
        *self = store;
        Some(())
    }

    /// Blocks without votes, for a long chain in short time.
    #[allow(dead_code)]
    pub(crate) fn insert_all(&mut self, blocks: &[BlockInfo]) {
        self.blocks.extend(blocks);
        self.by_root
            .extend(blocks.iter().map(|block| (block.root, *block)));
    }

    fn ghost(&self, votes: &Votes, min_score: u64) -> Root {
        let mut start = self.justified.root;
        if start.is_zero() {
            start = self
                .blocks
                .iter()
                .min_by_key(|block| block.slot)
                .unwrap()
                .root;
        }
        let start_slot = self.slot(start);
        let mut weights: HashMap<Root, u64> = HashMap::new();
        for vote in votes {
            let mut root = vote.data.head.root;
            while let Some(block) = self
                .by_root
                .get(&root)
                .filter(|block| block.slot > start_slot)
            {
                *weights.entry(root).or_default() += 1;
                root = block.parent_root;
            }
        }
        let weight = |root: &Root| weights.get(root).copied().unwrap_or_default();
        let mut children: HashMap<Root, Vec<Root>> = HashMap::new();
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
            head = *children
                .iter()
                .max_by_key(|root| (weight(root), **root))
                .unwrap();
        }
        head
    }

    /// Known votes in the subtree of a block, block by block and vote by vote.
    pub(crate) fn weight(&self, root: Root) -> u64 {
        let supports = |vote: &&Attestation| {
            let mut at = vote.data.head.root;
            while at != root {
                match self.by_root.get(&at) {
                    Some(block) => at = block.parent_root,
                    None => return false,
                }
            }
            true
        };
        self.known.iter().filter(supports).count() as u64
    }

    fn update_head(&mut self) {
        self.head = self.ghost(&self.known, 0);
    }

    pub(crate) fn tick(&mut self, has_proposal: bool) {
        self.time += 1;
        match self.time % 4 {
            0 if has_proposal => self.accept_new_attestations(),
            2 => self.update_safe_target(),
            3 => self.accept_new_attestations(),
            _ => {}
        }
    }

    pub(crate) fn update_safe_target(&mut self) {
        self.safe_target = self.ghost(&self.new, (2 * self.validators).div_ceil(3));
    }

    pub(crate) fn accept_new_attestations(&mut self) {
        for vote in std::mem::take(&mut self.new) {
            set(&mut self.known, vote);
        }
        self.update_head();
    }

    /// `None` where the specification raises.
    pub(crate) fn attestation_target(&self) -> Option<Checkpoint> {
        let mut root = self.head;
        for _ in 0..3 {
            if self.slot(root) > self.slot(self.safe_target) {
                root = self.by_root[&root].parent_root;
            }
        }
        loop {
            let block = self.by_root.get(&root)?;
            let delta = block.slot.checked_sub(self.finalized.slot)?;
            if delta <= 5 || (0..=delta).any(|n| n * n == delta || n * (n + 1) == delta) {
                return Some(block.checkpoint());
            }
            root = block.parent_root;
        }
    }
}
