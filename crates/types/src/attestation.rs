//! Attestations: a validator's vote for a head, a target and a source.

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;

use crate::{Checkpoint, Signature, Slot, ValidatorIndex};

/// What is attested.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Encode,
    Decode,
    TreeHash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct AttestationData {
    /// The slot in which the validator attests; also the epoch of its signature.
    pub slot: Slot,
    /// The head as the validator sees it: the vote of LMD-GHOST.
    pub head: Checkpoint,
    /// The checkpoint to justify.
    pub target: Checkpoint,
    /// The justified checkpoint that the vote builds on.
    pub source: Checkpoint,
}

/// A validator's attestation, unsigned. Signatures are over its `hash_tree_root`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Encode,
    Decode,
    TreeHash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The validator that attests.
    pub validator_id: ValidatorIndex,
    /// What is attested.
    pub data: AttestationData,
}

/// An attestation with its signature, as gossiped.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize)]
pub struct SignedAttestation {
    /// The attestation.
    pub message: Attestation,
    /// The validator's signature over the attestation's root.
    pub signature: Signature,
}
