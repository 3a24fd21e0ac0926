//! The state and its persistent lists.

use milhouse::List;
use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;
use typenum::{U4096, U262144, U1073741824};

use crate::{
    Bitlist, BlockHeader, Checkpoint, PublicKey, RootList, SharedRoots, Slot, ValidatorIndex,
};

/// Root of the block of each slot, zero for an empty slot; at most
/// [`HISTORICAL_ROOTS_LIMIT`](crate::HISTORICAL_ROOTS_LIMIT).
pub type HistoricalBlockHashes = RootList<U262144>;
/// One bit per slot, at most 2^18: whether its block is justified.
pub type JustifiedSlots = Bitlist<U262144>;
/// The validator registry: at most [`VALIDATOR_REGISTRY_LIMIT`](crate::VALIDATOR_REGISTRY_LIMIT).
pub type Validators = List<Validator, U4096>;
/// Targets that have votes and are not justified yet, sorted by root; at most 2^18.
pub type JustificationRoots = SharedRoots<U262144>;
/// The votes for those targets: one run of registry-length bits per target, at most 2^30 bits in all.
pub type JustificationValidators = Bitlist<U1073741824>;

/// What a network is started with.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
}

/// A registry entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
pub struct Validator {
    /// The key its attestations are verified with.
    pub pubkey: PublicKey,
    /// Its position in the registry.
    pub index: ValidatorIndex,
}

/// The state after a block. Its lists share structure between clones, so a clone is cheap and a root
/// after a block costs only what the block changed.
#[derive(Clone, Debug, PartialEq, Encode, Decode, TreeHash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// What the network was started with.
    pub config: Config,
    /// The slot up to which the state has been advanced.
    pub slot: Slot,
    /// Header of the latest block; its state root is zero until the next slot is processed.
    pub latest_block_header: BlockHeader,
    /// The checkpoint that was justified last.
    pub latest_justified: Checkpoint,
    /// The checkpoint that was finalized last.
    pub latest_finalized: Checkpoint,
    /// Root of the block of each slot before the latest block's, zero for an empty slot.
    pub historical_block_hashes: HistoricalBlockHashes,
    /// Which of those slots are justified.
    pub justified_slots: JustifiedSlots,
    /// The registry.
    pub validators: Validators,
    /// Targets with votes, sorted.
    pub justifications_roots: JustificationRoots,
    /// The votes for them, flattened.
    pub justifications_validators: JustificationValidators,
}

impl State {
    /// Number of validators in the registry.
    pub fn validator_count(&self) -> u64 {
        self.validators.len() as u64
    }

    /// The checkpoint with the highest slot that this chain has justified, other than an empty slot.
    ///
    /// `latest_justified` is the one that was justified last. A proposer that carries a vote for an older target behind
    /// one for a newer target moves it back, below the finalized slot even; votes that build on it would then make
    /// every block invalid that they complete.
    pub fn highest_justified(&self) -> Checkpoint {
        let bits = &self.justified_slots;
        let set = |end: usize| bits.last_set_before(end);
        let slots = std::iter::successors(set(bits.len()), |slot| set(*slot));
        let mut checkpoints = slots.filter_map(|slot| {
            let root = *self.historical_block_hashes.get(slot)?;
            let slot = slot as Slot;
            (!root.is_zero()).then_some(Checkpoint { root, slot })
        });
        checkpoints.next().unwrap_or(self.latest_justified)
    }

    /// The public key of `validator`, or `None` beyond the registry.
    pub fn public_key(&self, validator: ValidatorIndex) -> Option<&PublicKey> {
        let index = usize::try_from(validator).ok()?;
        self.validators.get(index).map(|entry| &entry.pubkey)
    }
}
