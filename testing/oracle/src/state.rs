//! The state and its transition.

use std::collections::BTreeMap;

use quartet_types::{Attestation, Block, BlockHeader, Checkpoint, PublicKey, Root, Slot};

use crate::{is_justifiable_after, merkle};

/// `HISTORICAL_ROOTS_LIMIT`.
const HISTORY_LIMIT: usize = 1 << 18;
/// `VALIDATOR_REGISTRY_LIMIT`.
const REGISTRY_LIMIT: usize = 1 << 12;

/// The assertion of the state transition that fails, in the specification's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum TransitionError {
    /// `process_slots`: the target slot is not in the future.
    #[error("the slot is not in the future")]
    SlotNotInFuture,
    /// `process_block_header`: the proposer is another one.
    #[error("another validator proposes")]
    Proposer,
    /// `process_block_header`: the parent root is not that of the latest header.
    #[error("the parent is another one")]
    Parent,
    /// The list of block hashes cannot grow so far.
    #[error("the history is full")]
    History,
    /// `process_attestations`: the list of justified slots has no such index.
    #[error("the source of attestation {0} is beyond the history")]
    SourceBeyondHistory(usize),
    /// The same for the target.
    #[error("the target of attestation {0} is beyond the history")]
    TargetBeyondHistory(usize),
    /// A slot that is asked for being justifiable comes before the finalized one.
    #[error("attestation {0} asks for a slot before the finalized one")]
    BeforeFinalized(usize),
    /// The list of votes has no such index.
    #[error("nobody in the registry casts attestation {0}")]
    Validator(usize),
    /// `state_transition`: the block's state root is another one.
    #[error("the state root is another one")]
    StateRoot,
}

/// A state as the specification's rules see it: flattened tallies are the dictionary that they stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Unix time of slot 0.
    pub genesis_time: u64,
    /// The slot.
    pub slot: Slot,
    /// The header of the latest block.
    pub latest_block_header: BlockHeader,
    /// What was justified last.
    pub latest_justified: Checkpoint,
    /// What was finalized last.
    pub latest_finalized: Checkpoint,
    /// Root of the block of each slot, zero where there is none.
    pub historical_block_hashes: Vec<Root>,
    /// Which slots are justified.
    pub justified_slots: Vec<bool>,
    /// By target, who has voted for it.
    pub justifications: BTreeMap<Root, Vec<bool>>,
    /// How many validators there are.
    pub validators: usize,
    /// Root of the registry. Nothing ever changes it, so that it is computed once.
    pub registry_root: [u8; 32],
}

impl State {
    /// `generate_genesis`.
    pub fn genesis(genesis_time: u64, keys: &[PublicKey]) -> Self {
        let latest_block_header = BlockHeader {
            body_root: merkle::body(&quartet_types::BlockBody::default()),
            ..BlockHeader::default()
        };
        Self {
            genesis_time,
            slot: 0,
            latest_block_header,
            latest_justified: Checkpoint::default(),
            latest_finalized: Checkpoint::default(),
            historical_block_hashes: Vec::new(),
            justified_slots: Vec::new(),
            justifications: BTreeMap::new(),
            validators: keys.len(),
            registry_root: merkle::registry(keys, REGISTRY_LIMIT),
        }
    }

    /// `hash_tree_root`.
    pub fn root(&self) -> Root {
        let targets: Vec<Root> = self.justifications.keys().copied().collect();
        let votes: Vec<bool> = self.justifications.values().flatten().copied().collect();
        let fields = vec![
            merkle::number(self.genesis_time),
            merkle::number(self.slot),
            merkle::header(&self.latest_block_header).0,
            merkle::checkpoint(&self.latest_justified),
            merkle::checkpoint(&self.latest_finalized),
            merkle::list_of_roots(&self.historical_block_hashes, HISTORY_LIMIT),
            merkle::bitlist(&self.justified_slots, HISTORY_LIMIT),
            self.registry_root,
            merkle::list_of_roots(&targets, HISTORY_LIMIT),
            merkle::bitlist(&votes, HISTORY_LIMIT * REGISTRY_LIMIT),
        ];
        merkle::merkleize(fields, 10).into()
    }

    /// The checkpoint with the highest justified slot that has a block, or the latest one: what `docs/protocol.md`
    /// means by *the highest*.
    pub fn highest_justified(&self) -> Checkpoint {
        let slots = 0..self.justified_slots.len();
        let highest = slots.rev().find(|slot| {
            self.justified_slots[*slot] && !self.historical_block_hashes[*slot].is_zero()
        });
        highest.map_or(self.latest_justified, |slot| Checkpoint {
            root: self.historical_block_hashes[slot],
            slot: slot as Slot,
        })
    }

    /// `state_transition`, with signatures taken for valid.
    ///
    /// # Errors
    /// Where the specification raises.
    pub fn state_transition(&self, block: &Block) -> Result<Self, TransitionError> {
        let state = self.apply(block)?;
        if block.state_root != state.root() {
            return Err(TransitionError::StateRoot);
        }
        Ok(state)
    }

    /// The same, whatever the block says of the state's root.
    ///
    /// # Errors
    /// Where the specification raises.
    pub fn apply(&self, block: &Block) -> Result<Self, TransitionError> {
        self.process_slots(block.slot)?.process_block(block)
    }

    /// `process_slots`.
    ///
    /// # Errors
    /// Where the specification raises.
    pub fn process_slots(&self, target: Slot) -> Result<Self, TransitionError> {
        if self.slot >= target {
            return Err(TransitionError::SlotNotInFuture);
        }
        // An outright answer to what the loop below would find out after years.
        if (target - self.slot) as usize > 2 * HISTORY_LIMIT {
            return Err(TransitionError::History);
        }
        let mut state = self.clone();
        while state.slot < target {
            if state.latest_block_header.state_root.is_zero() {
                let root = state.root();
                state.latest_block_header.state_root = root;
            }
            state.slot += 1;
        }
        Ok(state)
    }

    fn process_block(mut self, block: &Block) -> Result<Self, TransitionError> {
        self.process_block_header(block)?;
        self.process_attestations(&block.body.attestations)?;
        Ok(self)
    }

    fn process_block_header(&mut self, block: &Block) -> Result<(), TransitionError> {
        let parent = self.latest_block_header;
        let parent_root = merkle::header(&parent);
        // Both are so once the slots have been processed.
        if block.slot != self.slot || block.slot <= parent.slot {
            return Err(TransitionError::SlotNotInFuture);
        }
        if block.proposer_index != self.slot % self.validators as u64 {
            return Err(TransitionError::Proposer);
        }
        if block.parent_root != parent_root {
            return Err(TransitionError::Parent);
        }
        let is_genesis_parent = parent.slot == 0;
        if is_genesis_parent {
            self.latest_justified.root = parent_root;
            self.latest_finalized.root = parent_root;
        }
        let empty_slots = block.slot - parent.slot - 1;
        if self.historical_block_hashes.len() + 1 + empty_slots as usize > HISTORY_LIMIT {
            return Err(TransitionError::History);
        }
        self.historical_block_hashes.push(parent_root);
        self.justified_slots.push(is_genesis_parent);
        for _ in 0..empty_slots {
            self.historical_block_hashes.push(Root::ZERO);
            self.justified_slots.push(false);
        }
        self.latest_block_header = BlockHeader {
            slot: block.slot,
            proposer_index: block.proposer_index,
            parent_root: block.parent_root,
            state_root: Root::ZERO,
            body_root: merkle::body(&block.body),
        };
        Ok(())
    }

    fn process_attestations(
        &mut self,
        attestations: &[Attestation],
    ) -> Result<(), TransitionError> {
        // The checkpoints are those of before the block until all is done.
        let finalized_before = self.latest_finalized.slot;
        for (position, attestation) in attestations.iter().enumerate() {
            let source = attestation.data.source;
            let target = attestation.data.target;
            let justifiable = |slot| {
                is_justifiable_after(slot, finalized_before)
                    .ok_or(TransitionError::BeforeFinalized(position))
            };
            match at(&self.justified_slots, source.slot) {
                None => return Err(TransitionError::SourceBeyondHistory(position)),
                Some(false) => continue,
                Some(true) => {}
            }
            match at(&self.justified_slots, target.slot) {
                None => return Err(TransitionError::TargetBeyondHistory(position)),
                Some(true) => continue,
                Some(false) => {}
            }
            if at(&self.historical_block_hashes, source.slot) != Some(source.root)
                || at(&self.historical_block_hashes, target.slot) != Some(target.root)
                || target.slot <= source.slot
                || !justifiable(target.slot)?
            {
                continue;
            }
            let nobody = vec![false; self.validators];
            let votes = self.justifications.entry(target.root).or_insert(nobody);
            let validator = usize::try_from(attestation.validator_id).ok();
            match validator.and_then(|validator| votes.get_mut(validator)) {
                Some(vote) => *vote = true,
                None => return Err(TransitionError::Validator(position)),
            }
            let count = votes.iter().filter(|vote| **vote).count();
            if 3 * count < 2 * self.validators {
                continue;
            }
            self.latest_justified = target;
            self.justified_slots[target.slot as usize] = true;
            self.justifications.remove(&target.root);
            let mut between = false;
            for slot in source.slot + 1..target.slot {
                if justifiable(slot)? {
                    between = true;
                    break;
                }
            }
            if !between {
                self.latest_finalized = source;
            }
        }
        Ok(())
    }

    /// The plain state that one of the node's stands for.
    pub fn of(state: &quartet_types::State) -> Self {
        let validators = state.validators.len();
        let bits: Vec<bool> = state.justifications_validators.iter().collect();
        let targets = state.justifications_roots.iter().copied();
        let runs = bits.chunks(validators.max(1)).map(<[bool]>::to_vec);
        let keys: Vec<PublicKey> = state.validators.iter().map(|entry| entry.pubkey).collect();
        Self {
            genesis_time: state.config.genesis_time,
            slot: state.slot,
            latest_block_header: state.latest_block_header,
            latest_justified: state.latest_justified,
            latest_finalized: state.latest_finalized,
            historical_block_hashes: state.historical_block_hashes.iter().copied().collect(),
            justified_slots: state.justified_slots.iter().collect(),
            justifications: targets.zip(runs).collect(),
            validators,
            registry_root: merkle::registry(&keys, REGISTRY_LIMIT),
        }
    }
}

/// An element of a list, or nothing where the specification raises.
fn at<T: Copy>(list: &[T], slot: Slot) -> Option<T> {
    list.get(usize::try_from(slot).ok()?).copied()
}
