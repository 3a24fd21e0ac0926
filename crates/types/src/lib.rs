//! The protocol's SSZ containers, constants, slots and genesis.
//!
//! Field order is wire order; names are those of the specification (leanSpec `subspecs/containers`).
//! Nothing here does I/O, waits, locks or reads a clock.
//!
//! # Example
//!
//! A network's genesis, its root, and its bytes there and back:
//!
//! ```
//! use quartet_types::{Block, PublicKey, State, is_justifiable_after, proposer_index};
//! use ssz::{Decode as _, Encode as _};
//! use tree_hash::TreeHash as _;
//!
//! let genesis_time = 1_800_000_000;
//! let validators = [0xaa, 0xbb, 0xcc].map(|byte| PublicKey([byte; 52]));
//! let genesis = State::genesis(genesis_time, &validators)?;
//!
//! let bytes = genesis.as_ssz_bytes();
//! assert_eq!(State::from_ssz_bytes(&bytes).as_ref(), Ok(&genesis));
//! assert!(State::from_ssz_bytes(&bytes[1..]).is_err());
//!
//! let block = Block::genesis(&genesis);
//! assert_eq!(block.state_root, genesis.tree_hash_root());
//! assert_eq!(block.checkpoint().root, block.tree_hash_root());
//!
//! // Of slot 7 with three validators, and nothing finalized since genesis.
//! assert_eq!(proposer_index(7, genesis.validator_count()), Some(1));
//! assert_eq!(is_justifiable_after(7, 0), Ok(false));
//! # Ok::<(), quartet_types::GenesisError>(())
//! ```

#![forbid(unsafe_code)]

mod attestation;
mod bitlist;
mod block;
mod body_root;
mod byte_vectors;
mod checkpoint;
mod compact;
mod constants;
mod genesis;
mod merkle;
mod packed_bits;
mod root_list;
mod shared_roots;
mod slot;
mod slot_duration;
mod state;
mod status;

pub use attestation::{Attestation, AttestationData, SignedAttestation};
pub use bitlist::{Bitlist, BitlistError};
pub use block::{
    Attestations, Block, BlockBody, BlockHeader, BlockSignatures, BlockWithAttestation,
    SignedBlockWithAttestation,
};
pub use byte_vectors::{PublicKey, Signature, WrongLength};
pub use checkpoint::{Checkpoint, CheckpointRole};
pub use compact::{CompactState, ExpandError};
pub use constants::*;
pub use genesis::GenesisError;
pub use packed_bits::PackedBits;
pub use root_list::{RootList, TooManyRoots};
pub use shared_roots::SharedRoots;
pub use slot::{
    SlotBeforeFinalized, is_justifiable_after, is_proposer, next_justifiable, proposer_index,
};
pub use slot_duration::{InvalidSlotDuration, SlotDuration};
pub use state::{
    Config, HistoricalBlockHashes, JustificationRoots, JustificationValidators, JustifiedSlots,
    State, Validator, Validators,
};
pub use status::{BlocksByRangeRequest, BlocksByRootRequest, Status};

pub use alloy_primitives::B256;

/// A slot number since genesis; one slot lasts a [`SlotDuration`].
pub type Slot = u64;
/// A position in the validator registry, counted from 0.
pub type ValidatorIndex = u64;
/// The 32 bytes of a `hash_tree_root`.
pub type Root = B256;
