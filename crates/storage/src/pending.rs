//! Blocks that were put and are not on disk yet: many are written in one transaction.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use quartet_types::{
    AttestationData, Root, SignedBlockWithAttestation, Slot, VALIDATOR_REGISTRY_LIMIT,
    ValidatorIndex,
};
use ssz::Encode as _;

use crate::Entry;

/// Most blocks that wait.
const MAX_BLOCKS: usize = 64;
/// Most bytes that wait: some ten blocks of 32 votes, so that a commit, which costs the disk two round trips, is
/// shared, and little is lost in a crash.
const MAX_BYTES: usize = 1 << 20;

/// At most one for each place of the registry.
pub(crate) type Votes = BTreeMap<ValidatorIndex, AttestationData>;

/// Takes a vote if it is newer than the validator's vote in `votes`; of the same slot, if it `is_older`: was stored
/// before.
pub(crate) fn keep_newest(
    votes: &mut Votes,
    validator: ValidatorIndex,
    vote: AttestationData,
    is_older: bool,
) {
    if validator >= VALIDATOR_REGISTRY_LIMIT {
        return;
    }
    let counts = votes
        .get(&validator)
        .is_none_or(|other| other.slot < vote.slot || (is_older && other.slot == vote.slot));
    if counts {
        votes.insert(validator, vote);
    }
}

/// A block and what goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) block: Arc<SignedBlockWithAttestation>,
    /// Absent for a block that only fills in the finalized chain's past.
    pub(crate) entry: Option<Entry>,
    /// The encoded post-state.
    pub(crate) state: Option<Arc<[u8]>>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.block.ssz_bytes_len() + self.state.as_ref().map_or(0, |state| state.len())
    }

    fn is(&self, other: &Self) -> bool {
        let state = |waiting: &Self| waiting.state.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.block, &other.block) && state(self) == state(other)
    }
}

/// What waits, in the order of the store. A clone shares blocks and states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    blocks: BTreeMap<(Slot, Root), Waiting>,
    bytes: usize,
}

impl Pending {
    pub(crate) fn insert(&mut self, key: (Slot, Root), mut waiting: Waiting) {
        if let Some(replaced) = self.blocks.remove(&key) {
            self.bytes -= replaced.bytes();
            waiting.state = waiting.state.or(replaced.state);
            waiting.entry = waiting.entry.or(replaced.entry);
        }
        self.bytes += waiting.bytes();
        self.blocks.insert(key, waiting);
    }

    pub(crate) fn remove(&mut self, key: &(Slot, Root)) {
        if let Some(removed) = self.blocks.remove(key) {
            self.bytes -= removed.bytes();
        }
    }

    /// Takes out what has been written, unless it has been put anew meanwhile.
    pub(crate) fn forget(&mut self, written: &Self) {
        for (key, waiting) in &written.blocks {
            if self.blocks.get(key).is_some_and(|now| now.is(waiting)) {
                self.remove(key);
            }
        }
    }

    pub(crate) fn get(&self, root: Root) -> Option<(Slot, &Waiting)> {
        // A scan of at most MAX_BLOCKS keys is cheaper than a second map.
        let found = self.blocks.iter().find(|((_, key), _)| *key == root);
        found.map(|((slot, _), waiting)| (*slot, waiting))
    }

    pub(crate) fn after(
        &self,
        last: (Slot, Root),
    ) -> impl Iterator<Item = (&(Slot, Root), &Waiting)> {
        self.blocks.range((Excluded(last), Unbounded))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(Slot, Root), &Waiting)> {
        self.blocks.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The newest vote of each validator in the blocks that wait. Blocks that only fill in the past do not count.
    pub(crate) fn votes(&self) -> Votes {
        let mut votes = Votes::new();
        let recent = self
            .blocks
            .values()
            .filter(|waiting| waiting.entry.is_some());
        for vote in recent.flat_map(|waiting| waiting.block.attestations()) {
            keep_newest(&mut votes, vote.validator_id, vote.data, false);
        }
        votes
    }

    /// Whether it is time to write.
    pub(crate) fn is_full(&self) -> bool {
        self.blocks.len() >= MAX_BLOCKS || self.bytes >= MAX_BYTES
    }
}
