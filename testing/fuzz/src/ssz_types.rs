//! The SSZ of every container that comes from a peer, a server or a file.

use quartet_types::{
    Attestation, Block, BlockHeader, BlockWithAttestation, BlocksByRangeRequest,
    BlocksByRootRequest, Checkpoint, CompactState, SignedAttestation, SignedBlockWithAttestation,
    State, Status,
};
use ssz::{Decode, Encode};
use tree_hash::TreeHash;

use crate::input::Input;

/// What decodes encodes to the same bytes, and its root does not depend on how it came to be.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(12);
    let ssz = input.rest();
    match kind {
        0 | 1 => state(ssz),
        2 => {
            canonical::<CompactState>(ssz);
        }
        3 | 4 => hashed::<SignedBlockWithAttestation>(ssz),
        5 => hashed::<SignedAttestation>(ssz),
        6 => hashed::<Block>(ssz),
        7 => hashed::<BlockWithAttestation>(ssz),
        8 => hashed::<Attestation>(ssz),
        9 => {
            canonical::<BlocksByRootRequest>(ssz);
            canonical::<BlocksByRangeRequest>(ssz);
        }
        10 => {
            canonical::<Status>(ssz);
        }
        _ => {
            hashed::<BlockHeader>(ssz);
            hashed::<Checkpoint>(ssz);
        }
    }
}

fn canonical<T: Decode + Encode>(ssz: &[u8]) -> Option<T> {
    let value = T::from_ssz_bytes(ssz).ok()?;
    assert!(value.as_ssz_bytes() == ssz, "another encoding was accepted");
    assert_eq!(value.ssz_bytes_len(), ssz.len());
    Some(value)
}

fn hashed<T: Decode + Encode + TreeHash>(ssz: &[u8]) {
    if let Some(value) = canonical::<T>(ssz) {
        let again = T::from_ssz_bytes(ssz).unwrap();
        assert_eq!(value.tree_hash_root(), again.tree_hash_root());
    }
}

fn state(ssz: &[u8]) {
    let Some(state) = canonical::<State>(ssz) else {
        return;
    };
    let root = state.tree_hash_root();
    assert_eq!(state.clone().tree_hash_root(), root);
    let justified = state.highest_justified();
    assert!(justified == state.latest_justified || !justified.root.is_zero());
    let last = state.validator_count().saturating_sub(1);
    assert_eq!(
        state.public_key(last).is_some(),
        state.validator_count() > 0
    );
    assert_eq!(state.public_key(last + 1), None);
}
