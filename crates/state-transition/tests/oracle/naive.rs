//! The specification's state transition on plain vectors: slow, obvious, and independent of the crate.

use std::collections::BTreeMap;

use quartet_types::{Block, BlockHeader, Checkpoint, Root, State};
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NaiveState {
    slot: u64,
    header: BlockHeader,
    justified: Checkpoint,
    finalized: Checkpoint,
    history: Vec<Root>,
    justified_slots: Vec<bool>,
    validators: usize,
    tallies: BTreeMap<Root, Vec<bool>>,
    /// Root of the state this one was read from.
    root: Root,
}

impl From<&State> for NaiveState {
    fn from(state: &State) -> Self {
        let validators = state.validators.len();
        let bits: Vec<bool> = state.justifications_validators.iter().collect();
        let roots = state.justifications_roots.iter().copied();
        Self {
            slot: state.slot,
            header: state.latest_block_header,
            justified: state.latest_justified,
            finalized: state.latest_finalized,
            history: state.historical_block_hashes.iter().copied().collect(),
            justified_slots: state.justified_slots.iter().collect(),
            validators,
            tallies: roots
                .zip(bits.chunks(validators).map(<[bool]>::to_vec))
                .collect(),
            root: if state.latest_block_header.state_root.is_zero() {
                State::from_ssz_bytes(&state.as_ssz_bytes())
                    .unwrap()
                    .tree_hash_root()
            } else {
                Root::ZERO
            },
        }
    }
}

/// `None` where the specification raises.
fn justifiable(slot: u64, finalized: u64) -> Option<bool> {
    let delta = slot.checked_sub(finalized)?;
    Some(delta <= 5 || (0..=delta).any(|n| n * n == delta || n * (n + 1) == delta))
}

impl NaiveState {
    /// The post-state without its root, or `None` if the block is invalid.
    pub(crate) fn apply(mut self, block: &Block) -> Option<Self> {
        // process_slots
        if block.slot <= self.slot {
            return None;
        }
        while self.slot < block.slot {
            if self.header.state_root.is_zero() {
                self.header.state_root = self.root;
            }
            self.slot += 1;
        }
        // process_block_header
        let parent = self.header;
        let parent_root = parent.tree_hash_root();
        let ok = block.slot > parent.slot
            && block.proposer_index == block.slot % self.validators as u64
            && block.parent_root == parent_root;
        if !ok {
            return None;
        }
        if parent.slot == 0 {
            self.justified.root = parent_root;
            self.finalized.root = parent_root;
        }
        self.history.push(parent_root);
        self.justified_slots.push(parent.slot == 0);
        for _ in parent.slot + 1..block.slot {
            self.history.push(Root::ZERO);
            self.justified_slots.push(false);
        }
        self.header = BlockHeader {
            state_root: Root::ZERO,
            ..block.header()
        };
        self.process_attestations(block)
    }

    fn process_attestations(mut self, block: &Block) -> Option<Self> {
        let finalized_before = self.finalized.slot;
        for attestation in block.body.attestations.iter() {
            let (source, target) = (attestation.data.source, attestation.data.target);
            if !*self.justified_slots.get(source.slot as usize)? {
                continue;
            }
            if *self.justified_slots.get(target.slot as usize)? {
                continue;
            }
            if source.root != self.history[source.slot as usize]
                || target.root != self.history[target.slot as usize]
                || target.slot <= source.slot
                || !justifiable(target.slot, finalized_before)?
            {
                continue;
            }
            let tally = self
                .tallies
                .entry(target.root)
                .or_insert(vec![false; self.validators]);
            *tally.get_mut(usize::try_from(attestation.validator_id).ok()?)? = true;
            if 3 * tally.iter().filter(|bit| **bit).count() < 2 * self.validators {
                continue;
            }
            self.justified = target;
            self.justified_slots[target.slot as usize] = true;
            self.tallies.remove(&target.root);
            let mut between = false;
            for slot in source.slot + 1..target.slot {
                if justifiable(slot, finalized_before)? {
                    between = true;
                    break;
                }
            }
            if !between {
                self.finalized = source;
            }
        }
        Some(self.without_root())
    }

    /// Without what the fields do not say, to compare two states.
    pub(crate) fn without_root(mut self) -> Self {
        self.root = Root::ZERO;
        self
    }
}
