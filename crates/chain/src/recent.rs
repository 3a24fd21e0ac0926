//! The blocks and post-states that are in memory; the rest is in the database.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use quartet_types::{
    Attestation, Root, SIGNATURE_BYTES, Signature, SignedBlockWithAttestation, State,
};

/// States that are kept whatever their size: honest validators build on one of the last few blocks.
const MIN_STATES: usize = 8;
/// Bytes that a state takes besides its tallies, most of which it shares with others: paths in shared trees, the last chunks of
/// history and bits.
const STATE_BYTES: usize = 16 << 10;

/// Limits, in bytes, of the memory for blocks and states that can be read again or rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// For post-states. At least eight are kept.
    pub states: usize,
    /// For blocks with their signatures that are in the database too.
    pub blocks: usize,
    /// For blocks that wait for the disk: at this limit no more are checked, and blocks that arrive are fetched again later.
    pub unwritten: usize,
}

impl MemoryLimits {
    /// The parts of a budget: a quarter each for states and blocks, half for what waits for the disk.
    pub const fn of(budget: usize) -> Self {
        Self {
            states: budget / 4,
            blocks: budget / 4,
            unwritten: budget / 2,
        }
    }
}

/// 128 MiB in all.
impl Default for MemoryLimits {
    fn default() -> Self {
        Self::of(128 << 20)
    }
}

/// The post-states of the blocks that were imported last, and the head's.
#[derive(Debug)]
pub(crate) struct RecentStates {
    states: HashMap<Root, Arc<State>>,
    /// Oldest first; roots that were removed meanwhile are skipped.
    order: VecDeque<Root>,
    bytes: usize,
    limit: usize,
}

impl RecentStates {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            states: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    pub(crate) fn get(&self, root: &Root) -> Option<&Arc<State>> {
        self.states.get(root)
    }

    /// Takes effect with the next state.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a state, and returns those that make way for it, to be freed outside of any lock; never that of `head`.
    pub(crate) fn insert(&mut self, root: Root, state: Arc<State>, head: &Root) -> Vec<Arc<State>> {
        self.bytes += cost(&state);
        if let Some(earlier) = self.states.insert(root, state) {
            self.bytes -= cost(&earlier);
            return vec![earlier];
        }
        self.order.push_back(root);
        let mut evicted = Vec::new();
        for _ in 0..self.order.len() {
            if self.bytes <= self.limit || self.states.len() <= MIN_STATES {
                break;
            }
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if oldest == *head || oldest == root {
                self.order.push_back(oldest);
            } else {
                evicted.extend(self.remove(&oldest));
            }
        }
        evicted
    }

    pub(crate) fn remove(&mut self, root: &Root) -> Option<Arc<State>> {
        let state = self.states.remove(root)?;
        self.bytes -= cost(&state);
        Some(state)
    }

    /// How many places are remembered.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.order.len()
    }

    /// Forgets the places of states that were removed.
    pub(crate) fn tidy(&mut self) {
        let states = &self.states;
        self.order.retain(|root| states.contains_key(root));
    }
}

fn cost(state: &State) -> usize {
    STATE_BYTES + state.justifications_validators.len() / 8
}

/// The blocks that were imported last, and all that are not in the database yet.
#[derive(Debug)]
pub(crate) struct RecentBlocks {
    blocks: HashMap<Root, RecentBlock>,
    /// Blocks that are in the database too, in the order in which they were written.
    written: VecDeque<Root>,
    written_bytes: usize,
    unwritten_bytes: usize,
    limit: usize,
}

#[derive(Debug)]
struct RecentBlock {
    block: Arc<SignedBlockWithAttestation>,
    bytes: usize,
    is_written: bool,
}

impl RecentBlocks {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            blocks: HashMap::new(),
            written: VecDeque::new(),
            written_bytes: 0,
            unwritten_bytes: 0,
            limit,
        }
    }

    pub(crate) fn get(&self, root: &Root) -> Option<&Arc<SignedBlockWithAttestation>> {
        self.blocks.get(root).map(|recent| &recent.block)
    }

    /// Takes effect with the next block.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes of those that are in the database too.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Bytes of those that are only here.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    /// Keeps a block until it has been written, at least.
    pub(crate) fn insert(&mut self, root: Root, block: Arc<SignedBlockWithAttestation>) {
        let bytes = block_bytes(&block);
        let recent = RecentBlock {
            block,
            bytes,
            is_written: false,
        };
        if self.blocks.insert(root, recent).is_none() {
            self.unwritten_bytes += bytes;
        }
    }

    /// A block has been written. Returns those that make way, to be freed outside of any lock.
    pub(crate) fn mark_written(&mut self, root: Root) -> Vec<Arc<SignedBlockWithAttestation>> {
        let Some(recent) = self.blocks.get_mut(&root).filter(|block| !block.is_written) else {
            return Vec::new();
        };
        recent.is_written = true;
        self.unwritten_bytes -= recent.bytes;
        self.written_bytes += recent.bytes;
        self.written.push_back(root);
        let mut evicted = Vec::new();
        while self.written_bytes > self.limit
            && let Some(oldest) = self.written.pop_front()
        {
            if let Some(recent) = self.blocks.remove(&oldest) {
                self.written_bytes -= recent.bytes;
                evicted.push(recent.block);
            }
        }
        evicted
    }
}

/// What a block takes in memory.
pub(crate) fn block_bytes(block: &SignedBlockWithAttestation) -> usize {
    size_of::<SignedBlockWithAttestation>()
        + block.block().body.attestations.len() * size_of::<Attestation>()
        + block.signature.len() * (SIGNATURE_BYTES + size_of::<Signature>())
}

#[cfg(test)]
mod tests;
